"""Kernels: what a group of tasks computes, for workers that then need no Python process for it.

The functions of the tasks say what they mean. Where every operation of a group has a kernel, its tasks carry a program
that a worker may run in the place of the function: crate ``partita-array``, whose ``program.rs`` says the format. The worker
calls the function if the blocks are not what the program expects. Which functions have kernels is said by `_kernel_table`.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .._tasks import identity
from ._blocks import cut, cut_nested, join

__all__ = ["TABLE", "Block", "Box", "Kernels", "Nested", "NoKernel", "Recorder", "block_of", "code_of", "kernels_of"]

#: For functions of blocks, or the types of such functions: what records their kernels. It is called with the recorder, the
#: function, its keyword arguments and its operands, and returns a step, or a dict of steps by name; so are operands.
TABLE: dict[Any, Callable[[Any, Any, Mapping[str, Any], list[Any]], Any]] = {}

#: Dtypes whose blocks kernels move.
_CODES = frozenset(("|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f4", "<f8", "<c8", "<c16"))
#: Stands for the end of a slice without one. The worker knows the size of the block.
_END = 1 << 62


class NoKernel(Exception):
    """An operation, or an argument, has no kernel."""


class Block:
    """An argument of a task that is a block."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype


class Nested:
    """An argument of a task that is blocks in nested lists, with what is cut out of each."""

    __slots__ = ("depth", "dtype", "has_boxes")

    def __init__(self, dtype: Any, depth: int, has_boxes: bool) -> None:
        self.dtype = dtype
        self.depth = depth
        self.has_boxes = has_boxes


class Box:
    """An argument of a task that says which part of a block is cut out."""

    __slots__ = ()


def code_of(dtype: Any) -> str:
    """Return how programs write a dtype."""
    code: str = getattr(dtype, "str", "")
    if code not in _CODES:
        raise NoKernel
    return code


class Recorder:
    """Records the operations of a group of tasks, as long as they have kernels.

    Operations and arguments are numbered as in the program of the group: arguments from 0 on, results of operations
    from -1 on downwards.
    """

    def __init__(self) -> None:
        self._arguments: list[Any] = []
        self._steps: list[dict[str, Any]] = []
        self._dtypes: list[Any] = []
        #: For each number of the group: the step, or a dict of steps by name.
        self._values: dict[int, Any] = {}
        #: Numbers of arguments that stand for nested lists.
        self._nested: dict[int, int] = {}
        self._count = 0
        self._is_known = True

    def argument(self, kind: Any = None) -> None:
        """Add an argument: a :class:`Block`, a :class:`Nested`, a :class:`Box`, or none of these."""
        self._arguments.append(kind)

    def step(self, function: Callable[..., Any], kwargs: Mapping[str, Any], places: Sequence[int]) -> None:
        """Add an operation."""
        self._count += 1
        if not self._is_known:
            return
        try:
            self._values[-self._count] = self._add(function, kwargs, places, -self._count)
        except NoKernel:
            self._is_known = False

    def finish(self, last: int) -> Kernels | None:
        """Return the program whose result is the value with a number, or None if it has none."""
        if not self._is_known:
            return None
        try:
            found = self._value(last)
        except NoKernel:
            return None
        results = list(found.items()) if isinstance(found, dict) else [(None, found)]
        used = {step[name]["argument"] for step in self._steps for name in step if "argument" in step[name]}
        kinds = [kind if at in used else None for at, kind in enumerate(self._arguments)]
        return Kernels(kinds, f'"steps":{_dump(self._steps)},"results":{_dump(results)}}}')

    # What the table uses.

    def push(self, step: dict[str, Any], dtype: Any) -> int:
        """Add a step to the program and return its number."""
        code_of(dtype)
        self._steps.append(step)
        self._dtypes.append(dtype)
        return len(self._steps) - 1

    def dtype(self, step: Any) -> Any:
        """Return the dtype of the result of a step."""
        if not isinstance(step, int):
            # Several results by name.
            raise NoKernel
        return self._dtypes[step]

    def cast(self, of: int, dtype: Any) -> int:
        """Return the step that has the items of another with a dtype. Floats have no kernel that makes them integers."""
        source, dtype = self.dtype(of), np.dtype(dtype)
        if source == dtype:
            return of
        if source.kind == "f" and dtype.kind not in "fb":
            raise NoKernel
        return self.push({"cast": {"of": of, "dtype": code_of(dtype)}}, dtype)

    def scalar(self, value: Any, dtype: Any) -> int:
        """Return the step that is a single value."""
        try:
            item = np.asarray(value, dtype=dtype)
        except (OverflowError, TypeError, ValueError):
            raise NoKernel from None
        return self.push({"scalar": {"dtype": code_of(dtype), "bytes": item.tobytes().hex()}}, dtype)

    # Moving items.

    def _value(self, place: int) -> Any:
        if place not in self._values:
            kind = self._arguments[place] if place >= 0 else None
            if not isinstance(kind, Block):
                raise NoKernel
            load = {"load": {"argument": place, "dtype": code_of(kind.dtype)}}
            self._values[place] = self.push(load, kind.dtype)
        return self._values[place]

    def _array(self, place: int) -> int:
        found = self._value(place)
        if not isinstance(found, int):
            raise NoKernel
        return found

    def _add(self, function: Any, kwargs: Mapping[str, Any], places: Sequence[int], number: int) -> Any:
        if function is identity and len(places) == 1:
            return self._value(places[0])
        if function is cut_nested:
            self._nested[number] = places[0]
            return None
        if function is join:
            return self._join(kwargs["levels"], places[0])
        if function is cut:
            return self._cut(*places)
        return _record_of(function)(self, function, kwargs, [self._value(place) for place in places])

    def _join(self, levels: Sequence[int], place: int) -> int:
        argument = self._nested.get(place, place)
        kind = self._arguments[argument] if argument >= 0 else None
        if not isinstance(kind, Nested) or kind.has_boxes != (place in self._nested) or len(levels) != kind.depth:
            raise NoKernel
        axes = [int(axis) for axis in levels]
        return self.push({"join": {"argument": argument, "dtype": code_of(kind.dtype), "axes": axes}}, kind.dtype)

    def _cut(self, place: int, argument: int) -> int:
        of = self._array(place)
        if argument < 0 or not isinstance(self._arguments[argument], Box):
            raise NoKernel
        return self.push({"cut": {"of": of, "argument": argument}}, self._dtypes[of])


def _record_of(function: Any) -> Callable[..., Any]:
    # It imports the modules of the functions, which import this one.
    importlib.import_module("._kernel_table", __package__)
    try:
        return TABLE.get(type(function)) or TABLE[function]
    except (KeyError, TypeError):
        # No such function, or one that has no hash.
        raise NoKernel from None


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


class Kernels:
    """The program of the tasks of a group, without the arguments of each.

    Parameters
    ----------
    kinds : list
        What the arguments are, and None for those that the program does not use.
    steps : str
        The rest of the program, as JSON.
    """

    __slots__ = ("kinds", "steps")

    def __init__(self, kinds: list[Any], steps: str) -> None:
        self.kinds = kinds
        self.steps = steps

    def encode(self, args: Sequence[Any], places: Mapping[int, int]) -> bytes | None:
        """Return the program of a task, or None if an argument has no kernel.

        Parameters
        ----------
        args : sequence
            The arguments of the task.
        places : dict
            The places of the inputs by the identity of the tasks and futures.
        """
        try:
            arguments = [_argument(kind, value, places) for kind, value in zip(self.kinds, args)]
        except (NoKernel, KeyError):
            return None
        return f'{{"arguments":[{",".join(arguments)}],{self.steps}'.encode()


def block_of(node: Any) -> Block | None:
    """Return what a block of a node is as an argument, or None if its blocks are not NumPy's."""
    return Block(node.dtype) if type(node.meta) is np.ndarray else None


def kernels_of(function: Callable[..., Any], kinds: Sequence[Any]) -> Kernels | None:
    """Return the program of tasks that call one function with arguments of some kinds, or None if it has none."""
    recorder = Recorder()
    for kind in kinds:
        recorder.argument(kind)
    recorder.step(function, {}, range(len(kinds)))
    return recorder.finish(-1)


def _argument(kind: Any, value: Any, places: Mapping[int, int]) -> str:
    if isinstance(kind, Block):
        return f'{{"block":{places[id(value)]}}}'
    if isinstance(kind, Box):
        return f'{{"box":{_parts(value)}}}'
    if kind is None:
        return '{"box":[]}'
    grid: list[int] = []
    blocks = []
    for leaf in _leaves(value, kind.depth, grid, 0):
        block, box = leaf if kind.has_boxes else (leaf, None)
        blocks.append(f"[{places[id(block)]},{'null' if not box else _parts(box)}]")
    return f'{{"nested":{{"grid":{grid},"blocks":[{",".join(blocks)}]}}}}'


def _leaves(value: Any, depth: int, grid: list[int], level: int) -> Any:
    """Yield the innermost items of nested lists, and collect the number of items on each level."""
    if level == depth:
        yield value
        return
    if len(grid) == level:
        grid.append(len(value))
    elif grid[level] != len(value):
        raise NoKernel
    for one in value:
        yield from _leaves(one, depth, grid, level + 1)


def _parts(box: Sequence[Any]) -> str:
    """Return a part of a block as JSON."""
    found = []
    for one in box:
        if isinstance(one, slice):
            start, stop, step = one.start or 0, _END if one.stop is None else one.stop, one.step or 1
            if (start, stop, step) == (0, _END, 1):
                found.append("null")
                continue
            if min(start, stop) < 0 or step < 1:
                raise NoKernel
            found.append(f"[{int(start)},{int(stop)},{int(step)}]")
        elif isinstance(one, (int, np.integer)) and one >= 0:
            found.append(str(int(one)))
        else:
            raise NoKernel
    return f"[{','.join(found)}]"
