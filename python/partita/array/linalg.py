"""Linear algebra by blocks."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Number
from typing import Any

import numpy as np

from ._axis_maps import All, At, Axis, Read
from ._chunks import is_unknown
from ._core import array_of
from ._elementwise import as_array
from ._expression import Node
from ._joining import block as join_blocks
from ._products import matmul, outer, tensordot, vdot

__all__ = [
    "cholesky",
    "compression_level",
    "compression_matrix",
    "inv",
    "lstsq",
    "lu",
    "matmul",
    "norm",
    "outer",
    "qr",
    "sfqr",
    "solve",
    "solve_triangular",
    "svd",
    "svd_compressed",
    "tensordot",
    "tsqr",
    "vdot",
]


def _least(m: Any, n: Any) -> Any:
    return np.nan if is_unknown((m, n)) else min(m, n)


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


# Orthogonal decompositions.


def qr_block(block: Any) -> Any:
    """Return the QR decomposition of a block, which may have no rows."""
    if block.shape[0] == 0:
        return np.zeros((0, 0), dtype=block.dtype), np.zeros((0, block.shape[1]), dtype=block.dtype)
    found = np.linalg.qr(block)
    return found[0], found[1]


def combine_qr(rows: list[Any], compute_svd: bool) -> Any:
    """Return the decomposition of the triangles of all blocks, with the rows of its first factor for each block."""
    q, r = qr_block(np.concatenate(rows))
    if compute_svd:
        u, s, vh = np.linalg.svd(r, full_matrices=False)
        q = q.dot(u)
        rest: tuple[Any, ...] = (s, vh)
    else:
        rest = (r,)
    bounds = np.cumsum([0, *[len(one) for one in rows]])
    return [q[begin:end] for begin, end in zip(bounds, bounds[1:])], *rest


def apply_q(parts: Any, combined: Any, at: int) -> Any:
    """Multiply the first factor of a block by its rows of the combined one."""
    return parts[0].dot(combined[0][at])


def second_item(parts: Any) -> Any:
    """Return the second of several results."""
    return parts[1]


def tsqr(data: Any, compute_svd: bool = False, _max_vchunk_size: Any = None) -> Any:
    """Return the QR or the singular value decomposition of a matrix with one column of blocks.

    Parameters
    ----------
    data : array
        A matrix with more rows than columns.
    compute_svd : bool
        Whether to return the factors u, s and v of the singular value decomposition.
    """
    data = _matrix(data)
    if data.ndim != 2 or data.numblocks[1] != 1:
        raise ValueError(
            "Input must have the following properties:\n  1. Have two dimensions\n  2. Have only one column of blocks\n\n"
            "Note: This function (tsqr) supports QR decomposition in the case of\ntall-and-skinny matrices (single column "
            f"chunk/block; see qr)\nCurrent shape: {data.shape},\nCurrent chunksize: {data.chunksize}"
        )
    rows, n = data.chunks[0], data.shape[1]
    dtype = np.linalg.qr(np.ones((1, 1), dtype=data.dtype))[0].dtype
    real = np.linalg.svd(np.ones((1, 1), dtype=data.dtype))[1].dtype
    inner = tuple([_least(m, n) for m in rows])
    both = Node("qr", (rows, (n,)), np.empty((0, 0), object), qr_block, [Read(data._node, [Axis(0), Axis(1)])])
    meta = np.empty((0, 0), dtype=dtype)
    triangles = Node("qr-r", (inner, (n,)), meta, second_item, [Read(both, [Axis(0), Axis(1)])])
    params = {"compute_svd": compute_svd}
    combined = Node(
        "qr-combine", ((1,),), np.empty((0,), object), combine_qr, [Read(triangles, [All(), At(0)])], params=params
    )
    k = _least(data.shape[0], n)
    q = array_of(
        Node(
            "qr-q",
            (rows, (k,)),
            meta,
            apply_q,
            [Read(both, [Axis(0), At(0)]), Read(combined, [At(0)])],
            tables=[(0, range(len(rows)))],
        )
    )
    if compute_svd:
        s, vh = _items(combined, [1, 2], [((k,),), ((k,), (n,))], [real, dtype])
        return q, s, vh
    return q, _items(combined, [1], [((k,), (n,))], [dtype])[0]


def rest_of_r(q: Any, block: Any) -> Any:
    """Return the columns of the triangle for a block."""
    return q.T.conj().dot(block)


def sfqr(data: Any, name: Any = None) -> Any:
    """Return the QR decomposition of a matrix with one row of blocks.

    Parameters
    ----------
    data : array
        A matrix with more columns than rows.
    """
    data = _matrix(data)
    if data.ndim != 2 or data.numblocks[0] != 1:
        raise ValueError(
            "Input must have the following properties:\n  1. Have two dimensions\n  2. Have only one row of blocks\n\n"
            "Note: This function (sfqr) supports QR decomposition in the case of\nshort-and-fat matrices (single row "
            f"chunk/block; see qr)\nCurrent shape: {data.shape},\nCurrent chunksize: {data.chunksize}"
        )
    m, n = data.shape
    sizes = data.chunks[1]
    if len(sizes) > 1 and not is_unknown((m, n)) and sizes[0] < min(m, n):
        # The first block must have the whole space of the columns.
        data = data.rechunk({1: (min(m, n), *([n - min(m, n)] if n > m else []))})
        sizes = data.chunks[1]
    dtype = np.linalg.qr(np.ones((1, 1), dtype=data.dtype))[0].dtype
    k = _least(m, n)
    first = data.blocks[0, 0] if len(sizes) > 1 else data
    both = Node("qr", ((1,),), np.empty((0,), object), qr_block, [Read(first._node, [At(0), At(0)])])
    q, r = _items(both, [0, 1], [((m,), (k,)), ((k,), (sizes[0],))], [dtype, dtype])
    if len(sizes) == 1:
        return q, r
    rest = data.blocks[0, 1:]
    chunks = ((k,), sizes[1:])
    node = Node(
        "qr-r",
        chunks,
        np.empty((0, 0), dtype),
        rest_of_r,
        [Read(q._node, [At(0), At(0)]), Read(rest._node, [At(0), Axis(1)])],
    )
    from ._joining import concatenate

    return q, concatenate([r, array_of(node)], axis=1)


def qr(a: Any) -> Any:
    """Return the QR decomposition of a matrix with one column or one row of blocks.

    Parameters
    ----------
    a : array
        The matrix.
    """
    a = _matrix(a)
    if a.ndim != 2:
        raise ValueError(f"qr() needs a matrix, not an array with {a.ndim} dimensions")
    if a.numblocks[1] == 1 and a.numblocks[0] > 1:
        return tsqr(a)
    if a.numblocks[0] == 1:
        return sfqr(a)
    raise NotImplementedError(
        "qr currently supports only tall-and-skinny (single column chunk/block; see tsqr)\nand short-and-fat (single row "
        "chunk/block; see sfqr) matrices\n\nConsider use of the rechunk method. For example,\n\n"
        "x.rechunk({0: -1, 1: 'auto'}) or x.rechunk({0: 'auto', 1: -1})\n\nwhich rechunk one shorter axis to a single chunk, "
        "while allowing\nthe other axis to automatically grow/shrink appropriately."
    )


def svd_block(block: Any) -> Any:
    """Return the singular value decomposition of a matrix."""
    return tuple(np.linalg.svd(block, full_matrices=False))


def svd_flip(u: Any, v: Any, u_based_decision: bool = False) -> Any:
    """Return singular vectors with signs such that the largest part is positive."""
    from .ufunc import sign  # type: ignore[attr-defined]

    signs = sign(u.sum(axis=0, keepdims=True) if u_based_decision else v.sum(axis=1, keepdims=True).T)
    one = np.asarray(1, dtype=signs.dtype)
    from .routines import where

    signs = where(signs == 0, one, signs)
    return u * signs, v * signs.T


def svd(a: Any, coerce_signs: bool = True, full_matrices: bool = False) -> Any:
    """Return the singular value decomposition u, s, v of a matrix with one column or one row of blocks.

    Parameters
    ----------
    a : array
        The matrix.
    coerce_signs : bool
        Whether the signs of the vectors are made deterministic.
    full_matrices : bool
        Accepted for compatibility with NumPy: only False.
    """
    if full_matrices:
        raise NotImplementedError(
            "full_matrices=True is not implemented for dask arrays. Use full_matrices=False to compute the reduced SVD."
        )
    a = _matrix(a)
    if a.ndim != 2:
        raise ValueError(f"Array must be 2D.\nInput shape: {a.shape}\nInput ndim: {a.ndim}\n")
    rows, columns = a.numblocks
    if rows > 1 and columns > 1:
        raise NotImplementedError(
            "Array must be chunked in one dimension only. This function (svd) only supports tall-and-skinny or short-and-fat "
            "matrices (see da.linalg.svd_compressed for SVD on fully chunked arrays).\n"
            f"Input shape: {a.shape}\nInput numblocks: {a.numblocks}\n"
        )
    m, n = a.shape
    k = _least(m, n)
    if rows == columns == 1:
        both = Node("svd", ((1,),), np.empty((0,), object), svd_block, [Read(a._node, [At(0), At(0)])])
        samples = np.linalg.svd(np.ones((1, 1), dtype=a.dtype))
        u, s, v = _items(both, [0, 1, 2], [((m,), (k,)), ((k,),), ((k,), (n,))], [one.dtype for one in samples])
    elif rows > columns:
        u, s, v = tsqr(a, compute_svd=True)
    else:
        vt, s, ut = tsqr(a.T, compute_svd=True)
        u, v = ut.T, vt.T
    if coerce_signs:
        u, v = svd_flip(u, v)
    return u, s, v


def compression_level(n: int, q: int, n_oversamples: int = 10, min_subspace_size: int = 20) -> int:
    """Return the size of the space in which `q` vectors are searched.

    Examples
    --------
    >>> compression_level(100, 10)
    20
    """
    return min(max(min_subspace_size, q + n_oversamples), n)


def compression_matrix(
    data: Any,
    q: int,
    iterator: str = "power",
    n_power_iter: int = 0,
    n_oversamples: int = 10,
    seed: Any = None,
    compute: bool = False,
) -> Any:
    """Return a random matrix that projects a matrix to the space of its largest singular vectors.

    Parameters
    ----------
    data : array
        The matrix.
    q : int
        The number of vectors.
    iterator : str
        ``"power"`` or ``"QR"``, which is more accurate and slower.
    n_power_iter : int
        The number of iterations.
    n_oversamples : int
        How many more vectors are searched.
    seed : int or RandomState, optional
        Makes the result reproducible.
    compute : bool
        Whether intermediate results are persisted.
    """
    from .random import RandomState, default_rng

    if iterator not in ("power", "QR"):
        raise ValueError(f"Iterator '{iterator}' not valid, must one one of ['power', 'QR']")
    data = _matrix(data)
    m, n = data.shape
    level = compression_level(min(m, n), q, n_oversamples=n_oversamples)
    state: Any = seed if isinstance(seed, RandomState) else default_rng(seed)
    kind = np.float32 if data.dtype.type in (np.float32, np.complex64) else np.float64
    omega = state.standard_normal(size=(n, level), chunks=(data.chunks[1], (level,))).astype(kind)

    def keep(x: Any) -> Any:
        return x.persist() if compute else x

    found = data.dot(omega)
    if iterator == "power":
        for _ in range(n_power_iter):
            found = data.dot(keep(data.T.dot(keep(found))))
        return tsqr(found)[0].T
    found = tsqr(found)[0]
    for _ in range(n_power_iter):
        found = keep(tsqr(data.T.dot(keep(found)))[0])
        found = tsqr(data.dot(found))[0]
    return found.T


def svd_compressed(
    a: Any,
    k: int,
    iterator: str = "power",
    n_power_iter: int = 0,
    n_oversamples: int = 10,
    seed: Any = None,
    compute: bool = False,
    coerce_signs: bool = True,
) -> Any:
    """Return the approximate singular value decomposition of a matrix of any chunks, with the largest `k` values.

    Parameters
    ----------
    a : array
        The matrix.
    k : int
        The number of singular values.
    iterator, n_power_iter, n_oversamples, seed, compute
        As in :func:`compression_matrix`.
    coerce_signs : bool
        Whether the signs of the vectors are made deterministic.
    """
    a = _matrix(a)
    comp = compression_matrix(
        a, k, iterator=iterator, n_power_iter=n_power_iter, n_oversamples=n_oversamples, seed=seed, compute=compute
    )
    if compute:
        comp = comp.persist()
    v, s, u = tsqr(comp.dot(a).T.rechunk({1: -1}), compute_svd=True)
    u = comp.T.dot(u.T)
    u, s, v = u[:, :k], s[:k], v.T[:k, :]
    if coerce_signs:
        u, v = svd_flip(u, v)
    return u, s, v


# Triangular decompositions.


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


def solve(a: Any, b: Any, sym_pos: Any = None, assume_a: str = "gen") -> Any:
    """Solve the equation ``a x = b``.

    Parameters
    ----------
    a : array
        A square matrix in square chunks.
    b : array
        The right side: a vector or a matrix.
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
    """Return the inverse of a square matrix in square chunks.

    Parameters
    ----------
    a : array
        The matrix.
    """
    from ._creation import eye

    a = _matrix(a)
    _check_square(a, "lu")
    return solve(a, eye(a.shape[0], chunks=int(a.chunks[0][0])))


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


def cholesky(a: Any, lower: bool = False) -> Any:
    """Return the Cholesky decomposition of a positive definite matrix in square chunks.

    Parameters
    ----------
    a : array
        The matrix.
    lower : bool
        Whether to return the lower factor; the upper one by default.
    """
    low, up = _cholesky(a)
    return low if lower else up


def rank_block(r: Any) -> Any:
    """Return the rank of a matrix."""
    return np.linalg.matrix_rank(r)


def singular_block(r: Any) -> Any:
    """Return the singular values of a matrix."""
    return np.sqrt(np.linalg.eigvalsh(np.dot(r.T.conj(), r)))[::-1]


def lstsq(a: Any, b: Any) -> Any:
    """Return the solution of least squares, the residuals, the rank and the singular values, as ``numpy.linalg.lstsq``.

    Parameters
    ----------
    a : array
        A matrix with one column of blocks.
    b : array
        The right side.
    """
    a, b = _matrix(a), _matrix(b)
    q, r = qr(a)
    r = r.rechunk(-1)
    from .ufunc import conj  # type: ignore[attr-defined]

    x = solve_triangular(r, conj(q.T).dot(b).rechunk({0: r.chunks[1]}))
    residuals = b - a.dot(x)
    residuals = abs(residuals**2).sum(axis=0, keepdims=b.ndim == 1)
    rank = _call(rank_block, [r], (), np.dtype(int))
    singular = _call(singular_block, [r], (r.shape[0],), residuals.dtype)
    return x, residuals, rank, singular


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the norm of vectors or matrices, as ``numpy.linalg.norm``.

    Parameters
    ----------
    x : array
        The array.
    ord : number or str, optional
        Which norm: a number, ``inf``, ``-inf``, ``"fro"`` or ``"nuc"``.
    axis : int or pair of int, optional
        The axis of vectors, or the axes of matrices.
    keepdims : bool
        Whether the result keeps the axes with size 1.
    """
    x = _matrix(x)
    if axis is None:
        axes = tuple(range(x.ndim))
    elif isinstance(axis, Number):
        axes = (int(axis),)  # type: ignore[call-overload]
    else:
        axes = tuple(axis)
    if len(axes) > 2:
        raise ValueError("Improper number of dimensions to norm.")
    is_vector = len(axes) == 1
    if ord == "fro":
        if is_vector:
            raise ValueError("Invalid norm order for vectors.")
        ord = None
    size = abs(x)
    if ord is None:
        return (size**2).sum(axis=axes, keepdims=keepdims) ** 0.5
    if is_vector:
        if isinstance(ord, str):
            raise ValueError("Invalid norm order for vectors.")
        if ord == np.inf:
            return size.max(axis=axes, keepdims=keepdims)
        if ord == -np.inf:
            return size.min(axis=axes, keepdims=keepdims)
        if ord == 0:
            return (size != 0).astype(size.dtype).sum(axis=axes, keepdims=keepdims)
        if ord == 1:
            return size.sum(axis=axes, keepdims=keepdims)
        return (size**ord).sum(axis=axes, keepdims=keepdims) ** (1.0 / ord)
    if ord in ("nuc", 2, -2):
        if x.ndim > 2:
            raise NotImplementedError("SVD based norm not implemented for ndim > 2")
        values = svd(x)[1][None]
        name = {"nuc": "sum", 2: "max", -2: "min"}[ord]
        return getattr(values, name)(keepdims=keepdims)
    if ord not in (1, -1, np.inf, -np.inf):
        raise ValueError("Invalid norm order for matrices.")
    first, second = (axes[0], axes[1]) if abs(ord) == 1 else (axes[1], axes[0])
    sums = size.sum(axis=first, keepdims=True)
    found = sums.max(axis=second, keepdims=True) if ord > 0 else sums.min(axis=second, keepdims=True)
    return found if keepdims else found.squeeze(axis=axes)
