"""Arrays as columns: values that belong to the rows in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from .._collection import unpack

__all__ = ["Blocks", "column_of_array", "is_array"]


def is_array(value: Any) -> bool:
    """Whether a value is an array of NumPy, or a lazy one, with one axis."""
    from ..array import Array

    return isinstance(value, (np.ndarray, Array)) and value.ndim == 1


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
            array = array.rechunk((tuple(sizes),))
        parts = array.to_delayed().ravel()
        if len(parts) != count:
            raise ValueError(
                f"an array of {len(parts)} chunks cannot be a column of {count} partitions; use repartition, or compute the "
                "sizes of the chunks with compute_chunk_sizes()"
            )
        return [unpack(part) for part in parts]
