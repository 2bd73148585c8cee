"""Scripts that exit: no thread of the package is left when the interpreter ends, since it would crash the process."""

import subprocess
import sys

import pytest

#: Time for a script to exit, in seconds.
EXIT_TIMEOUT_S = 60

#: The threads that are alive when all other exit handlers have run.
_LIST_THREADS = """
import atexit, sys, threading, time

@atexit.register
def list_threads():
    print([one.name for one in threading.enumerate() if one.name.startswith("partita-")])

from partita.distributed import Client, Queue
client = Client(sys.argv[1], token=sys.argv[2])
"""

SCRIPTS = {
    "a client that is open": "client.submit(pow, 2, 3).result()",
    "a client that was closed": "client.submit(pow, 2, 3).result()\nclient.set_metadata('exit', 1)\nclient.close()",
    "threads that wait": """
future = client.submit(time.sleep, 60, pure=False)
def wait(method):
    try:
        method()
    except BaseException:
        pass
for method in (future.result, Queue("nobody puts").get):
    threading.Thread(target=wait, args=(method,), daemon=True).start()
client.subscribe_topic("exit", print)
""",
    "callbacks": "client.submit(pow, 2, 3).add_done_callback(lambda future: future.exception())",
    "queries": "client.sql('SELECT 1')\nfuture = client._submit(lambda: client.sql('SELECT 1'))",
}


@pytest.mark.parametrize("kind", SCRIPTS)
def test_no_thread_is_left_at_exit(client, kind):
    command = [sys.executable, "-c", _LIST_THREADS + SCRIPTS[kind]]
    command += [f"tcp://{client._connection.address}", client._connection.token]
    done = subprocess.run(command, capture_output=True, text=True, timeout=EXIT_TIMEOUT_S, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
