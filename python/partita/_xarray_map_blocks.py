"""``xarray.map_blocks`` for arrays of this package: a function of datasets, called with the blocks of all variables."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from .array._axis_maps import All, At, Axis, Read
from .array._chunks import starts
from .array._core import array_of
from .array._expression import Node
from .utils import funcname

__all__ = ["map_blocks"]


def map_blocks(
    func: Callable[..., Any],
    obj: Any,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    template: Any = None,
) -> Any:
    """Call a function with the part of a dataset or data array that belongs to each block.

    Parameters
    ----------
    func : callable
        Called with datasets and data arrays of NumPy's arrays, it returns one of these.
    obj : Dataset or DataArray
        The object, with arrays of :mod:`partita.array`.
    args : sequence
        Further arguments. Datasets and data arrays are divided like `obj`.
    kwargs : dict, optional
        Keyword arguments of the function.
    template : Dataset or DataArray, optional
        What the result looks like. By default the function is called with arrays without items.
    """
    import xarray
    from xarray.core import parallel
    from xarray.structure.alignment import align

    kinds = (xarray.DataArray, xarray.Dataset)
    if template is not None and not isinstance(template, kinds):
        raise TypeError(f"template must be a DataArray or Dataset, not {type(template).__name__}")
    if not isinstance(args, Sequence):
        raise TypeError("args must be a sequence, such as a list or tuple")
    kwargs = {} if kwargs is None else dict(kwargs)
    given = [obj, *args]
    if any(_is_lazy(one) for one in [*kwargs.values(), *[one for one in given if not isinstance(one, kinds)]]):
        raise TypeError(
            "map_blocks() takes arrays only within datasets and data arrays of obj and args; compute others first"
        )
    places = [at for at, one in enumerate(given) if isinstance(one, kinds)]
    aligned = align(*[given[at] for at in places], join="exact")
    whole = [parallel.dataarray_to_dataset(one) if isinstance(one, xarray.DataArray) else one for one in aligned]
    whole = [one.chunk(one.chunksizes, chunked_array_type="partita") for one in whole]
    chunks: dict[Hashable, tuple[int, ...]] = {}
    for one in whole:
        parallel.assert_chunks_compatible(whole[0], one)
        chunks.update(one.chunks)
    coordinates = xarray.merge([one.coords for one in aligned], join="exact", compat="override").coords
    if template is None:
        template, coordinates = _infer_template(func, given, places, aligned, kwargs, coordinates)
        sizes = {dim: chunks[dim] for dim in template.dims if dim in chunks}
    else:
        coordinates, sizes = template.coords, dict(template.chunksizes)
        if not sizes:
            raise ValueError("the template has no chunked arrays: chunk it like the result")
    for dim, known in sizes.items():
        if dim in chunks and len(known) != len(chunks[dim]):
            raise ValueError(
                f"map_blocks requires that one block of the input maps to one block of output: along {dim!r} the input has "
                f"{len(chunks[dim])} blocks and the result {len(known)}; pass a template with as many"
            )
    is_array = isinstance(template, xarray.DataArray)
    name = template.name if is_array else None
    model = template._to_temp_dataset() if is_array else template
    call = _call_node(func, given, places, whole, kwargs, chunks, sizes, model)
    result = xarray.Dataset(coords=coordinates, attrs=model.attrs)
    for index in result.xindexes:
        result[index].attrs = model[index].attrs
        result[index].encoding = model[index].encoding
    for key in model.variables:
        if key not in coordinates.xindexes:
            result[key] = (model[key].dims, _output(call, key, model.variables[key], chunks, sizes), model[key].attrs)
            result[key].encoding = model[key].encoding
    result = result.set_coords(list(model.coords))
    return parallel.dataset_to_dataarray(result).rename(name) if is_array else result


def _is_lazy(value: Any) -> bool:
    from ._collection import is_collection

    return is_collection(value)


def _without_items(obj: Any) -> Any:
    """Return an object of xarray with the same variables without items."""
    import xarray
    from xarray.core import parallel

    if not isinstance(obj, (xarray.DataArray, xarray.Dataset)):
        return obj
    whole = parallel.dataarray_to_dataset(obj) if isinstance(obj, xarray.DataArray) else obj
    found = xarray.Dataset(attrs=whole.attrs)
    for name, variable in whole.variables.items():
        found[name] = (variable.dims, np.empty((0,) * variable.ndim, dtype=variable.dtype), variable.attrs)
    found = found.set_coords(list(whole.coords))
    return parallel.dataset_to_dataarray(found) if isinstance(obj, xarray.DataArray) else found


def _infer_template(
    func: Callable[..., Any], given: list[Any], places: list[int], aligned: Any, kwargs: dict[str, Any], known: Any
) -> tuple[Any, Any]:
    import xarray

    models = [_without_items(aligned[places.index(at)] if at in places else one) for at, one in enumerate(given)]
    try:
        template = func(*models, **kwargs)
    except Exception as error:
        raise ValueError(
            f"cannot infer what {funcname(func)}() returns: it fails for arrays without items; pass template= to map_blocks"
        ) from error
    if not isinstance(template, (xarray.Dataset, xarray.DataArray)):
        raise TypeError(f"{funcname(func)}() must return a DataArray or Dataset, not {type(template).__name__}")
    names = set(template.coords)
    kept = known.to_dataset()[[name for name in known if name in names]]
    kept = kept.drop_vars([name for name in kept.variables if name not in names])
    new = template.coords.to_dataset()[[name for name in template.coords if name not in known]]
    coordinates = xarray.merge((kept, new), join="outer", compat="override").coords
    # Coordinates that exist have items, and those of the template none.
    sizes = {dim: size for dim, size in kept.sizes.items() if dim in template.dims}
    found = template if isinstance(template, xarray.Dataset) else template._to_temp_dataset()
    grown = xarray.Dataset(attrs=found.attrs)
    for name, variable in found.variables.items():
        if name not in coordinates.xindexes:
            shape = tuple([sizes.get(dim, size) for dim, size in variable.sizes.items()])
            data = np.broadcast_to(np.zeros((), dtype=variable.dtype), shape)
            grown[name] = (variable.dims, data, variable.attrs)
    grown = grown.assign_coords({name: one for name, one in coordinates.items() if name in coordinates.xindexes})
    grown = grown.set_coords([name for name in template.coords if name in grown])
    return (grown if isinstance(template, xarray.Dataset) else template._from_temp_dataset(grown)), coordinates


def _slices(sizes: tuple[int, ...]) -> list[slice]:
    return [slice(begin, begin + size) for begin, size in zip(starts(sizes), sizes)]


def _call_node(
    func: Callable[..., Any],
    given: list[Any],
    places: list[int],
    whole: list[Any],
    kwargs: dict[str, Any],
    chunks: dict[Hashable, tuple[int, ...]],
    sizes: dict[Hashable, tuple[int, ...]],
    model: Any,
) -> Node:
    """Return the node whose blocks are dicts of the variables that the function returns."""
    import xarray

    dims = list(chunks)
    reads: list[Read] = []
    tables: list[Any] = []
    arguments: list[Any] = []
    for at, one in enumerate(given):
        if at not in places:
            arguments.append(("value", one))
            continue
        dataset = whole[places.index(at)]
        variables = []
        for name, variable in dataset.variables.items():
            kept = [dim for dim in variable.dims if dim in chunks]
            if variable.chunks is not None:
                reads.append(Read(variable._data._node, [Axis(dims.index(dim)) for dim in variable.dims]))
                data: Any = ("block", len(reads) - 1)
            elif kept:
                # A coordinate in memory: the values of each block along its axis.
                values = variable.values
                tables.append((dims.index(kept[0]), [values[part] for part in _slices(chunks[kept[0]])]))
                data = ("part", len(tables) - 1)
            else:
                data = ("value", variable.values)
            variables.append((name, variable.dims, variable.attrs, variable.encoding, data))
        is_array = isinstance(given[at], xarray.DataArray)
        arguments.append(("object", is_array, variables, list(dataset.coords), dataset.attrs))
    count = len(tables)
    for dim, known in sizes.items():
        if dim in chunks:
            tables.append((dims.index(dim), known))
    params = {
        "function": func,
        "arguments": arguments,
        "kwargs": kwargs,
        "counts": (len(reads), count),
        "dims": [dim for dim in sizes if dim in chunks],
        "names": (set(model.data_vars), set(model.coords)),
    }
    grid = tuple(chunks.values())
    meta = np.empty((0,) * len(grid), dtype=object)
    return Node(funcname(func), grid, meta, call_block, reads, tables=tables, params=params, user=True)


def call_block(
    *values: Any,
    function: Callable[..., Any],
    arguments: list[Any],
    kwargs: dict[str, Any],
    counts: tuple[int, int],
    dims: list[Hashable],
    names: tuple[set[Hashable], set[Hashable]],
) -> dict[Hashable, Any]:
    """Call the function with the parts of the datasets that belong to a block, and return the variables of the result."""
    import xarray

    blocks, parts, expected = values[: counts[0]], values[counts[0] : sum(counts)], values[sum(counts) :]

    def build(spec: Any) -> Any:
        if spec[0] == "value":
            return spec[1]
        _, is_array, variables, coords, attrs = spec
        found = {}
        for name, dimensions, attributes, encoding, (kind, what) in variables:
            data = blocks[what] if kind == "block" else parts[what] if kind == "part" else what
            found[name] = xarray.Variable(dimensions, data, attributes, encoding)
        dataset = xarray.Dataset(
            {name: one for name, one in found.items() if name not in coords},
            {name: one for name, one in found.items() if name in coords},
            attrs,
        )
        return next(iter(dataset.data_vars.values())) if is_array else dataset

    result = function(*[build(spec) for spec in arguments], **kwargs)
    if not isinstance(result, (xarray.Dataset, xarray.DataArray)):
        raise TypeError(f"{funcname(function)}() must return a DataArray or Dataset, not {type(result).__name__}")
    for dim, size in zip(dims, expected):
        if result.sizes.get(dim) != size:
            raise ValueError(
                f"{funcname(function)}() returned size {result.sizes.get(dim)} along {dim!r} for a block, and the template has "
                f"{size}"
            )
    whole = result._to_temp_dataset() if isinstance(result, xarray.DataArray) else result
    if isinstance(result, xarray.Dataset) and set(whole.data_vars) != names[0]:
        raise ValueError(
            f"{funcname(function)}() returned the variables {sorted(map(str, whole.data_vars))}, and the template has "
            f"{sorted(map(str, names[0]))}"
        )
    if set(whole.coords) != names[1]:
        raise ValueError(
            f"{funcname(function)}() returned the coordinates {sorted(map(str, whole.coords))}, and the template has "
            f"{sorted(map(str, names[1]))}"
        )
    if isinstance(result, xarray.DataArray):
        return {None: result.values, **{name: one.values for name, one in result.coords.items()}}
    return {name: one.values for name, one in whole.variables.items()}


def variable_of(found: dict[Hashable, Any], name: Hashable) -> Any:
    """Return a variable of a block; None stands for the values of a data array."""
    return found[name] if name in found else found[None]


def common_value(nested: Any, name: Hashable, depth: int) -> Any:
    """Return the value that all blocks have of a variable without the dimensions along which they are."""
    blocks = [nested]
    for _ in range(depth):
        blocks = [one for rows in blocks for one in rows]
    for one in blocks[1:]:
        try:
            np.testing.assert_array_equal(one, blocks[0])
        except AssertionError:
            raise ValueError(
                f"blocks have different values of the variable {name!r}, which does not have the dimension of the blocks; rechunk "
                "the input to one block along this dimension"
            ) from None
    return blocks[0]


def _output(
    call: Node,
    name: Hashable,
    variable: Any,
    chunks: dict[Hashable, tuple[int, ...]],
    sizes: dict[Hashable, tuple[int, ...]],
) -> Any:
    found = tuple([sizes.get(dim, (size,)) for dim, size in variable.sizes.items()])
    meta = np.empty((0,) * len(found), dtype=variable.dtype)
    missing = [dim for dim, known in chunks.items() if len(known) > 1 and not (dim in variable.dims and dim in sizes)]
    source, params = call, dict[str, Any](name=name)
    function: Callable[..., Any] = variable_of
    if missing:
        # All blocks must agree on a variable that does not have a dimension of theirs.
        same = [Axis(axis) for axis in range(call.ndim)]
        source = Node(str(name), call.chunks, call.meta, variable_of, [Read(call, same)], params=params)
        function, params = common_value, {"name": name, "depth": len(missing)}
    axes: list[Any] = []
    for dim in chunks:
        if dim in missing:
            axes.append(All())
        else:
            axes.append(Axis(variable.dims.index(dim)) if dim in variable.dims and dim in sizes else At(0))
    return array_of(Node(str(name), found, meta, function, [Read(source, axes)], params=params))


def replace_map_blocks(known: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``xarray.map_blocks`` for arrays of this package and of Dask."""
    from ._xarray_objects import arrays_in

    def either(func: Any, obj: Any, args: Any = (), kwargs: Any = None, template: Any = None) -> Any:
        given = [obj, *args] if isinstance(args, Sequence) else [obj]
        if any(arrays_in(one) for one in given):
            return map_blocks(func, obj, args, kwargs, template)
        return known(func, obj, args, kwargs, template)

    return either


def close_after_writes(known: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that makes the lazy end of writing, for arrays of this package and of Dask."""
    from .array import Array

    def either(writes: Any, store: Any) -> Any:
        parts = writes if isinstance(writes, tuple) else (writes,)
        if not any(isinstance(one, Array) for one in parts):
            return known(writes, store)
        from .delayed import delayed

        finish = getattr(importlib.import_module("xarray.backends.api"), "_finalize_store")
        return delayed(finish)(list(parts), store)

    return either
