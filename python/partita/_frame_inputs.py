"""Frames, columns and lazy single values in the arguments of calls: the calls get what `compute` returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._frame_functions import read_partitions
from ._packing import NotPicklable, is_packing, is_packing_value, reduce_input

__all__ = ["FrameInput", "frame_call", "is_single_value"]


class FrameInput:
    """Base class of lazy objects of partita.dataframe. In a call, they stand for their values."""

    def __copy__(self) -> Any:
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    def __deepcopy__(self, memo: Any) -> Any:
        # Plans do not change: assignments to a frame give it other columns.
        return self.__copy__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        kind = type(self).__name__.lstrip("_")
        if is_packing():
            return reduce_input(self)
        if is_packing_value():
            raise NotPicklable(
                f"a {kind} cannot be part of a value for other clients; publish it with Client.publish_dataset, or compute "
                "it first"
            )
        raise TypeError(
            f"cannot pickle a {kind}, which is a plan of this process: pass it as an argument of the call, or compute it first"
        )


def is_single_value(value: Any) -> bool:
    """Whether a value is a lazy single value, such as the sum of a column."""
    return isinstance(value, FrameInput) and getattr(value, "ndim", None) == 0


def frame_call(frame: Any, client: Any) -> tuple[Callable[..., Any] | None, tuple[Any, ...]]:
    """Return the call whose result is the value of a frame: a function, or None for a value that is known, and arguments.

    The rows of frames and columns do not pass through the client: the call fetches them from the workers.
    """
    from .dataframe._base import Plan
    from .dataframe._partition_inputs import persisted_partitions

    if not isinstance(frame, Plan) or frame._client._connection.address != client._connection.address:
        return None, (frame.compute(),)
    return read_partitions, persisted_partitions(frame)
