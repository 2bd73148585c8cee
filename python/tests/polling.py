"""Polling of cluster state, with a timeout."""

import time

BOUND_S = 30.0


def until(condition, what):
    """Wait until a condition is true, or fail after BOUND_S seconds."""
    end = time.monotonic() + BOUND_S
    while not condition():
        assert time.monotonic() < end, f"waited {BOUND_S} s for {what}"
        time.sleep(0.02)


def table_names(client):
    """Return the names of the tables of all clients."""
    return {row["name"] for row in client._connection.action("partita.tables", {})}


def live_queries(client, state="running"):
    """Return the jobs in a state, without those of sessions that call functions, which last as long as their clients."""
    return [job for job in client._rest(f"jobs?state={state}")["jobs"] if job["text"] != "Python functions"]
