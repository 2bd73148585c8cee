"""Calls that were submitted, and what is known of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ._errors import Cancelled, ClusterError
from ._packing import add_place, is_packing, is_packing_value, packing_cluster, reduce_input
from ._returned import is_returning, keep_returned

if TYPE_CHECKING:
    from ._session import Session

__all__ = ["Call", "Error", "State", "check_cluster"]


class State:
    """A call that was submitted, and what is known of it. Shared by all futures of the call.

    Attributes
    ----------
    status : str
        ``pending``, ``finished``, ``error``, ``cancelled`` or ``lost``.
    value : memoryview or None
        The packed result, if it is small.
    error : Error or None
        Why there is no result.
    """

    __slots__ = (
        "__weakref__",
        "callbacks",
        "error",
        "index",
        "is_wanted",
        "kept",
        "key",
        "name",
        "request",
        "session",
        "sources",
        "stage",
        "status",
        "token",
        "value",
    )

    def __init__(self, session: Session, key: str, name: str) -> None:
        self.session = session
        self.key = key
        #: What stands for the result in the keys of calls that read it: a key that a user chose may have another result
        #: later.
        self.token = key
        self.name = name
        self.stage = -1
        self.index = -1
        #: The message that submitted it; 0 until it is sent.
        self.request = 0
        self.status = "pending"
        self.value: Any = None
        self.error: Error | None = None
        self.is_wanted = False
        #: What must exist until the call has ended.
        self.kept: Any = None
        #: Objects that must live as long as the result can be recomputed, such as frames whose partitions it reads.
        self.sources: tuple[Any, ...] = ()
        self.callbacks: list[Callable[[State], None]] | None = None

    @property
    def job(self) -> int:
        """The job of the call."""
        return self.session.job

    @property
    def running(self) -> State:
        """The call that runs on a worker to get the result."""
        return self

    def reduce(self, future: Any) -> Any:
        """Return what stands for a future of this call in a pickle.

        Raises
        ------
        TypeError
            If neither the arguments of a call nor a value for other clients are pickled.
        """
        if is_packing_value():
            from ._foreign import load_future

            place = (self.job, self.stage, self.index)
            check_cluster(self, packing_cluster())
            if self.status == "cancelled":
                raise Cancelled(f"a future in the value was cancelled: {self.key}")
            add_place(place)
            return load_future, (*place, future.key, self.name)
        if is_packing():
            return reduce_input(future)
        if is_returning():
            from ._foreign import load_future

            keep_returned(future)
            return load_future, (self.job, self.stage, self.index, future.key, self.name)
        raise TypeError(
            f"{future!r} cannot be pickled: it belongs to the client of this process; pass it as an argument of a call, "
            "or to other clients by a Variable, a Queue, or publish_dataset"
        )

    def __del__(self) -> None:
        # No future refers to it any more. Without a place it was not submitted.
        if self.is_wanted and self.index >= 0:
            self.session.release(self.stage, self.index)


def check_cluster(state: State, cluster: tuple[str, ...]) -> None:
    """Refuse a call of another cluster, whose jobs have numbers of their own. An empty tuple stands for any cluster.

    Raises
    ------
    ClusterError
        If the call runs on another cluster.
    """
    own = state.session.cluster
    # An address may have several names, and a client may have been given no token.
    if cluster and own and not any(one and one == other for one, other in zip(own, cluster)):
        raise ClusterError(
            f"the future {state.key} belongs to a client of another cluster: pass its result instead, or use one client"
        )


class Error:
    """Why a call, and those that depend on it, have no result."""

    __slots__ = ("exception", "index", "kind", "stage", "text")

    def __init__(self, stage: int, index: int, kind: str, text: str, exception: Any = None) -> None:
        self.stage = stage
        self.index = index
        self.kind = kind
        self.text = text
        self.exception = exception


class Call:
    """A call to submit: its state, the pickled arguments, and the inputs in their order."""

    __slots__ = ("arguments", "inputs", "stage", "state")

    def __init__(self, state: State, stage: int) -> None:
        self.state = state
        self.stage = stage
        self.arguments = b""
        #: Earlier calls whose results it reads.
        self.inputs: Sequence[State] = ()
