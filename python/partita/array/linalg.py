"""Linear algebra by blocks."""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np

from ._axis_maps import All, At, Axis, Read
from ._chunks import is_unknown
from ._core import array_of
from ._expression import Node
from ._matrices import (
    QRResult,
    SVDResult,
    cross,
    det,
    diagonal,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    matrix_norm,
    matrix_power,
    matrix_rank,
    pinv,
    qr_of_block,
    slogdet,
    svd_of_block,
    svdvals,
    trace,
    vector_norm,
)
from ._products import matmul, outer, tensordot, vdot
from ._standard import matrix_transpose, vecdot
from ._triangular import _call, _items, _matrix, cholesky, inv, lu, solve, solve_triangular

__all__ = [
    "cholesky",
    "compression_level",
    "compression_matrix",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lstsq",
    "lu",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "norm",
    "outer",
    "pinv",
    "qr",
    "sfqr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svd_compressed",
    "svdvals",
    "tensordot",
    "trace",
    "tsqr",
    "vdot",
    "vecdot",
    "vector_norm",
]


def _least(m: Any, n: Any) -> Any:
    return np.nan if is_unknown((m, n)) else min(m, n)


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


def qr(a: Any, mode: str = "reduced") -> Any:
    """Return the QR decomposition of a matrix with one column or one row of blocks, or of each matrix of a stack.

    Parameters
    ----------
    a : array
        The matrix.
    mode : str
        ``"reduced"`` or ``"complete"``, which needs a matrix in one chunk.
    """
    a = _matrix(a)
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr() does not support mode={mode!r}; use 'reduced' or 'complete'")
    if a.ndim < 2:
        raise ValueError(f"qr() needs a matrix, not an array with {a.ndim} dimensions")
    if a.ndim > 2 or (a.npartitions == 1 and not is_unknown(a.shape)):
        return qr_of_block(a, mode)
    if mode == "complete":
        raise NotImplementedError("qr(mode='complete') needs a matrix in one chunk; use rechunk(-1) or mode='reduced'")
    if a.numblocks[1] == 1 and a.numblocks[0] > 1:
        return QRResult(*tsqr(a))
    if a.numblocks[0] == 1:
        return QRResult(*sfqr(a))
    raise NotImplementedError(
        "qr currently supports only tall-and-skinny (single column chunk/block; see tsqr)\nand short-and-fat (single row "
        "chunk/block; see sfqr) matrices\n\nConsider use of the rechunk method. For example,\n\n"
        "x.rechunk({0: -1, 1: 'auto'}) or x.rechunk({0: 'auto', 1: -1})\n\nwhich rechunk one shorter axis to a single chunk, "
        "while allowing\nthe other axis to automatically grow/shrink appropriately."
    )


def svd_flip(u: Any, v: Any, u_based_decision: bool = False) -> Any:
    """Return singular vectors with signs such that the largest part is positive."""
    from .ufunc import sign  # type: ignore[attr-defined]

    signs = sign(u.sum(axis=0, keepdims=True) if u_based_decision else v.sum(axis=1, keepdims=True).T)
    one = np.asarray(1, dtype=signs.dtype)
    from .routines import where

    signs = where(signs == 0, one, signs)
    # Signs of complex numbers are of size 1: their conjugates take them back.
    return u * signs, v * _adjoint(signs)


def svd(a: Any, coerce_signs: bool = True, full_matrices: bool = False) -> Any:
    """Return the singular value decomposition of a matrix with one column or one row of blocks, or of each one of a stack.

    Parameters
    ----------
    a : array
        The matrix.
    coerce_signs : bool
        Whether the signs of the vectors are made deterministic.
    full_matrices : bool
        Whether the factors are square, which needs a matrix in one chunk. By default they are not, as in Dask.
    """
    a = _matrix(a)
    if a.ndim < 2:
        raise ValueError(f"Array must be 2D.\nInput shape: {a.shape}\nInput ndim: {a.ndim}\n")
    if a.ndim > 2 or (a.npartitions == 1 and not is_unknown(a.shape)):
        return svd_of_block(a, full_matrices, coerce_signs)
    if full_matrices:
        raise NotImplementedError("svd(full_matrices=True) needs a matrix in one chunk; use rechunk(-1)")
    rows, columns = a.numblocks
    if rows > 1 and columns > 1:
        raise NotImplementedError(
            "Array must be chunked in one dimension only. This function (svd) only supports tall-and-skinny or short-and-fat "
            "matrices (see da.linalg.svd_compressed for SVD on fully chunked arrays).\n"
            f"Input shape: {a.shape}\nInput numblocks: {a.numblocks}\n"
        )
    if rows >= columns:
        u, s, v = tsqr(a, compute_svd=True)
    else:
        vt, s, ut = tsqr(a.T, compute_svd=True)
        u, v = ut.T, vt.T
    if coerce_signs:
        u, v = svd_flip(u, v)
    return SVDResult(u, s, v)


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
            found = data.dot(keep(_adjoint(data).dot(keep(found))))
        return _adjoint(tsqr(found)[0])
    found = tsqr(found)[0]
    for _ in range(n_power_iter):
        found = keep(tsqr(_adjoint(data).dot(keep(found)))[0])
        found = tsqr(data.dot(found))[0]
    return _adjoint(found)


def _adjoint(x: Any) -> Any:
    """Return the conjugate transpose of a matrix."""
    return x.T.conj() if x.dtype.kind == "c" else x.T


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
    u = _adjoint(comp).dot(u.T)
    u, s, v = u[:, :k], s[:k], v.T[:k, :]
    if coerce_signs:
        u, v = svd_flip(u, v)
    return u, s, v


# Triangular decompositions.


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
    if axis is None and ord is None:
        # That of all items, as those of one vector.
        return (abs(x) ** 2).sum(keepdims=keepdims) ** 0.5
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
