"""Which functions of blocks have kernels, and for which dtypes.

Kernels give what NumPy gives to the last bit, except for sums and moments, whose order of additions is another one.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ._blocks import Fill
from ._elementwise import cast_block, enforced
from ._kernels import TABLE, NoKernel, Recorder
from ._moments import Chunk, mean_aggregate, mean_chunk, moment_aggregate, moment_chunk
from ._shape import transpose_block
from ._tree import Call
from .reductions import Extreme

__all__: list[str] = []

#: An operand of an operation: a step, or None and a known value.
Operand = tuple[Any, Any]

#: Operators of Python and the ufuncs that they are.
_OPERATORS: dict[Any, Any] = {
    operator.add: np.add,
    operator.sub: np.subtract,
    operator.mul: np.multiply,
    operator.truediv: np.true_divide,
    operator.neg: np.negative,
    operator.abs: np.absolute,
    operator.and_: np.bitwise_and,
    operator.or_: np.bitwise_or,
    operator.xor: np.bitwise_xor,
    operator.invert: np.invert,
    operator.eq: np.equal,
    operator.ne: np.not_equal,
    operator.lt: np.less,
    operator.le: np.less_equal,
    operator.gt: np.greater,
    operator.ge: np.greater_equal,
}

#: Kinds of dtypes: bool, signed and unsigned integers, floats.
_NUMBERS, _FLOATS, _BOOL = "iuf", "f", "b"

#: For each ufunc with a kernel: its name there, and the kinds of the dtypes that it is for.
_UFUNCS: dict[Any, tuple[str, str]] = {
    np.add: ("add", _NUMBERS),
    np.subtract: ("subtract", _NUMBERS),
    np.multiply: ("multiply", _NUMBERS),
    np.true_divide: ("true_divide", _FLOATS),
    np.minimum: ("minimum", _NUMBERS),
    np.maximum: ("maximum", _NUMBERS),
    np.equal: ("equal", _NUMBERS),
    np.not_equal: ("not_equal", _NUMBERS),
    np.less: ("less", _NUMBERS),
    np.less_equal: ("less_equal", _NUMBERS),
    np.greater: ("greater", _NUMBERS),
    np.greater_equal: ("greater_equal", _NUMBERS),
    np.logical_and: ("logical_and", _BOOL),
    np.logical_or: ("logical_or", _BOOL),
    np.logical_xor: ("logical_xor", _BOOL),
    np.bitwise_and: ("logical_and", _BOOL),
    np.bitwise_or: ("logical_or", _BOOL),
    np.bitwise_xor: ("logical_xor", _BOOL),
    np.negative: ("negative", _NUMBERS),
    np.absolute: ("absolute", _NUMBERS),
    np.square: ("square", _NUMBERS),
    np.sqrt: ("sqrt", _FLOATS),
    np.logical_not: ("logical_not", _BOOL),
    np.invert: ("logical_not", _BOOL),
    np.isnan: ("isnan", _FLOATS),
    np.isinf: ("isinf", _FLOATS),
    np.isfinite: ("isfinite", _FLOATS),
}
_BOOLEAN = np.dtype(bool)
#: The dtype of counts.
_COUNT = np.dtype(np.intp)


def _transpose(recorder: Recorder, function: Any, kwargs: Mapping[str, Any], of: list[int]) -> int:
    # Without axes it is a block of a symmetric matrix.
    axes = [int(axis) for axis in kwargs.get("axes", (1, 0))]
    return recorder.push({"transpose": {"of": of[0], "axes": axes}}, recorder.dtype(of[0]))


def _cast_block(recorder: Recorder, function: Any, kwargs: Mapping[str, Any], of: list[int]) -> int:
    return recorder.cast(of[0], kwargs["dtype"])


# Operations on items.


def _elementwise(recorder: Recorder, function: Any, kwargs: Mapping[str, Any], of: list[int]) -> int:
    if kwargs:
        raise NoKernel
    return _operation(recorder, function, [(step, None) for step in of])


def _filled(recorder: Recorder, function: Any, kwargs: Mapping[str, Any], of: list[int]) -> int:
    """Record a function some of whose arguments are known, or whose result is cast."""
    if kwargs:
        raise NoKernel
    if function.function is enforced and not function.template:
        inner = function.kwargs["function"]
        made = (_filled if type(inner) is Fill else _elementwise)(recorder, inner, {}, of)
        return recorder.cast(made, function.kwargs["dtype"])
    if function.kwargs:
        raise NoKernel
    rest = iter(of)
    operands: list[Operand] = []
    for known in function.template:
        if known is not None:
            operands.append((None, known[0]))
            continue
        step = next(rest, None)
        if step is None:
            raise NoKernel
        operands.append((step, None))
    return _operation(recorder, function.function, operands + [(step, None) for step in rest])


def _operation(recorder: Recorder, function: Any, operands: list[Operand]) -> int:
    if function is np.where and len(operands) == 3:
        return _where(recorder, operands)
    if function is operator.pow and len(operands) == 2 and operands[1][0] is None and operands[1][1] == 2:
        if type(operands[1][1]) is not int:
            raise NoKernel
        # As NumPy computes it for arrays.
        function, operands = np.square, operands[:1]
    ufunc = _OPERATORS.get(function, function)
    name, kinds = _UFUNCS.get(ufunc, ("", "")) if isinstance(ufunc, np.ufunc) else ("", "")
    if not name or ufunc.nin != len(operands):
        raise NoKernel
    *wanted, made = _resolve(recorder, ufunc, operands)
    if len(set(wanted)) != 1 or wanted[0].kind not in kinds:
        raise NoKernel
    of = [_operand(recorder, one, wanted[0]) for one in operands]
    if len(of) == 1:
        return recorder.push({"unary": {"operation": name, "of": of[0]}}, made)
    return recorder.push({"binary": {"operation": name, "of": of}}, made)


def _operand(recorder: Recorder, operand: Operand, dtype: Any) -> int:
    step, value = operand
    return recorder.scalar(value, dtype) if step is None else recorder.cast(step, dtype)


def _resolve(recorder: Recorder, ufunc: Any, operands: Sequence[Operand]) -> list[Any]:
    """Return the dtypes that a ufunc computes with, and that of its result."""
    known = [_dtype_of(value) if step is None else recorder.dtype(step) for step, value in operands]
    resolve = getattr(ufunc, "resolve_dtypes", None)
    if resolve is None:
        # NumPy before 1.25.
        raise NoKernel
    try:
        return list(resolve((*known, None)))
    except TypeError:
        raise NoKernel from None


def _dtype_of(value: Any) -> Any:
    """Return what stands for the dtype of a single value: its type for those of Python, which adapt to arrays."""
    kind = type(value)
    if kind is int or kind is float:
        return kind
    if kind is bool:
        return _BOOLEAN
    if isinstance(value, np.generic) or (kind is np.ndarray and value.ndim == 0):
        return value.dtype
    raise NoKernel


def _where(recorder: Recorder, operands: list[Operand]) -> int:
    (condition, _), *others = operands
    if condition is None or recorder.dtype(condition) != _BOOLEAN:
        raise NoKernel
    # The common dtype is that of two operands that are added.
    wanted = _resolve(recorder, np.add, others)
    if len(set(wanted)) != 1:
        raise NoKernel
    of = [condition, *(_operand(recorder, one, wanted[0]) for one in others)]
    return recorder.push({"where": {"of": of}}, wanted[0])


# Reductions.


def _reduction(recorder: Recorder, function: Any, kwargs: Mapping[str, Any], of: list[Any]) -> Any:
    """Record a reduction: a step, or several by name."""
    called, given = function.function, function.kwargs
    if kwargs or set(given) - {"axis", "keepdims", "dtype"} or type(given.get("axis")) is not tuple:
        raise NoKernel
    axes = [int(axis) for axis in given["axis"]]
    if isinstance(of[0], dict):
        made = _aggregate(recorder, called, of[0])
    else:
        made = _reduced(recorder, called, of[0], axes, given.get("dtype"))
    if given.get("keepdims"):
        return made
    return recorder.push({"squeeze": {"of": made, "axes": axes}}, recorder.dtype(made))


def _reduced(recorder: Recorder, called: Any, of: int, axes: list[int], wanted: Any) -> Any:
    dtype = recorder.dtype(of)
    if called is np.sum:
        return _sum(recorder, of, axes, np.add.reduce(np.empty(0, dtype)).dtype if wanted is None else wanted)
    extreme = called.function if type(called) is Extreme else called
    for kernel, functions, kinds in _EXTREMES:
        if extreme is functions and dtype.kind in kinds:
            return _reduce(recorder, kernel, of, axes, dtype)
    if type(called) is Chunk and called.function is mean_chunk:
        return _mean(recorder, of, axes, called.kwargs)
    if type(called) is Chunk and called.function is moment_chunk:
        return _moments(recorder, of, axes, called.kwargs)
    raise NoKernel


def _aggregate(recorder: Recorder, called: Any, parts: dict[str, int]) -> int:
    """Record what becomes of the number, the sum and the moment of a single block."""
    dtype = recorder.dtype(parts["total"])
    n = recorder.cast(parts["n"], dtype)
    if called is mean_aggregate and dtype.kind == "f":
        return recorder.push({"binary": {"operation": "true_divide", "of": [parts["total"], n]}}, dtype)
    if type(called) is not Chunk or called.function is not moment_aggregate or called.kwargs["order"] != 2:
        raise NoKernel
    zero, missing = recorder.scalar(0, dtype), recorder.scalar(np.nan, dtype)
    ddof = recorder.scalar(called.kwargs["ddof"], dtype)
    n = recorder.push({"binary": {"operation": "subtract", "of": [n, ddof]}}, dtype)
    if called.kwargs["skipna"]:
        is_known = recorder.push({"binary": {"operation": "greater", "of": [n, zero]}}, _BOOLEAN)
    else:
        is_known = None
        n = recorder.push({"binary": {"operation": "maximum", "of": [n, zero]}}, dtype)
    made = recorder.push({"binary": {"operation": "true_divide", "of": [parts["M2"], n]}}, dtype)
    if is_known is not None:
        made = recorder.push({"where": {"of": [is_known, made, missing]}}, dtype)
    if called.kwargs["root"]:
        made = recorder.push({"unary": {"operation": "sqrt", "of": made}}, dtype)
    return made if called.kwargs["dtype"] is None else recorder.cast(made, called.kwargs["dtype"])


#: Reductions whose result is one of the items.
_EXTREMES: list[tuple[str, Any, str]] = [
    ("min", np.min, _NUMBERS),
    ("max", np.max, _NUMBERS),
    ("any", np.any, _BOOL),
    ("all", np.all, _BOOL),
]


def _reduce(recorder: Recorder, name: str, of: int, axes: list[int], dtype: Any) -> int:
    return recorder.push({"reduce": {"operation": name, "of": of, "axes": axes}}, dtype)


def _sum(recorder: Recorder, of: int, axes: list[int], dtype: Any) -> int:
    of = recorder.cast(of, dtype)
    if recorder.dtype(of).kind not in _NUMBERS:
        raise NoKernel
    return _reduce(recorder, "sum", of, axes, recorder.dtype(of))


def _mean(recorder: Recorder, of: int, axes: list[int], kwargs: Mapping[str, Any]) -> dict[str, int]:
    if kwargs["dtype"] is None:
        raise NoKernel
    _, items, n = _counted(recorder, of, axes, kwargs["skipna"])
    return {"n": n, "total": _sum(recorder, items, axes, kwargs["dtype"])}


def _counted(recorder: Recorder, of: int, axes: list[int], skipna: bool) -> tuple[Any, int, int]:
    """Return where items are missing, the items with 0 in their place, and how many there are."""
    dtype = recorder.dtype(of)
    if not skipna or dtype.kind != "f":
        return None, of, _reduce(recorder, "count", of, axes, _COUNT)
    is_missing = recorder.push({"unary": {"operation": "isnan", "of": of}}, _BOOLEAN)
    is_there = recorder.push({"unary": {"operation": "logical_not", "of": is_missing}}, _BOOLEAN)
    items = recorder.push({"where": {"of": [is_missing, recorder.scalar(0, dtype), of]}}, dtype)
    return is_missing, items, _sum(recorder, is_there, axes, _COUNT)


def _moments(recorder: Recorder, of: int, axes: list[int], kwargs: Mapping[str, Any]) -> dict[str, int]:
    """Record the number, the sum, and the sum of the squares of the differences from the mean."""
    dtype = kwargs["dtype"]
    if kwargs["order"] != 2 or dtype.kind != "f" or kwargs.get("real"):
        raise NoKernel
    of = recorder.cast(of, dtype)
    is_missing, items, n = _counted(recorder, of, axes, kwargs["skipna"])
    total = _sum(recorder, items, axes, dtype)
    mean = recorder.push({"binary": {"operation": "true_divide", "of": [total, recorder.cast(n, dtype)]}}, dtype)
    difference = recorder.push({"binary": {"operation": "subtract", "of": [of, mean]}}, dtype)
    if is_missing is not None:
        zero = recorder.scalar(0, dtype)
        difference = recorder.push({"where": {"of": [is_missing, zero, difference]}}, dtype)
    squares = recorder.push({"unary": {"operation": "square", "of": difference}}, dtype)
    return {"n": n, "total": total, "M2": _sum(recorder, squares, axes, dtype)}


TABLE.update(
    {
        transpose_block: _transpose,
        np.transpose: _transpose,
        cast_block: _cast_block,
        np.where: _elementwise,
        np.ufunc: _elementwise,
        Fill: _filled,
        Call: _reduction,
    }
)
TABLE.update(dict.fromkeys(_OPERATORS, _elementwise))
