"""Products of arrays: blocks along the contracted axes are multiplied and added in one task."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._axis_maps import All, At, Axis, Read
from ._core import array_of, make_meta
from ._elementwise import as_array, elemwise, unify_chunks
from ._expression import Node
from ._shape import normalize_axes, transpose_block

__all__ = ["dot", "einsum", "matmul", "outer", "tensordot", "vdot"]


def _leaves(nested: Any) -> Any:
    if isinstance(nested, list):
        for one in nested:
            yield from _leaves(one)
    else:
        yield nested


def _add(total: Any, product: Any) -> Any:
    """Add a product. Masked items count as zero, as in sums."""
    if total is None:
        return product
    if _can_add_in_place(total, product):
        return np.add(total, product, out=total)
    if isinstance(total, np.ma.MaskedArray) or isinstance(product, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(total) & np.ma.getmaskarray(product)
        return np.ma.array(np.ma.filled(total, 0) + np.ma.filled(product, 0), mask=mask)
    return total + product


def _can_add_in_place(total: Any, product: Any) -> bool:
    """Whether a product can be added to what this task made, without further memory."""
    return (
        type(total) is np.ndarray
        and type(product) is np.ndarray
        and total.dtype == product.dtype
        and total.shape == product.shape
        and not total.dtype.hasobject
    )


def tensordot_blocks(a: Any, b: Any, axes: Any, dtype: Any) -> Any:
    """Return the sum of the products of blocks."""
    total = None
    for first, second in zip(_leaves(a), _leaves(b)):
        total = _add(total, _tensordot(first, second, axes))
    if getattr(total, "dtype", dtype) != dtype and dtype.kind != "O":
        total = total.astype(dtype)  # type: ignore[union-attr]
    # Without axes it is a number, as the products of NumPy are.
    return total[()] if type(total) is np.ndarray and not total.ndim else total


def _tensordot(a: Any, b: Any, axes: Any) -> Any:
    if isinstance(a, np.ma.MaskedArray) or isinstance(b, np.ma.MaskedArray):
        return _masked_tensordot(a, b, axes)
    if type(a) is not np.ndarray or type(b) is not np.ndarray:
        module = type(a if type(a) is not np.ndarray else b).__module__.partition(".")[0]
        if module == "sparse":
            import sparse

            return sparse.tensordot(a, b, axes)
    return np.tensordot(a, b, axes=axes)


def _masked_tensordot(a: Any, b: Any, axes: Any) -> Any:
    first = [axis for axis in range(a.ndim) if axis not in axes[0]]
    second = [axis for axis in range(b.ndim) if axis not in axes[1]]
    left = a.transpose(first + list(axes[0])).reshape((int(np.prod([a.shape[at] for at in first])), -1))
    right = b.transpose(list(axes[1]) + second).reshape((-1, int(np.prod([b.shape[at] for at in second]))))
    return getattr(np.ma, "dot")(left, right).reshape([a.shape[at] for at in first] + [b.shape[at] for at in second])


def tensordot(lhs: Any, rhs: Any, axes: Any = 2) -> Any:
    """Return the products of two arrays, added along axes.

    Parameters
    ----------
    lhs, rhs : array
        The arrays.
    axes : int or pair of axes
        The number of axes, the last of the first array and the first of the second one, or the axes of both.
    """
    a, b = as_array(lhs), as_array(rhs)
    left: Any
    right: Any
    if isinstance(axes, (int, np.integer)):
        left, right = tuple(range(a.ndim - int(axes), a.ndim)), tuple(range(int(axes)))
    else:
        left, right = [(one,) if isinstance(one, (int, np.integer)) else tuple(one) for one in axes]
    left, right = normalize_axes(left, a.ndim), normalize_axes(right, b.ndim)
    if len(left) != len(right):
        raise ValueError("shape-mismatch for sum: the numbers of axes differ")
    if any(
        a.shape[one] != b.shape[other] and a.shape[one] == a.shape[one] and b.shape[other] == b.shape[other]
        for one, other in zip(left, right)
    ):
        raise ValueError(f"shape-mismatch for sum: axes {left} of {a.shape} and {right} of {b.shape}")
    dtype = _product_dtype(a, b)
    labels_a = [("a", axis) for axis in range(a.ndim)]
    labels_b: list[Any] = [("b", axis) for axis in range(b.ndim)]
    for one, other in zip(left, right):
        labels_b[other] = labels_a[one]
    _, (a, b) = unify_chunks(a, labels_a, b, labels_b)
    out = [axis for axis in range(a.ndim) if axis not in left]
    rest = [axis for axis in range(b.ndim) if axis not in right]
    maps_a: list[Any] = [All() if axis in left else Axis(out.index(axis)) for axis in range(a.ndim)]
    maps_b: list[Any] = [All() if axis in right else Axis(len(out) + rest.index(axis)) for axis in range(b.ndim)]
    # The levels of both nested lists must be in one order.
    order_a = [left[at] for at in np.argsort(left)]
    order_b = [right[at] for at in np.argsort(left)]
    if order_b != sorted(order_b):
        b, maps_b, order_b, rest = _reordered(b, right, left, rest, len(out))
    chunks = (*[a.chunks[axis] for axis in out], *[b.chunks[axis] for axis in rest])
    meta = make_meta(a._meta if type(a._meta) is not np.ndarray else b._meta, dtype, len(chunks))
    params = {"axes": (tuple(order_a), tuple(order_b)), "dtype": dtype}
    reads = [Read(a._node, maps_a), Read(b._node, maps_b)]
    return array_of(Node("tensordot", chunks, meta, tensordot_blocks, reads, params=params))


def _reordered(b: Any, right: Sequence[int], left: Sequence[int], rest: list[int], offset: int) -> Any:
    """Return the second array with its contracted axes first, in the order of those of the first array."""
    order = [right[at] for at in np.argsort(left)]
    moved = b.transpose([*order, *rest])
    count = len(order)
    maps: list[Any] = [All()] * count + [Axis(offset + at) for at in range(len(rest))]
    return moved, maps, list(range(count)), list(range(count, moved.ndim))


def _product_dtype(*arrays: Any) -> Any:
    return np.result_type(*[one.dtype for one in arrays])


def dot(a: Any, b: Any) -> Any:
    """Return the dot product of two arrays, as ``numpy.dot``."""
    a, b = as_array(a), as_array(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if a.ndim == b.ndim == 2 and type(a._meta) is type(b._meta) is np.ndarray:
        return matmul(a, b)
    return tensordot(a, b, axes=((a.ndim - 1,), (max(b.ndim - 2, 0),)))


def vdot(a: Any, b: Any) -> Any:
    """Return the dot product of two flattened arrays, the first one conjugated, as ``numpy.vdot``."""
    from .ufunc import conj  # type: ignore[attr-defined]

    return dot(conj(as_array(a).ravel()), as_array(b).ravel())


def matmul_blocks(a: Any, b: Any, dtype: Any, transposed: tuple[bool, bool] = (False, False)) -> Any:
    """Return the sum of the matrix products of blocks, or of their transposes."""
    total = spare = None
    for first, second in zip(_leaves(a), _leaves(b)):
        _check_unmasked(first, second)
        first, second = first.T if transposed[0] else first, second.T if transposed[1] else second
        product, spare = np.matmul(first, second, out=spare), None
        if total is None:
            total = product
        elif _can_add_in_place(total, product):
            np.add(total, product, out=total)
            # The next product takes the place of this one.
            spare = product
        else:
            total = total + product
    return total.astype(dtype) if total.dtype != dtype and dtype.kind != "O" else total  # type: ignore[union-attr]


def _check_unmasked(*arrays: Any) -> None:
    """Refuse masked arrays: NumPy multiplies their masked items, and masks what the factors mask in the same place."""
    if any(isinstance(one, np.ma.MaskedArray) for one in arrays):
        raise NotImplementedError(
            "matmul() and @ do not support masked arrays: dot() counts masked items as zero, as numpy.ma.dot, and "
            "ma.filled() gives them values"
        )


def matmul(a: Any, b: Any, out: Any = None, **kwargs: Any) -> Any:
    """Return the matrix product of two arrays, as ``numpy.matmul``."""
    if out is not None or kwargs:
        raise NotImplementedError(
            f"matmul() does not support {', '.join(['out', *kwargs]) if out is not None else ', '.join(kwargs)}"
        )
    a, b = as_array(a), as_array(b)
    _check_unmasked(a._meta, b._meta)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError("`matmul` does not support scalars.")
    is_row, is_column = a.ndim == 1, b.ndim == 1
    if is_row:
        a = a[None, :]
    if is_column:
        b = b[:, None]
    if a.shape[-1] != b.shape[-2] and a.shape[-1] == a.shape[-1] and b.shape[-2] == b.shape[-2]:
        raise ValueError(
            f"matmul: Input operand 1 has a mismatch in its core dimension 0: size {b.shape[-2]} is different from {a.shape[-1]}"
        )
    extra = max(a.ndim, b.ndim) - 2
    labels_a = [*range(extra - (a.ndim - 2), extra), "i", "k"]
    labels_b = [*range(extra - (b.ndim - 2), extra), "k", "j"]
    known, (a, b) = unify_chunks(a, labels_a, b, labels_b, warn=False)
    out_labels = [*range(extra), "i", "j"]
    dtype = np.matmul(np.ones((1, 1), a.dtype), np.ones((1, 1), b.dtype)).dtype

    def maps(array: Any, labels: list[Any]) -> list[Any]:
        return [
            All()
            if label == "k"
            else At(0)
            if len(sizes) == 1 and len(known[label]) > 1
            else Axis(out_labels.index(label))
            for label, sizes in zip(labels, array.chunks)
        ]

    chunks = tuple([known[label] for label in out_labels])
    (read_a, is_flipped_a), (read_b, is_flipped_b) = _source(a, maps(a, labels_a)), _source(b, maps(b, labels_b))
    params: dict[str, Any] = {"dtype": dtype}
    if is_flipped_a or is_flipped_b:
        params["transposed"] = (is_flipped_a, is_flipped_b)
    # As NumPy, which computes half of the product of a matrix and its transpose.
    symmetric = read_a.source is read_b.source and is_flipped_a != is_flipped_b
    meta = make_meta(a._meta if type(a._meta) is not np.ndarray else b._meta, dtype, len(chunks))
    found = array_of(Node("matmul", chunks, meta, matmul_blocks, [read_a, read_b], params=params, symmetric=symmetric))
    if is_row:
        found = found[..., 0, :]
    if is_column:
        found = found[..., 0]
    return found


def _source(array: Any, maps: list[Any]) -> tuple[Read, bool]:
    """Return how the blocks of a factor are read: if it is the transpose of a matrix, those of that matrix."""
    node = array._node
    if array.ndim == 2 and type(array._meta) is np.ndarray and node.function is transpose_block:
        return Read(node.reads[0].source, maps[::-1]), True
    return Read(node, maps), False


def outer(a: Any, b: Any) -> Any:
    """Return the outer product of two flattened arrays, as ``numpy.outer``."""
    a, b = as_array(a).flatten(), as_array(b).flatten()
    return elemwise(np.multiply, a[:, None], b[None, :])


# Einstein's notation.


def einsum_blocks(*nested: Any, subscripts: str, counts: tuple[tuple[Any, ...], ...], kwargs: dict[str, Any]) -> Any:
    """Return the sum over the contracted blocks of the products of blocks.

    Parameters
    ----------
    *nested : nested list
        The blocks of each operand, one level for each contracted axis.
    subscripts : str
        The labels.
    counts : tuple
        The contracted labels of each operand, one for each level.
    kwargs : dict
        Further arguments of ``numpy.einsum``.
    """
    sizes: dict[Any, int] = {}
    for one, labels in zip(nested, counts):
        level = one
        for label in labels:
            sizes[label] = max(sizes.get(label, 1), len(level))
            level = level[0]
    total = None
    for index in itertools.product(*map(range, sizes.values())):
        at = dict(zip(sizes, index))
        blocks = []
        for one, labels in zip(nested, counts):
            for label in labels:
                one = one[at[label] if len(one) > 1 else 0]
            blocks.append(one)
        product = np.einsum(subscripts, *blocks, **kwargs)
        total = product if total is None else total + product
    return total


def _parse(operands: tuple[Any, ...]) -> tuple[list[str], str, list[Any]]:
    """Return the labels of each operand and of the result, one letter for each axis, and the operands."""
    if isinstance(operands[0], str):
        text, arrays = operands[0].replace(" ", ""), [as_array(one) for one in operands[1:]]
    else:
        arrays = [as_array(one) for one in operands[: len(operands) // 2 * 2 : 2]]
        lists = list(operands[1 : len(operands) // 2 * 2 : 2])

        def letters(labels: Any) -> str:
            return "".join(
                [
                    "..." if one is Ellipsis else chr(ord("A") + one) if one < 26 else chr(ord("a") + one - 26)
                    for one in labels
                ]
            )

        text = ",".join([letters(one) for one in lists])
        if len(operands) % 2:
            text += "->" + letters(operands[-1])
    left, arrow, right = text.partition("->")
    parts = left.split(",")
    if len(parts) != len(arrays):
        raise ValueError(f"einsum: {len(parts)} sets of labels for {len(arrays)} operands")
    used = set(text) - set(",.->")
    free = [one for one in map(chr, range(ord("a"), ord("z") + 1)) if one not in used] + [
        one for one in map(chr, range(ord("A"), ord("Z") + 1)) if one not in used
    ]
    extra = [one.ndim - len(part.replace("...", "")) if "..." in part else 0 for one, part in zip(arrays, parts)]
    if any(count < 0 for count in extra):
        raise ValueError("einsum: an operand has fewer dimensions than labels")
    dots = free[: max(extra, default=0)]
    parts = [part.replace("...", "".join(dots[len(dots) - count :])) for part, count in zip(parts, extra)]
    for one, part in zip(arrays, parts):
        if len(part) != one.ndim:
            raise ValueError(f"einsum: labels {part!r} do not match an operand with {one.ndim} dimensions")
    if arrow:
        out = right.replace("...", "".join(dots))
    else:
        joined = "".join(parts)
        out = "".join(dots) + "".join(sorted(one for one in set(joined) if joined.count(one) == 1 and one not in dots))
    missing = set(out) - set("".join(parts))
    if missing:
        raise ValueError(f"einsum: labels {sorted(missing)} of the result are in no operand")
    return parts, out, arrays


def einsum(*operands: Any, dtype: Any = None, optimize: Any = False, split_every: Any = None, **kwargs: Any) -> Any:
    """Evaluate Einstein's notation, as ``numpy.einsum``.

    Parameters
    ----------
    *operands
        The labels and the arrays, as in NumPy.
    dtype : dtype, optional
        Dtype of the result.
    optimize : bool or str
        Whether NumPy chooses the order of the products of blocks.
    split_every : int, optional
        Accepted for compatibility with Dask; no effect.
    **kwargs
        ``casting`` and ``order``, as in NumPy.
    """
    extra = set(kwargs) - {"casting", "order"}
    if extra:
        raise TypeError(f"einsum() got unexpected keyword arguments {sorted(extra)}")
    parts, out, arrays = _parse(operands)
    kind = np.result_type(*[one.dtype for one in arrays]) if dtype is None else np.dtype(dtype)
    pairs = [item for one, part in zip(arrays, parts) for item in (one, tuple(part))]
    known, arrays = unify_chunks(*pairs, warn=False)
    reads, counts = [], []
    for one, part in zip(arrays, parts):
        maps: list[Any] = []
        contracted = []
        for label, sizes in zip(part, one.chunks):
            if label in out:
                maps.append(At(0) if len(sizes) == 1 and len(known[label]) > 1 else Axis(out.index(label)))
            else:
                maps.append(All())
                contracted.append(label)
        reads.append(Read(one._node, maps))
        counts.append(tuple(contracted))
    named = {**kwargs, "optimize": optimize}
    if dtype is not None:
        named["dtype"] = kind
    params = {"subscripts": ",".join(parts) + "->" + out, "counts": tuple(counts), "kwargs": named}
    chunks = tuple([known[label] for label in out])
    return array_of(Node("einsum", chunks, np.empty((0,) * len(out), kind), einsum_blocks, reads, params=params))
