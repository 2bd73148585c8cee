"""When and where calls ran, as a context manager."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ._client import Client, current_client
from ._durations import Deadline
from ._errors import trim_traceback

__all__ = ["get_task_stream"]

#: Time to wait until the scheduler lists calls that have ended, in seconds.
LISTED_WAIT_S = 3.0
#: Time between two questions for it, in seconds.
LISTED_INTERVAL_S = 0.05


class get_task_stream:
    """Context manager that collects when and where the calls of a client run inside the ``with`` block.

    Parameters
    ----------
    client : Client, optional
        The client. The default client if not given.
    plot, filename
        Not supported: the dashboard's timeline draws the calls, and ``performance_report`` writes them to a file.

    Attributes
    ----------
    data : list of dict
        What ``Client.get_task_stream`` returns of these calls, after the block.
    figure
        None.

    Examples
    --------
    >>> from partita.distributed import Client, get_task_stream
    >>> with Client(n_workers=1) as client:
    ...     with get_task_stream() as stream:
    ...         futures = client.map(sum, [[1], [1, 2]])
    ...         sums = client.gather(futures)
    >>> [one["name"] for one in stream.data]
    ['sum', 'sum']
    """

    def __init__(self, client: Client | None = None, plot: Any = False, filename: Any = None) -> None:
        if plot:
            raise NotImplementedError(
                "get_task_stream() does not draw; see the dashboard's timeline, or use performance_report"
            )
        self._client = client or current_client()
        self.data: list[dict[str, Any]] = []
        self.figure = None

    def __enter__(self) -> get_task_stream:
        self._before = self._ended()
        self._begun_s = time.time()
        return self

    @trim_traceback
    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            # An error inside the block takes precedence.
            return
        expected = self._ended() - self._before
        deadline = Deadline(LISTED_WAIT_S)
        while True:
            listed = len(self.data)
            self.data = self._client.get_task_stream(start=self._begun_s)
            # Calls to which no future refers any more are not known here: nothing more may come.
            is_whole = expected <= {one["key"] for one in self.data} and len(self.data) == listed
            if is_whole or deadline.left() == 0:
                return
            time.sleep(LISTED_INTERVAL_S)

    async def __aenter__(self) -> get_task_stream:
        return self.__enter__()

    async def __aexit__(self, *error: object) -> None:
        await asyncio.get_running_loop().run_in_executor(None, lambda: self.__exit__(*error))

    def _ended(self) -> set[str]:
        """Return the keys of the calls that have run. Values that were sent are no calls."""
        sessions = self._client._submitter.sessions()
        states = [state for session in sessions for state in list(session._states.values())]
        return {state.key for state in states if state.status in ("finished", "error") and state.name != "scatter"}
