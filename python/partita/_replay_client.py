"""The methods of a client that run a call of the cluster once more in this process, for a debugger."""

from __future__ import annotations

import asyncio
import inspect
import pickle
from collections.abc import Callable
from typing import Any

from ._awaiting import in_event_loop
from ._errors import ClusterError
from ._foreign import loading
from ._packing import loading_inputs
from ._records import RECORDED_BYTES_MAX
from ._remote_errors import make_exception
from ._session import State, wait_states
from ._task_futures import TaskFuture, flat_futures
from ._worker_view import is_in_runner

__all__ = ["ReplayMethods"]


class ReplayMethods:
    """Calls that run once more in the process of the client."""

    _own_call: Callable[[State], State]
    _state_results: Callable[[list[State]], dict[State, Any]]

    def replay(self, future: Any) -> Any:
        """Run the call of a future once more in this process, with its real inputs, and return its result.

        If the call failed, this is the call that raised the exception: the future's own, or an earlier one on which it
        depends. The exception is raised from the function itself, so that a debugger, such as ``%debug`` of IPython or
        ``pdb.post_mortem``, shows its variables; breakpoints of the function work, too.

        Inputs are fetched from the workers. Those that were dropped are computed again there. A client keeps the
        arguments of its latest calls, up to 32 MiB in a session.

        Parameters
        ----------
        future : Future
            The future, whose end is waited for.

        Returns
        -------
        object
            The result of the function; of an async function in an event loop, its coroutine.

        Raises
        ------
        ClusterError
            If the arguments of the call are no longer kept.
        ValueError
            If another client submitted the call.
        Exception
            What the function raises.

        Examples
        --------
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1) as client:
        ...     future = client.submit(divmod, client.submit(pow, 2, 3), 5)
        ...     client.replay(future)
        (1, 3)
        """
        if not isinstance(future, TaskFuture):
            raise TypeError(f"replay() takes the future of a call, not an object of type {type(future).__name__}")
        if is_in_runner():
            raise RuntimeError(
                "replay() runs a call in the process of a client; it cannot be used in functions on a worker"
            )
        state = self._own_call(future._state)
        wait_states([state], None)
        error = state.error
        place = (state.stage, state.index)
        if error is not None:
            if error.kind == "cancelled" or error.stage < 0:
                raise make_exception(error, state)
            place = (error.stage, error.index)
        return self._replay_at(state, place)

    def _replay_at(self, state: State, place: tuple[int, int]) -> Any:
        """Run the call at a place of the session of a state."""
        session = state.session
        record = session.records.find(*place)
        if record is None:
            raise ClusterError(
                f"the arguments of the call for {state.key} are no longer available: a client keeps those of its latest "
                f"calls, up to {RECORDED_BYTES_MAX >> 20} MiB; submit the call again"
            )
        inputs = [session.reopen(*one) for one in record.inputs]
        wait_states(list(dict.fromkeys(inputs)), None)
        for one in inputs:
            if one.error is not None:
                raise make_exception(one.error, one)
        results = self._state_results(inputs)
        with loading(self):
            function = pickle.loads(record.function)
            with loading_inputs([results[one] for one in inputs]):
                args, kwargs = pickle.loads(record.arguments)
        value = function(*args, **kwargs)
        if inspect.iscoroutine(value) and not in_event_loop():
            return asyncio.run(value)
        return value

    def recreate_task_locally(self, future: Any) -> Any:
        """Run the call of a future once more in this process: :meth:`replay`, under the name that it has in Dask.

        Parameters
        ----------
        future : Future
            The future, whose end is waited for.

        Returns
        -------
        object
            The result of the function.

        Raises
        ------
        ClusterError
            If the arguments of the call are no longer kept.

        Examples
        --------
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1) as client:
        ...     client.recreate_task_locally(client.submit(pow, 2, 3))
        8
        """
        return self.replay(_only_future(future))

    def recreate_error_locally(self, future: Any) -> Any:
        """Run the call that failed once more in this process, so that a debugger shows its variables.

        Parameters
        ----------
        future : Future, or a collection of these
            What failed. Its end is waited for. Of several, the first failed one is run.

        Raises
        ------
        ValueError
            If none of them failed.
        Exception
            What the function raises.

        Examples
        --------
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1) as client:
        ...     future = client.submit(divmod, 1, 0)
        ...     try:
        ...         client.recreate_error_locally(future)
        ...     except ZeroDivisionError as error:
        ...         print("raised here:", error)
        raised here: integer division or modulo by zero
        """
        futures = [one for one in flat_futures(future) if isinstance(one, TaskFuture)]
        wait_states([one._state for one in futures], None)
        failed = next((one for one in futures if one.status == "error"), None)
        if failed is None:
            raise ValueError("No errored futures passed: recreate_error_locally() takes futures whose call failed")
        return self.replay(failed)


def _only_future(futures: Any) -> Any:
    """Return the future of a collection that has one; other objects as they are."""
    found = list(flat_futures(futures))
    return found[0] if len(found) == 1 else futures
