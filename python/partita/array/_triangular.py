"""Triangular decompositions of matrices in square chunks, and equations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._axis_maps import At, Axis, Read
from ._core import array_of
from ._elementwise import as_array
from ._expression import Node
from ._joining import block as join_blocks
from ._matrices import call_on_matrices, check_square, cholesky_block, inv_block, is_one_block

__all__ = [
    "cholesky",
    "cholesky_below",
    "cholesky_diagonal",
    "inv",
    "item_block",
    "lu",
    "lu_below",
    "lu_diagonal",
    "lu_right",
    "permute_block",
    "solve",
    "solve_lower",
    "solve_row",
    "solve_triangular",
    "solve_upper",
]


def item_block(results: Any, at: Any) -> Any:
    """Return one of several results."""
    return results[at]


def _items(both: Node, names: Any, chunks: Any, dtypes: Any) -> list[Any]:
    """Return arrays of the items of results, which are in the first block of each axis beyond the grid."""
    found = []
    for name, sizes, dtype in zip(names, chunks, dtypes):
        maps: list[Any] = [Axis(axis) if len(both.chunks[axis]) > 1 else At(0) for axis in range(both.ndim)]
        meta = np.empty((0,) * len(sizes), dtype=dtype)
        found.append(array_of(Node("item", sizes, meta, item_block, [Read(both, maps)], params={"at": name})))
    return found


def _call(function: Callable[..., Any], arrays: list[Any], shape: Any, dtype: Any, **params: Any) -> Any:
    """Return a function of arrays of one block as an array of one block."""
    reads = [Read(one._node, [At(0)] * one.ndim) for one in arrays]
    chunks = tuple([(size,) for size in shape])
    meta = np.empty((0,) * len(chunks), dtype=dtype)
    return array_of(Node(function.__name__.strip("_"), chunks, meta, function, reads, params=params))


def _matrix(a: Any) -> Any:
    return as_array(a)


def _check_square(a: Any, what: str) -> None:
    if a.ndim != 2:
        raise ValueError(f"Dimension must be 2 to perform {what} decomposition")
    if a.shape[0] != a.shape[1]:
        raise ValueError(f"Input must be a square matrix to perform {what} decomposition")
    if len(set(a.chunks[0] + a.chunks[1])) != 1:
        raise ValueError(
            f"All chunks must be a square matrix to perform {what} decomposition. Use .rechunk method to change the size of "
            "chunks."
        )


def _less_products(a: Any, *factors: Any) -> Any:
    """Return a block less the products of pairs of blocks."""
    for one, other in zip(factors[::2], factors[1::2]):
        a = a - np.dot(one, other)
    return a


def lu_diagonal(a: Any, *factors: Any) -> Any:
    """Return the factors of a block on the diagonal."""
    import scipy.linalg

    return tuple(scipy.linalg.lu(_less_products(a, *factors)))


def lu_right(l: Any, p: Any, a: Any, *factors: Any) -> Any:  # noqa: E741
    """Return a block of the upper factor."""
    return solve_lower(l, np.dot(p.T, _less_products(a, *factors)))


def lu_below(u: Any, a: Any, *factors: Any) -> Any:
    """Return a block of the lower factor, whose rows are not permuted yet."""
    return solve_lower(u.T, _less_products(a, *factors).T).T


def permute_block(p: Any, block: Any) -> Any:
    """Permute the rows of a block."""
    return np.dot(p.T, block)


def lu(a: Any) -> Any:
    """Return the decomposition p, l, u of a square matrix in square chunks, with pivots within the chunks on the diagonal.

    Parameters
    ----------
    a : array
        The matrix.
    """
    import scipy.linalg

    a = _matrix(a)
    _check_square(a, "lu")
    dtypes = [one.dtype for one in scipy.linalg.lu(np.ones((1, 1), dtype=a.dtype))]
    count, size = a.numblocks[0], a.chunks[0][0]
    shape = (size, size)
    from ._creation import zeros

    def empty(dtype: Any) -> Any:
        return zeros(shape, chunks=shape, dtype=dtype)

    p: dict[Any, Any] = {}
    raw: dict[Any, Any] = {}
    low: dict[Any, Any] = {}
    up: dict[Any, Any] = {}
    for at in range(count):
        before = [one for k in range(at) for one in (raw[at, k], up[k, at])]
        reads = [Read(one._node, [At(0), At(0)]) for one in (a.blocks[at, at], *before)]
        both = Node("lu", ((1,),), np.empty((0,), object), lu_diagonal, reads)
        sizes = ((size,), (size,))
        p[at], low[at, at], up[at, at] = _items(both, [0, 1, 2], [sizes] * 3, dtypes)
        for other in range(at + 1, count):
            factors = [one for k in range(at) for one in (raw[at, k], up[k, other])]
            up[at, other] = _call(lu_right, [low[at, at], p[at], a.blocks[at, other], *factors], shape, dtypes[2])
            factors = [one for k in range(at) for one in (raw[other, k], up[k, at])]
            raw[other, at] = _call(lu_below, [up[at, at], a.blocks[other, at], *factors], shape, dtypes[1])
    for (row, column), one in raw.items():
        low[row, column] = _call(permute_block, [p[row], one], shape, dtypes[1])
    grid = range(count)
    return (
        join_blocks([[p[i] if i == j else empty(dtypes[0]) for j in grid] for i in grid]),
        join_blocks([[low[i, j] if j <= i else empty(dtypes[1]) for j in grid] for i in grid]),
        join_blocks([[up[i, j] if j >= i else empty(dtypes[2]) for j in grid] for i in grid]),
    )


def solve_lower(a: Any, b: Any) -> Any:
    """Solve an equation of a lower triangle."""
    import scipy.linalg

    return scipy.linalg.solve_triangular(a, b, lower=True)


def solve_upper(a: Any, b: Any) -> Any:
    """Solve an equation of an upper triangle."""
    import scipy.linalg

    return scipy.linalg.solve_triangular(a, b, lower=False)


def solve_row(a: Any, b: Any, *factors: Any, lower: bool) -> Any:
    """Return a block of the solution, after those on which it depends."""
    right = _less_products(b, *factors)
    return solve_lower(a, right) if lower else solve_upper(a, right)


def solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    """Solve the equation ``a x = b`` of a triangular matrix.

    Parameters
    ----------
    a : array
        The matrix.
    b : array
        The right side: a vector or a matrix, whose rows have the chunks of the columns of `a`.
    lower : bool
        Whether the matrix is a lower triangle.
    """
    import scipy.linalg

    a, b = _matrix(a), _matrix(b)
    if a.ndim != 2:
        raise ValueError("a must be 2 dimensional")
    if b.ndim not in (1, 2):
        raise ValueError("b must be 1 or 2 dimensional")
    if a.shape[1] != b.shape[0]:
        raise ValueError("a.shape[1] and b.shape[0] must be equal")
    if a.chunks[1] != b.chunks[0]:
        raise ValueError("a.chunks[1] and b.chunks[0] must be equal. Use .rechunk method to change the size of chunks.")
    count = a.numblocks[1]
    ones = np.ones((1, 1), dtype=a.dtype)
    dtype = scipy.linalg.solve_triangular(ones, np.ones((1, 1), dtype=b.dtype)).dtype
    columns = range(b.numblocks[1]) if b.ndim == 2 else [None]
    order = range(count) if lower else range(count - 1, -1, -1)
    found: dict[Any, Any] = {}
    for column in columns:
        for at in order:
            right = b.blocks[at] if column is None else b.blocks[at, column]
            known = range(at) if lower else range(at + 1, count)
            factors = [one for k in known for one in (a.blocks[at, k], found[k, column])]
            found[at, column] = _call(solve_row, [a.blocks[at, at], right, *factors], right.shape, dtype, lower=lower)
    from ._joining import concatenate

    if b.ndim == 1:
        return concatenate([found[at, None] for at in range(count)])
    return join_blocks([[found[at, column] for column in columns] for at in range(count)])


def solve_block(a: Any, b: Any) -> Any:
    """Solve the equations of a block."""
    return np.linalg.solve(a, b)


def solve(a: Any, b: Any, sym_pos: Any = None, assume_a: str = "gen") -> Any:
    """Solve the equation ``a x = b``.

    Parameters
    ----------
    a : array
        A square matrix in square chunks, or a stack of matrices.
    b : array
        The right side: a vector, or matrices.
    sym_pos : bool, optional
        The former name of ``assume_a="pos"``.
    assume_a : str
        ``"pos"`` if the matrix is positive definite, otherwise ``"gen"``.
    """
    import warnings

    a, b = _matrix(a), _matrix(b)
    if sym_pos is not None:
        warnings.warn(
            "The sym_pos keyword is deprecated and should be replaced by using ``assume_a = 'pos'``."
            "``sym_pos`` will be removed in a future version.",
            FutureWarning,
            stacklevel=2,
        )
        assume_a = "pos" if sym_pos else assume_a
    if assume_a == "gen" and is_one_block(a, b):
        check_square(a, "solve")
        size = a.shape[-1]
        if b.ndim == 0 or b.shape[0 if b.ndim == 1 else -2] != size:
            raise ValueError(f"solve() needs as many rows of the right side as of the matrix: {b.shape} and {a.shape}")
        return call_on_matrices(solve_block, "(i,j),(i)->(i)" if b.ndim == 1 else "(i,j),(i,k)->(i,k)", a, b)
    if assume_a == "pos":
        low, up = _cholesky(a)
    elif assume_a == "gen":
        p, low, up = lu(a)
        b = p.T.dot(b)
    else:
        raise ValueError(
            f"{assume_a = } is not a recognized matrix structure, valid structures in Dask are 'pos' and 'gen'."
        )
    return solve_triangular(up, solve_triangular(low, b, lower=True))


def inv(a: Any) -> Any:
    """Return the inverse of a square matrix in square chunks, or of each matrix of a stack.

    Parameters
    ----------
    a : array
        The matrix.
    """
    from ._sequences import eye

    a = _matrix(a)
    if a.ndim >= 2 and is_one_block(a):
        check_square(a, "inv")
        return call_on_matrices(inv_block, "(i,j)->(i,j)", a)
    _check_square(a, "lu")
    dtype = a.dtype if a.dtype.kind in "fc" else np.dtype(float)
    return solve(a, eye(a.shape[0], chunks=int(a.chunks[0][0]), dtype=dtype))


def cholesky_diagonal(a: Any, *factors: Any) -> Any:
    """Return the factor of a block on the diagonal."""
    import scipy.linalg

    for one in factors:
        a = a - np.dot(one, one.T.conj())
    return scipy.linalg.cholesky(a, lower=True)


def cholesky_below(diagonal: Any, a: Any, *factors: Any) -> Any:
    """Return a block of the factor below the diagonal."""
    for one, other in zip(factors[::2], factors[1::2]):
        a = a - np.dot(one, other.T.conj())
    return solve_lower(diagonal, a.T.conj()).T.conj()


def _cholesky(a: Any) -> Any:
    import scipy.linalg

    a = _matrix(a)
    _check_square(a, "cholesky")
    dtype = scipy.linalg.cholesky(np.ones((1, 1), dtype=a.dtype)).dtype
    count, size = a.numblocks[0], a.chunks[0][0]
    shape = (size, size)
    from ._creation import zeros

    low: dict[Any, Any] = {}
    for at in range(count):
        before = [low[at, k] for k in range(at)]
        low[at, at] = _call(cholesky_diagonal, [a.blocks[at, at], *before], shape, dtype)
        for row in range(at + 1, count):
            factors = [one for k in range(at) for one in (low[row, k], low[at, k])]
            low[row, at] = _call(cholesky_below, [low[at, at], a.blocks[row, at], *factors], shape, dtype)
    nothing = zeros(shape, chunks=shape, dtype=dtype)
    grid = range(count)
    lower = join_blocks([[low[i, j] if j <= i else nothing for j in grid] for i in grid])
    from .ufunc import conj  # type: ignore[attr-defined]

    return lower, conj(lower).T


def cholesky(a: Any, lower: bool = False, *, upper: bool | None = None) -> Any:
    """Return the Cholesky decomposition of a positive definite matrix in square chunks, or of each matrix of a stack.

    Parameters
    ----------
    a : array
        The matrix.
    lower : bool
        Whether to return the lower factor; the upper one by default, as in Dask and not in NumPy.
    upper : bool, optional
        The opposite of `lower`, as in NumPy.
    """
    if upper is not None:
        lower = not upper
    a = _matrix(a)
    if a.ndim >= 2 and is_one_block(a):
        check_square(a, "cholesky")
        return call_on_matrices(cholesky_block, "(i,j)->(i,j)", a, upper=not lower)
    low, up = _cholesky(a)
    return low if lower else up
