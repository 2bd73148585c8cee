"""Waiting for what a cluster does, with a bound."""

import time

BOUND_S = 30.0


def until(condition, what):
    """Waits for a condition, with a bound."""
    end = time.monotonic() + BOUND_S
    while not condition():
        assert time.monotonic() < end, f"waited {BOUND_S} s for {what}"
        time.sleep(0.02)


def persisted(client):
    """The names of the persisted tables, of all clients."""
    return {row["name"] for row in client._connection.action("partita.tables", {})}
