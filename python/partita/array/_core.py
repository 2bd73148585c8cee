"""Arrays: expressions over chunks with the interface of NumPy's arrays."""

from __future__ import annotations

import itertools
import math
import operator
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import _graphs
from .._collection import Collection
from .._tasks import Task, identity
from ..utils import key_split
from ._blocks import assemble_nested, nest
from ._chunks import UNKNOWN_REMEDY, is_unknown, normalize_chunks, starts
from ._expression import Constant, Node, Parts, is_small, sorted_nodes
from ._lowering import lower
from ._methods import Methods

__all__ = ["Array", "array_of"]


class Array(Methods, Collection):
    """A lazy array of NumPy in chunks.

    Arrays are created by functions such as :func:`from_array`, :func:`ones` and :func:`from_delayed`, and by operations on
    arrays. Nothing is computed before :meth:`compute`, :meth:`persist` or a conversion to NumPy.

    Parameters
    ----------
    dask : mapping
        A graph in Dask's format that contains the blocks.
    name : str
        Name of the blocks, whose keys are ``(name, 0, 0)``, ``(name, 0, 1)``, ...
    chunks : tuple
        Sizes of the blocks along each axis.
    dtype : dtype, optional
        Dtype of the items.
    meta : array, optional
        An empty array of the type and dtype of the blocks.
    shape : tuple of int, optional
        Shape of the array, for chunks that do not determine it.

    Examples
    --------
    >>> import partita.array as da
    >>> x = da.arange(6, chunks=3)
    >>> (x * 2).sum().compute()
    np.int64(30)
    """

    __slots__ = ("__weakref__", "_node")

    _node: Node

    def __new__(
        cls, dask: Any, name: Any = None, chunks: Any = None, dtype: Any = None, meta: Any = None, shape: Any = None
    ) -> Any:
        self = object.__new__(cls)
        if not isinstance(dask, Node):
            if name is None or chunks is None:
                raise ValueError("an array of a graph needs the name and the chunks of its blocks")
            known = normalize_chunks(chunks, shape, dtype=dtype)
            keys = [(name, *index) for index in itertools.product(*[range(len(sizes)) for sizes in known])]
            tasks = _graphs.import_graph(dask, keys)
            dask = Parts(name, known, make_meta(meta, dtype, len(known)), [tasks[key] for key in keys])
        self._node = dask
        return self

    # Properties.

    @property
    def name(self) -> str:
        """The name that the user gave, or a hash of what the array is made of."""
        return self._node.given or self._node.name

    @property
    def chunks(self) -> tuple[tuple[Any, ...], ...]:
        """Sizes of the blocks along each axis. Unknown sizes are NaN."""
        return self._node.chunks

    @chunks.setter
    def chunks(self, chunks: Any) -> None:
        raise TypeError(
            f"Can not set chunks directly\n\nPlease use the rechunk method instead:\n  x.rechunk({chunks!s})"
        )

    @property
    def shape(self) -> tuple[Any, ...]:
        """The size along each axis."""
        return self._node.shape

    @property
    def dtype(self) -> Any:
        """The dtype of the items."""
        return self._node.dtype

    @property
    def _meta(self) -> Any:
        return self._node.meta

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._node.chunks)

    @property
    def size(self) -> Any:
        """The number of items."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of an item."""
        return int(self.dtype.itemsize)

    @property
    def nbytes(self) -> Any:
        """Bytes of all items."""
        return self.size * self.dtype.itemsize

    @property
    def numblocks(self) -> tuple[int, ...]:
        """The number of blocks along each axis."""
        return self._node.grid

    @property
    def npartitions(self) -> int:
        """The number of blocks."""
        return math.prod(self.numblocks)

    @property
    def chunksize(self) -> tuple[Any, ...]:
        """The size of the largest block along each axis."""
        return tuple([max(sizes) for sizes in self.chunks])

    @property
    def dask(self) -> Any:
        """The tasks as a graph in Dask's format."""
        return self.__dask_graph__()

    @property
    def flat(self) -> Any:
        """The items, row-major."""
        raise NotImplementedError("Array.flat is not supported; use x.ravel()")

    # Computing.

    @property
    def _partita_expressions(self) -> tuple[Node, ...]:
        return (self._node,)

    def _partita_nodes(self, build: Any) -> list[Any]:
        return build.arrays(lower)[self._node.name]

    def _partita_is_small(self) -> bool:
        return is_small([self._node])

    def _partita_finish(self, results: list[Any]) -> Any:
        from ._blocks import assemble

        found = assemble(results, self.numblocks)
        # Changes of a result must not change the array.
        return found.copy() if len(results) == 1 and _shares_memory(found, self._node) else found

    def _partita_rebuild(self, nodes: list[Any]) -> Any:
        self._describe(nodes)
        node = self._node
        return array_of(Parts(node.name, self.chunks, self._meta, nodes, user=False, given=node.given))

    def _describe(self, nodes: list[Any]) -> None:
        """Tell the dashboard where the blocks are, if they are results of one session that are wanted."""
        states = [getattr(node, "_state", None) for node in nodes]
        session = getattr(states[0], "session", None) if states else None
        if session is not None and all(
            one is not None and one.job == session.job and one.is_wanted and getattr(one, "session", None) is session
            for one in states
        ):
            session.describe_array(key_split(self.name), self.numblocks, states)

    def _partita_task(self) -> Any:
        nodes = lower([self._node])[self._node.name]
        if len(nodes) == 1:
            return nodes[0]
        nested = nest(nodes, self.numblocks)
        return Task(
            assemble_nested, (nested, self.numblocks), None, key_split(self.name), f"assemble-{self._node.name}"
        )

    def __dask_graph__(self) -> Any:
        return _graphs.LazyGraph(super().__dask_graph__)

    def __dask_keys__(self) -> list[Any]:
        keys = [node.key for node in lower([self._node])[self._node.name]]
        return nest(keys, self.numblocks) if self.ndim else keys

    def __dask_postcompute__(self) -> Any:
        return _finish, (self,)

    def __dask_layers__(self) -> tuple[str, ...]:
        return (self._node.name,)

    def __dask_tokenize__(self) -> Any:
        return self._node.name

    def __reduce__(self) -> Any:
        return array_of, (self._node,)

    def copy(self) -> Any:
        """Return a copy, which later assignments to this array do not change."""
        return array_of(self._node)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def _become(self, other: Any) -> None:
        """Take the place of another array: an operation in place."""
        self._node = other._node

    # Python's and NumPy's protocols.

    __hash__ = object.__hash__

    def __len__(self) -> int:
        if not self.chunks:
            raise TypeError("len() of unsized object")
        size = self.shape[0]
        if math.isnan(size):
            raise ValueError(f"Cannot call len() on object with unknown chunk size; {UNKNOWN_REMEDY}")
        return int(size)

    def __iter__(self) -> Iterator[Any]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        for at in range(len(self)):
            yield self[at]

    def __bool__(self) -> bool:
        if self.size > 1:
            raise ValueError(f"The truth value of a {type(self).__name__} is ambiguous. Use a.any() or a.all().")
        return bool(self.compute())

    def _scalar(self, kind: Any) -> Any:
        if self.size > 1:
            raise TypeError("Only length-1 arrays can be converted to Python scalars")
        value = np.asarray(self.compute())
        return kind(value.item()) if kind is not operator.index else operator.index(value.item())

    def __int__(self) -> int:
        return int(self._scalar(int))

    def __float__(self) -> float:
        return float(self._scalar(float))

    def __complex__(self) -> complex:
        return complex(self._scalar(complex))

    def __index__(self) -> int:
        return int(self._scalar(operator.index))

    def __contains__(self, value: Any) -> bool:
        return bool((self == value).any().compute())

    def __array__(self, dtype: Any = None, copy: Any = None, **kwargs: Any) -> Any:
        if kwargs:
            warnings.warn(
                f"Extra keyword arguments {kwargs} are ignored and won't be accepted in the future",
                FutureWarning,
                stacklevel=2,
            )
        if copy is False:
            raise ValueError(
                "a copy of a lazy array cannot be avoided: its value is computed; use np.asarray without copy=False"
            )
        value = self.compute()
        if dtype is not None and value.dtype != dtype:
            value = value.astype(dtype)
        return value if isinstance(value, np.ndarray) else np.asarray(value)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from ._protocol import apply_ufunc

        return apply_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from ._protocol import apply_function

        return apply_function(func, types, args, kwargs)

    def __array_namespace__(self, *, api_version: Any = None) -> Any:
        from .. import array

        return array

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        if stream is not None:
            raise ValueError("__dlpack__() does not support a stream: the data are in the memory of the CPU")
        # The value was computed for this call, so that it is not shared.
        return self.__array__().__dlpack__(max_version=max_version, dl_device=dl_device, copy=copy or None)

    def __dlpack_device__(self) -> Any:
        return np.empty(0).__dlpack_device__()

    @property
    def device(self) -> str:
        """Where the items are: always ``"cpu"``."""
        return "cpu"

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        """Return the array: only the device ``"cpu"`` exists."""
        if device != "cpu" or stream is not None:
            raise ValueError(f"unsupported device {device!r}; only 'cpu' exists")
        return self

    def __getitem__(self, index: Any) -> Any:
        from ._indexing import getitem

        return getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        from ._assignment import setitem

        setitem(self, index, value)

    # Display.

    def __repr__(self) -> str:
        kind = type(self._meta)
        module = kind.__module__.partition(".")[0]
        return (
            f"partita.array<{key_split(self.name)}, shape={self.shape}, dtype={self.dtype}, chunksize={self.chunksize}, "
            f"chunktype={module}.{kind.__name__}>"
        )

    def _repr_inline_(self, max_width: int) -> str:
        """Return a line for the variables of xarray."""
        found = f"partita.array<chunksize={self.chunksize}>"
        return found if len(found) <= max_width else f"{found[: max(max_width - 3, 0)]}..."

    def _repr_html_(self) -> str:
        from ._svg import html_of

        return html_of(self)

    def explain(self) -> str:
        """Return the stages of the computation as text, with the tasks and bytes of each.

        Bytes follow from shapes and dtypes; the time is not estimated. A computation whose tasks need more memory than
        the largest worker has is refused before it runs.

        Examples
        --------
        >>> import partita.array as da
        >>> print((da.ones((4, 4), chunks=2) + 1).sum().explain().splitlines()[1])
        2 stages, 5 tasks, the result has 8 B
        """
        from ._explain import explain

        return explain(self)

    def visualize(self, filename: Any = None, tasks: bool = False, **kwargs: Any) -> Any:
        """Draw the stages as SVG, for display in a notebook or written to a file.

        Parameters
        ----------
        filename : str, optional
            Path of the image.
        tasks : bool
            Whether to draw each task instead of each stage.
        **kwargs
            Arguments of :func:`partita.visualize`.
        """
        from .._drawing import visualize

        return visualize(self, filename=filename, tasks=tasks, **kwargs)

    def to_svg(self, size: int = 500) -> str:
        """Return a drawing of the chunks as SVG.

        Parameters
        ----------
        size : int
            Size of the longest side in pixels.
        """
        from ._svg import svg_of

        return svg_of(self.chunks, size=size)

    # Blocks.

    @property
    def blocks(self) -> Any:
        """The blocks, indexed like an array of blocks: ``x.blocks[0, 1:]`` is the array of these blocks."""
        from ._block_view import BlockView

        return BlockView(self)

    @property
    def partitions(self) -> Any:
        """The blocks: another name of :attr:`blocks`."""
        return self.blocks

    @property
    def vindex(self) -> Any:
        """Pointwise indexing with several arrays: ``x.vindex[[0, 1], [2, 3]]`` is the items at (0, 2) and (1, 3)."""
        from ._vindex import PointIndex

        return PointIndex(self)

    def compute_chunk_sizes(self) -> Any:
        """Compute unknown chunk sizes in place, and return the array."""
        from ._unknown import compute_chunk_sizes

        return compute_chunk_sizes(self)

    def to_delayed(self, optimize_graph: bool = True) -> Any:
        """Return the blocks as an array of delayed values."""
        from ..delayed import _make

        found = np.empty(self.numblocks, dtype=object)
        nodes = lower([self._node])[self._node.name]
        for index, node in zip(np.ndindex(*self.numblocks), nodes):
            found[index] = _make(node)
        return found


def _finish(results: list[Any], array: Any) -> Any:
    from ._blocks import assemble

    flat: list[Any] = []
    stack = [results]
    depth = array.ndim

    def visit(nested: Any, level: int) -> None:
        if level == depth:
            flat.append(nested)
            return
        for one in nested:
            visit(one, level + 1)

    visit(stack[0] if depth else stack[0][0], 0)
    return assemble(flat, array.numblocks)


def _shares_memory(value: Any, node: Node) -> bool:
    """Whether a result is a view of data from which an expression is computed."""
    if not isinstance(value, np.ndarray):
        return False
    for one in sorted_nodes([node]):
        if isinstance(one, Constant) and np.may_share_memory(value, one.array):
            return True
        if isinstance(one, Parts) and any(
            isinstance(part, Task)
            and part.function is identity
            and isinstance(part.args[0], np.ndarray)
            and np.may_share_memory(value, part.args[0])
            for part in one.parts
        ):
            return True
    return False


def array_of(node: Node) -> Any:
    """Return the array of an expression."""
    made = object.__new__(Array)
    made._node = node
    return made


def make_meta(meta: Any, dtype: Any, ndim: int) -> Any:
    """Return an empty array with a number of axes, of the type of `meta` and with a dtype."""
    if isinstance(meta, Array):
        meta = meta._meta
    if isinstance(meta, type) and issubclass(meta, np.generic) and dtype is None:
        dtype = meta
    if isinstance(meta, np.dtype) and dtype is None:
        dtype = meta
    if meta is not None and not isinstance(meta, type) and np.isscalar(meta) and dtype is None:
        dtype = np.asarray(meta).dtype
    if meta is None or isinstance(meta, type) or not hasattr(meta, "ndim") or np.isscalar(meta):
        return np.empty((0,) * ndim, dtype="f8" if dtype is None else dtype)
    wanted = meta.dtype if dtype is None else np.dtype(dtype)
    if isinstance(meta, np.ma.MaskedArray):
        return np.ma.array(np.empty((0,) * ndim, dtype=wanted), mask=False)
    if type(meta) is np.ndarray:
        return np.empty((0,) * ndim, dtype=wanted)
    try:
        found = meta[(slice(0, 0),) * meta.ndim] if any(meta.shape) else meta
        if found.ndim != ndim:
            found = found.reshape((0,) * ndim)
        return found.astype(wanted) if found.dtype != wanted else found
    except Exception:
        # Types without empty arrays of each number of axes, such as matrices of SciPy.
        return meta


def check_known(array: Any, what: str) -> None:
    """Raise an error if a size of an array is unknown."""
    if is_unknown(array.shape):
        raise ValueError(
            f"Arrays chunk sizes are unknown: {what} needs the shape, and it is {array.shape}; {UNKNOWN_REMEDY}"
        )


def block_starts(array: Any) -> list[list[Any]]:
    """Return where the blocks begin along each axis."""
    return [starts(sizes) for sizes in array.chunks]
