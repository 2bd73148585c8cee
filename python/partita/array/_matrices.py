"""Functions of matrices, and of stacks of them: the axes of a matrix become one chunk, the others keep theirs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ._elementwise import as_array
from ._expression import empty_meta
from ._gufunc import apply_gufunc
from ._shape import normalize_axes

__all__ = [
    "EigResult",
    "EighResult",
    "QRResult",
    "SVDResult",
    "SlogdetResult",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "pinv",
    "slogdet",
    "svdvals",
    "trace",
    "vector_norm",
]


class QRResult(NamedTuple):
    """The factors of a QR decomposition."""

    Q: Any
    R: Any


class SVDResult(NamedTuple):
    """The factors of a singular value decomposition."""

    U: Any
    S: Any
    Vh: Any


class EigResult(NamedTuple):
    """Eigenvalues and eigenvectors of a matrix."""

    eigenvalues: Any
    eigenvectors: Any


class EighResult(NamedTuple):
    """Eigenvalues and eigenvectors of a symmetric or Hermitian matrix."""

    eigenvalues: Any
    eigenvectors: Any


class SlogdetResult(NamedTuple):
    """The sign of a determinant, and the logarithm of its absolute value."""

    sign: Any
    logabsdet: Any


def is_one_block(*arrays: Any) -> bool:
    """Whether NumPy's functions of matrices apply: to stacks, and to matrices in one chunk."""
    return any(one.ndim > 2 for one in arrays) or all(one.npartitions == 1 for one in arrays)


def check_square(a: Any, what: str) -> None:
    """Raise an error if an array is not a stack of square matrices."""
    if a.ndim < 2:
        raise ValueError(f"{what}() needs a matrix, and the array has {a.ndim} dimensions")
    if a.shape[-1] != a.shape[-2]:
        raise ValueError(f"{what}() needs square matrices, and the shape is {a.shape}")


def call_on_matrices(
    function: Callable[..., Any], signature: str, *arrays: Any, sizes: Any = None, dtypes: Any = None, **kwargs: Any
) -> Any:
    """Apply a function of NumPy to the matrices of arrays.

    Parameters
    ----------
    function : callable
        The function.
    signature : str
        Its core dimensions, as of :func:`apply_gufunc`.
    *arrays : Array
        The arrays.
    sizes : dict, optional
        Sizes of core dimensions that only results have.
    dtypes : dtype or list of dtype, optional
        Dtypes of the results; by default those of matrices with one item.
    **kwargs
        Arguments of the function.
    """
    if dtypes is None:
        cores = signature.partition("->")[0].split("),(")
        ones = [
            np.ones((1,) * (core.count(",") + (core.strip("()") != "")), one.dtype) for core, one in zip(cores, arrays)
        ]
        found = function(*ones, **kwargs)
        dtypes = [one.dtype for one in found] if isinstance(found, tuple) else found.dtype
    outputs = signature.partition("->")[2].split("),(")
    counts = [core.count(",") + (core.strip("()") != "") for core in outputs]
    meta: Any = [empty_meta(one, count) for one, count in zip(dtypes if isinstance(dtypes, list) else [dtypes], counts)]
    return apply_gufunc(
        function,
        signature,
        *arrays,
        meta=tuple(meta) if isinstance(dtypes, list) else meta[0],
        output_sizes=sizes,
        allow_rechunk=True,
        **kwargs,
    )


def _square(function: Callable[..., Any], a: Any, core: str, **kwargs: Any) -> Any:
    a = as_array(a)
    check_square(a, function.__name__)
    return call_on_matrices(function, f"(i,j)->{core}", a, **kwargs)


def det(a: Any, /) -> Any:
    """Return the determinants of square matrices, as ``numpy.linalg.det``."""
    return _square(np.linalg.det, a, "()")


def slogdet_block(a: Any) -> Any:
    """Return the two results for a block."""
    found = np.linalg.slogdet(a)
    return np.asarray(found[0]), np.asarray(found[1])


def slogdet(a: Any, /) -> Any:
    """Return the signs and the logarithms of determinants, as ``numpy.linalg.slogdet``."""
    a = as_array(a)
    check_square(a, "slogdet")
    return SlogdetResult(*call_on_matrices(slogdet_block, "(i,j)->(),()", a))


def eigh_block(a: Any, UPLO: str) -> Any:
    """Return the two results for a block."""
    return tuple(np.linalg.eigh(a, UPLO=UPLO))  # type: ignore[call-overload]


def eigh(a: Any, /, UPLO: str = "L") -> Any:
    """Return eigenvalues and eigenvectors of symmetric or Hermitian matrices, as ``numpy.linalg.eigh``."""
    a = as_array(a)
    check_square(a, "eigh")
    return EighResult(*call_on_matrices(eigh_block, "(i,j)->(i),(i,j)", a, UPLO=UPLO))


def eigvalsh(a: Any, /, UPLO: str = "L") -> Any:
    """Return the eigenvalues of symmetric or Hermitian matrices, as ``numpy.linalg.eigvalsh``."""
    return _square(np.linalg.eigvalsh, a, "(i)", UPLO=UPLO)


def _complex_of(dtype: Any) -> Any:
    return np.dtype(np.complex64 if dtype in (np.float32, np.complex64) else np.complex128)


def eig_block(a: Any) -> Any:
    """Return the two results for a block. They are complex even if all eigenvalues are real."""
    kind = _complex_of(a.dtype)
    return tuple([one.astype(kind) for one in np.linalg.eig(a)])


def eig(a: Any, /) -> Any:
    """Return eigenvalues and eigenvectors as ``numpy.linalg.eig``, but always as complex numbers."""
    a = as_array(a)
    check_square(a, "eig")
    return EigResult(*call_on_matrices(eig_block, "(i,j)->(i),(i,j)", a))


def eigvals_block(a: Any) -> Any:
    """Return the eigenvalues of a block as complex numbers."""
    return np.linalg.eigvals(a).astype(_complex_of(a.dtype))


def eigvals(a: Any, /) -> Any:
    """Return eigenvalues as ``numpy.linalg.eigvals``, but always as complex numbers."""
    a = as_array(a)
    check_square(a, "eigvals")
    return call_on_matrices(eigvals_block, "(i,j)->(i)", a)


def matrix_power(a: Any, n: int, /) -> Any:
    """Return an integer power of square matrices, as ``numpy.linalg.matrix_power``."""
    return _square(np.linalg.matrix_power, a, "(i,j)", n=int(n))


def rank_block(a: Any, *rtol: Any, **kwargs: Any) -> Any:
    """Return the ranks of the matrices of a block."""
    return np.asarray(np.linalg.matrix_rank(a, rtol=rtol[0] if rtol else None, **kwargs))


def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """Return the number of singular values above a tolerance, as ``numpy.linalg.matrix_rank``.

    Parameters
    ----------
    A : array
        Matrices.
    tol : number, optional
        The tolerance.
    hermitian : bool
        Whether the matrices are Hermitian.
    rtol : number or array, optional
        The tolerance as a multiple of the largest singular value.
    """
    a = as_array(A)
    if a.ndim < 2:
        raise ValueError(f"matrix_rank() needs a matrix, and the array has {a.ndim} dimensions")
    dtype = np.dtype(np.intp)
    if rtol is not None:
        return call_on_matrices(rank_block, "(i,j),()->()", a, as_array(rtol), dtypes=dtype, hermitian=hermitian)
    return call_on_matrices(rank_block, "(i,j)->()", a, dtypes=dtype, tol=tol, hermitian=hermitian)


def pinv_block(a: Any, *rtol: Any, hermitian: bool) -> Any:
    """Return the pseudo-inverses of the matrices of a block."""
    return np.linalg.pinv(a, hermitian=hermitian, **({"rtol": rtol[0]} if rtol else {}))


def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """Return pseudo-inverses, as ``numpy.linalg.pinv``.

    Parameters
    ----------
    a : array
        Matrices.
    rcond, rtol : number or array, optional
        Singular values below this multiple of the largest one count as zero.
    hermitian : bool
        Whether the matrices are Hermitian.
    """
    a = as_array(a)
    if a.ndim < 2:
        raise ValueError(f"pinv() needs a matrix, and the array has {a.ndim} dimensions")
    limit = rcond if rtol is None else rtol
    if limit is None:
        return call_on_matrices(pinv_block, "(i,j)->(j,i)", a, hermitian=hermitian)
    return call_on_matrices(pinv_block, "(i,j),()->(j,i)", a, as_array(limit), hermitian=hermitian)


def svdvals(x: Any, /) -> Any:
    """Return the singular values of matrices, as ``numpy.linalg.svdvals``."""
    x = as_array(x)
    if x.ndim < 2:
        raise ValueError(f"svdvals() needs a matrix, and the array has {x.ndim} dimensions")
    if not is_one_block(x):
        from .linalg import svd

        return svd(x)[1]
    return call_on_matrices(np.linalg.svdvals, "(i,j)->(k)", x, sizes={"k": min(x.shape[-2:])})


# Blocks of decompositions.


def inv_block(a: Any) -> Any:
    """Return the inverses of the matrices of a block."""
    return np.linalg.inv(a)


def cholesky_block(a: Any, upper: bool) -> Any:
    """Return the Cholesky factors of the matrices of a block."""
    low = np.linalg.cholesky(a)
    return np.conj(np.swapaxes(low, -1, -2)) if upper else low


def qr_blocks(a: Any, mode: str) -> Any:
    """Return the QR decompositions of the matrices of a block."""
    return tuple(np.linalg.qr(a, mode=mode))  # type: ignore[call-overload]


def qr_of_block(a: Any, mode: str) -> Any:
    """Return the QR decomposition of matrices, each of which is in one chunk."""
    m, n = a.shape[-2:]
    sizes = {"k": m if mode == "complete" else min(m, n)}
    return QRResult(*call_on_matrices(qr_blocks, "(i,j)->(i,k),(k,j)", a, sizes=sizes, mode=mode))


def svd_blocks(a: Any, full_matrices: bool, coerce_signs: bool) -> Any:
    """Return the singular value decompositions of the matrices of a block."""
    u, s, vh = np.linalg.svd(a, full_matrices=full_matrices)
    if coerce_signs and s.shape[-1]:
        k = s.shape[-1]
        sums = vh[..., :k, :].sum(axis=-1)
        signs = np.where(sums == 0, 1, np.sign(sums)).astype(vh.dtype)
        u[..., :k] *= signs[..., None, :]
        vh[..., :k, :] *= np.conj(signs)[..., :, None]
    return u, s, vh


def svd_of_block(a: Any, full_matrices: bool, coerce_signs: bool) -> Any:
    """Return the singular value decomposition of matrices, each of which is in one chunk."""
    m, n = a.shape[-2:]
    kwargs = {"full_matrices": full_matrices, "coerce_signs": coerce_signs}
    if full_matrices:
        return SVDResult(
            *call_on_matrices(svd_blocks, "(i,j)->(i,m),(k),(n,j)", a, sizes={"m": m, "k": min(m, n), "n": n}, **kwargs)
        )
    return SVDResult(*call_on_matrices(svd_blocks, "(i,j)->(i,k),(k),(k,j)", a, sizes={"k": min(m, n)}, **kwargs))


# Norms, products and diagonals.


def _inexact(x: Any) -> Any:
    x = as_array(x)
    return x if x.dtype.kind in "fcO" else x.astype(np.float64)


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Return the norm of vectors along axes, as ``numpy.linalg.vector_norm``.

    Parameters
    ----------
    x : array
        The array.
    axis : int or tuple of int, optional
        The axes of a vector; all by default.
    keepdims : bool
        Whether the result keeps the axes with size 1.
    ord : number
        Which norm: a number, ``inf`` or ``-inf``.
    """
    x = _inexact(x)
    size = abs(x)
    axes = tuple(range(x.ndim)) if axis is None else normalize_axes(axis, x.ndim)
    named = {"axis": axes, "keepdims": keepdims}
    if not axes:
        named["axis"] = None
        size = size[..., None]
        named = {"axis": (size.ndim - 1,)}
    if ord == math.inf:
        return size.max(**named)
    if ord == -math.inf:
        return size.min(**named)
    if ord == 0:
        return (size != 0).astype(size.dtype).sum(**named)
    if ord == 1:
        return size.sum(**named)
    if ord == 2:
        return (size * size).sum(**named) ** 0.5
    return (size**ord).sum(**named) ** (1.0 / ord)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Return the norm of matrices, the last two axes, as ``numpy.linalg.matrix_norm``.

    Parameters
    ----------
    x : array
        The array.
    keepdims : bool
        Whether the result keeps the axes with size 1.
    ord : number or str
        ``"fro"``, ``"nuc"``, 1, -1, 2, -2, ``inf`` or ``-inf``.
    """
    x = _inexact(x)
    if x.ndim < 2:
        raise ValueError(f"matrix_norm() needs a matrix, and the array has {x.ndim} dimensions")
    if ord in ("fro", None):
        size = abs(x)
        found = (size * size).sum(axis=(-2, -1)) ** 0.5
    elif ord in (1, -1, math.inf, -math.inf):
        # The sums of columns or rows, of which the largest or the least counts.
        sums = abs(x).sum(axis=-2 if abs(ord) == 1 else -1)
        found = sums.max(axis=-1) if ord > 0 else sums.min(axis=-1)
    elif ord in ("nuc", 2, -2):
        values = svdvals(x)
        found = values.sum(axis=-1) if ord == "nuc" else values.max(axis=-1) if ord == 2 else values.min(axis=-1)
    else:
        raise ValueError(f"invalid norm order {ord!r} for matrices; use 'fro', 'nuc', 1, -1, 2, -2, inf or -inf")
    return found[..., None, None] if keepdims else found


def cross_block(a: Any, b: Any) -> Any:
    """Return the cross products of the vectors of two blocks."""
    return np.linalg.cross(a, b)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Return the cross products of vectors with three items along an axis, as ``numpy.linalg.cross``."""
    x1, x2 = as_array(x1), as_array(x2)
    for one in (x1, x2):
        if not -one.ndim <= axis < one.ndim:
            raise np.exceptions.AxisError(axis, one.ndim)
        if one.shape[axis] != 3:
            raise ValueError(
                f"cross() needs vectors with 3 items, and axis {axis} has {one.shape[axis]}; for 2 items use "
                "x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0]"
            )
    dtype = np.result_type(x1.dtype, x2.dtype)
    return apply_gufunc(cross_block, "(i),(i)->(i)", x1, x2, axis=axis, allow_rechunk=True, meta=empty_meta(dtype, 1))


def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """Return the diagonals of matrices, the last two axes, as ``numpy.linalg.diagonal``."""
    from . import _sequences

    return _sequences.diagonal(x, offset=offset, axis1=-2, axis2=-1)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Return the sums of the diagonals of matrices, the last two axes, as ``numpy.linalg.trace``."""
    from . import reductions

    return reductions.trace(x, offset=offset, axis1=-2, axis2=-1, dtype=dtype)
