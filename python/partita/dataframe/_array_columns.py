"""Arrays as columns: values that belong to the rows in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from .._collection import unpack

__all__ = ["Blocks", "column_of_array", "is_array", "operands_of_array"]


def is_array(value: Any) -> bool:
    """Whether a value is an array of NumPy, or a lazy one, with one axis."""
    from ..array import Array

    return isinstance(value, (np.ndarray, Array)) and value.ndim == 1


def operands_of_array(frame: Any, value: Any) -> Any:
    """Return the operands of the columns of a frame by label, if `value` is an array or list; other values as they are.

    As in pandas, one axis is that of the columns, and two axes are those of the frame.

    Raises
    ------
    ValueError
        If the number of values and of columns differ.
    """
    from ..array import Array

    if not isinstance(value, (list, tuple, np.ndarray, Array)):
        return value
    labels = list(frame._columns)
    is_flat = isinstance(value, (list, tuple)) and not any(pd.api.types.is_list_like(one) for one in value)
    if not is_flat and isinstance(value, (list, tuple)):
        value = np.array(value)
    shape: tuple[Any, ...] = (len(value),) if is_flat else value.shape
    if shape[-1:] != (len(labels),) and not (len(shape) == 2 and shape[1] == 1):
        raise ValueError(
            f"Unable to coerce to Series, length must be {len(labels)}, the number of columns: given {shape[-1] if shape else 1}"
        )
    if len(shape) == 2 and shape[0] != 1:
        if shape[1] == len(labels):
            return _frame_of_array(frame, value)
        return dict.fromkeys(labels, column_of_array(frame, value[:, 0]))
    if isinstance(value, Array):
        value = value.compute()
    flat = list(value) if is_flat else pd.Series(np.broadcast_to(value.reshape(-1), (len(labels),))).tolist()
    return dict(zip(labels, flat))


def column_of_array(plan: Any, array: Any) -> Any:
    """Return the values of an array as a column of the rows of a plan.

    Parameters
    ----------
    plan : DataFrame or Series
        The rows, whose order must be defined.
    array : numpy.ndarray or Array
        An array with one axis, with a value for each row. A lazy one of which the sizes of the chunks are not known must
        have a chunk for each partition.

    Raises
    ------
    ValueError
        When the column is computed, if the numbers of values and rows differ.
    """
    from ._column_functions import call_rows
    from ._frame import DataFrame

    frame = DataFrame(plan._rows, {}, plan._index)
    sample = pd.Series(np.empty(0, dtype=array.dtype))
    return call_rows(frame, _values_of_block, sample, "array", Blocks(array))


def _frame_of_array(frame: Any, array: Any) -> Any:
    """Return the values of an array with two axes as a frame of the rows and columns of another one."""
    from ._column_functions import call_rows

    rows = frame._like({})
    sample = pd.DataFrame(np.empty((0, array.shape[1]), dtype=array.dtype), columns=range(array.shape[1]))
    made = call_rows(rows, _frame_of_block, sample, "array", Blocks(array))
    return made._like(dict(zip(frame._columns, made._columns.values())))


def _frame_of_block(part: pd.DataFrame, block: Any) -> pd.DataFrame:
    if len(part) != len(block):
        raise ValueError(
            f"an array has {len(block)} rows for a partition of {len(part)} rows; it must have a row for each one"
        )
    return pd.DataFrame(block)


def _values_of_block(part: pd.DataFrame, block: Any) -> pd.Series:
    if len(part) != len(block):
        raise ValueError(
            f"an array has {len(block)} values for a partition of {len(part)} rows; it must have a value for each row"
        )
    return pd.Series(block)


class Blocks:
    """An array that is divided like the partitions of a frame."""

    def __init__(self, array: Any) -> None:
        self._array = array
        is_lazy = not isinstance(array, np.ndarray)
        #: Whether the numbers of rows of the partitions are needed.
        self.needs_sizes = not (is_lazy and np.isnan(array.shape[0]))

    def split(self, count: int, sizes: Sequence[int]) -> list[Any]:
        """Return what each of the calls gets, given the number of partitions and, if needed, their numbers of rows."""
        array = self._array
        if self.needs_sizes and sum(sizes) != array.shape[0]:
            raise ValueError(f"an array of {array.shape[0]} values cannot be a column of {sum(sizes)} rows")
        if isinstance(array, np.ndarray):
            return np.split(array, np.cumsum(sizes)[:-1])
        if self.needs_sizes and tuple(array.chunks[0]) != tuple(sizes):
            array = array.rechunk((tuple(sizes), *((size,) for size in array.shape[1:])))
        parts = array.to_delayed().ravel()
        if len(parts) != count:
            raise ValueError(
                f"an array of {len(parts)} chunks cannot be a column of {count} partitions; use repartition, or compute the "
                "sizes of the chunks with compute_chunk_sizes()"
            )
        return [unpack(part) for part in parts]
