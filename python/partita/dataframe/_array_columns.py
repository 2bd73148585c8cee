"""Arrays as columns: values that belong to the rows in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from .._collection import unpack

__all__ = ["Blocks", "column_of_array", "frame_operand", "is_array", "is_boolean_array"]


def _has_axes(value: Any, counts: tuple[int, ...]) -> bool:
    """Whether a value is an array of NumPy, or a lazy one, with one of these numbers of axes."""
    from ..array import Array

    return isinstance(value, (np.ndarray, Array)) and value.ndim in counts


def is_array(value: Any) -> bool:
    """Whether a value is an array of NumPy, or a lazy one, with one axis."""
    return _has_axes(value, (1,))


def is_boolean_array(value: Any) -> bool:
    """Whether a value is an array of booleans with one axis, or a list of them, which selects rows."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(one, (bool, np.bool_)) for one in value)
    return is_array(value) and value.dtype == bool


def frame_operand(frame: Any, value: Any, is_condition: bool = False) -> Any:
    """Return an array or list as an operand of a frame: a series of entries for its columns, or a frame of the same rows.

    Other values are returned as they are. As in pandas, an array with one axis has an entry for each column.

    Raises
    ------
    ValueError
        If the shape is not one of the frame.
    """
    labels = frame.columns
    is_list = isinstance(value, (list, tuple)) and not is_condition
    if not is_list and not _has_axes(value, (1, 2)):
        return value
    if is_list:
        is_flat = not any(pd.api.types.is_list_like(one) for one in value)
        value = pd.Series(list(value)) if is_flat else np.array(value)
    shape = value.shape
    if is_condition and (len(shape) != 2 or shape[1] != len(labels)):
        raise ValueError("array conditional must be same shape as self")
    if len(shape) == 1 or (shape[0] == 1 and not is_condition):
        if shape[-1] != len(labels):
            raise ValueError(f"unable to coerce to Series, length must be {len(labels)}: given {shape[-1]}")
        entries = value if isinstance(value, pd.Series) else pd.Series(np.asarray(value).reshape(-1))
        return entries.set_axis(labels)
    if shape[1] not in (1, len(labels)):
        raise ValueError(f"unable to coerce to DataFrame, the array must have {len(labels)} columns, not {shape[1]}")
    made = column_of_array(frame, value)
    if shape[1] == 1 and len(labels) > 1:
        made = made._like(dict.fromkeys(labels, made._columns[0]))
    made.columns = labels
    return made


def column_of_array(plan: Any, array: Any) -> Any:
    """Return the values of an array as a column of the rows of a plan; of one with two axes, a frame.

    Parameters
    ----------
    plan : DataFrame or Series
        The rows, whose order must be defined.
    array : numpy.ndarray or Array
        An array with a value for each row. A lazy one of which the sizes of the chunks are not known must
        have a chunk for each partition.

    Raises
    ------
    ValueError
        When the column is computed, if the numbers of values and rows differ.
    """
    from ._column_functions import call_rows
    from ._frame import DataFrame

    frame = DataFrame(plan._rows, {}, plan._index)
    is_wide = array.ndim == 2
    sample: Any = pd.Series(np.empty(0, dtype=array.dtype))
    if is_wide:
        sample = pd.DataFrame(np.empty((0, array.shape[1]), dtype=array.dtype))
        array = array if isinstance(array, np.ndarray) else array.rechunk({1: -1})
    return call_rows(frame, _values_of_block, sample, "array", Blocks(array))


def _values_of_block(part: pd.DataFrame, block: Any) -> Any:
    if len(part) != len(block):
        raise ValueError(
            f"an array has {len(block)} values for a partition of {len(part)} rows; it must have a value for each row"
        )
    return pd.Series(block) if block.ndim == 1 else pd.DataFrame(block)


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
            array = array.rechunk({0: tuple(sizes)})
        parts = array.to_delayed().ravel()
        if len(parts) != count:
            raise ValueError(
                f"an array of {len(parts)} chunks cannot be a column of {count} partitions; use repartition, or compute the "
                "sizes of the chunks with compute_chunk_sizes()"
            )
        return [unpack(part) for part in parts]
