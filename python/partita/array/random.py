"""Random numbers. Each block has a generator of its own, so that a recomputed block is the same."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ._axis_maps import Axis, Read
from ._chunks import broadcast_shapes, normalize_chunks
from ._core import Array, array_of
from ._documentation import documentation_of
from ._expression import Node
from ._shape import broadcast_to

_TEXT = """
beta binomial chisquare exponential f gamma geometric gumbel hypergeometric laplace logistic lognormal logseries
negative_binomial noncentral_chisquare noncentral_f normal pareto poisson power rayleigh standard_cauchy standard_exponential
standard_gamma standard_normal standard_t triangular uniform vonmises wald weibull zipf
"""
#: Distributions of both classes.
_BOTH = _TEXT.split()
_OLD = ["randint", "random_integers", "random_sample", "tomaxint"]

__all__ = [
    "Generator",
    "RandomState",
    "choice",
    "default_rng",
    "integers",
    "multinomial",
    "multivariate_hypergeometric",
    "permutation",
    "random",
    "seed",
    *_BOTH,
    *_OLD,
]


class Source:
    """Where the generators of blocks come from: entropy, and a key for each array."""

    def __init__(self, entropy: Any, key: tuple[int, ...], kind: Any, is_old: bool) -> None:
        self.entropy = entropy
        self.key = key
        self.kind = kind
        self.is_old = is_old

    def generator(self, index: tuple[int, ...], grid: tuple[int, ...]) -> Any:
        """Return the generator of a block."""
        number = 0
        for at, size in zip(index, grid):
            number = number * size + at
        seeds = np.random.SeedSequence(self.entropy, spawn_key=(*self.key, number))
        if self.is_old:
            if self.kind is np.random.RandomState:
                return np.random.RandomState(np.random.MT19937(seeds))
            return self.kind(seeds.generate_state(1)[0])
        return np.random.Generator(self.kind(seeds))

    def __dask_tokenize__(self) -> Any:
        return "source", self.entropy, self.key, f"{self.kind.__module__}.{self.kind.__name__}", self.is_old


def random_block(
    index: tuple[int, ...],
    *values: Any,
    source: Source,
    grid: tuple[int, ...],
    method: str,
    template: tuple[Any, ...],
    names: tuple[str, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Return random numbers.

    Parameters
    ----------
    index : tuple of int
        The index of the block.
    *values
        Blocks of parameters, then the size of the block along each axis.
    source, grid
        Where the generator comes from, and the number of blocks.
    method : str
        The distribution.
    template : tuple
        The parameters: those that are known as tuples of one item.
    names : tuple of str
        Names of the keyword arguments among the blocks.
    kwargs : dict
        Further arguments.
    """
    count = sum(one is None for one in template)
    blocks, sizes = values[: count + len(names)], values[count + len(names) :]
    rest = iter(blocks)
    args = [next(rest) if one is None else one[0] for one in template]
    named = dict(zip(names, rest))
    size = tuple(sizes[: len(grid)])
    return getattr(source.generator(index, grid), method)(*args, size=size, **named, **kwargs)


def _size(size: Any) -> tuple[int, ...] | None:
    if size is None:
        return None
    return tuple([int(one) for one in size]) if isinstance(size, (tuple, list)) else (int(size),)


def draw(
    owner: Any,
    method: str,
    /,
    *args: Any,
    size: Any = None,
    chunks: Any = "auto",
    extra: tuple[int, ...] = (),
    **kwargs: Any,
) -> Any:
    """Return an array of random numbers.

    Parameters
    ----------
    owner : Generator or RandomState
        The source.
    method : str
        The distribution.
    *args, **kwargs
        Its parameters.
    size : int or tuple of int, optional
        Shape of the array.
    chunks : tuple or str
        The chunks.
    extra : tuple of int
        Further axes of the result.
    """
    wanted = _size(size)
    arrays = [one for one in (*args, *kwargs.values()) if isinstance(one, (Array, np.ndarray))] if not extra else []
    shapes = [one.shape for one in arrays]
    shape = broadcast_shapes(*shapes, *([wanted] if wanted is not None else [])) if shapes or wanted is not None else ()
    if wanted is not None and shape != wanted:
        raise ValueError(f"Output size {wanted} is not compatible with broadcast dimensions of inputs {shape}.")
    dtype = kwargs.get("dtype", np.float64)
    found = normalize_chunks(chunks, shape, dtype=np.dtype(dtype))
    source = owner._next_source()
    small = [_sample(one, bool(extra)) for one in args]
    named = {name: _sample(one, bool(extra)) for name, one in kwargs.items()}
    sample = getattr(source.generator((), ()), method)(*small, size=(1,) * len(found), **named)
    reads = []
    template: list[Any] = []
    names: list[str] = []
    known: dict[str, Any] = {}
    for one in args:
        if isinstance(one, (Array, np.ndarray)) and not extra:
            reads.append(_parameter(one, shape, found))
            template.append(None)
        else:
            template.append((one,))
    for name, one in kwargs.items():
        if isinstance(one, (Array, np.ndarray)) and not extra:
            reads.append(_parameter(one, shape, found))
            names.append(name)
        else:
            known[name] = one
    params = {
        "source": source,
        "grid": tuple([len(sizes) for sizes in found]),
        "method": method,
        "template": tuple(template),
        "names": tuple(names),
        "kwargs": known,
    }
    chunks_of = (*found, *[(one,) for one in extra])
    meta = np.empty((0,) * len(chunks_of), dtype=np.asarray(sample).dtype)
    node = Node(
        method,
        chunks_of,
        meta,
        _RandomCall(len(found)),
        reads,
        tables=list(enumerate(found)),
        params=params,
        indexed=True,
        cheap=not reads,
    )
    return array_of(node)


class _RandomCall:
    """The function of a block, whose index may have further axes."""

    __name__ = "random"

    def __init__(self, ndim: int) -> None:
        self.ndim = ndim

    def __call__(self, index: tuple[int, ...], *values: Any, **params: Any) -> Any:
        return random_block(index[: self.ndim], *values, **params)

    def __dask_tokenize__(self) -> Any:
        return "random", self.ndim


def _sample(value: Any, is_whole: bool) -> Any:
    if is_whole:
        return value
    if isinstance(value, Array):
        # A valid parameter, whatever the distribution.
        return value[(0,) * value.ndim].compute() if value.ndim else value.compute()
    return value[(0,) * value.ndim] if isinstance(value, np.ndarray) else value


def _parameter(value: Any, shape: Any, chunks: Any) -> Read:
    from ._elementwise import as_array

    whole = broadcast_to(as_array(value), shape).rechunk(chunks)
    return Read(whole._node, [Axis(axis) for axis in range(len(shape))])


class _Distributions:
    """The distributions of both classes."""

    def _next_source(self) -> Source:
        raise NotImplementedError

    def multinomial(self, n: Any, pvals: Any, size: Any = None, chunks: Any = "auto", **kwargs: Any) -> Any:
        """Draw samples of a multinomial distribution, as NumPy, in the last axis."""
        return draw(self, "multinomial", n, pvals, size=size, chunks=chunks, extra=(len(pvals),), **kwargs)

    def permutation(self, x: Any) -> Any:
        """Return the items along the first axis in random order, as NumPy."""
        from ._sequences import arange

        if isinstance(x, (int, np.integer)):
            x = arange(int(x), chunks="auto")
        if not isinstance(x, Array):
            from ._from_array import asarray

            x = asarray(x)
        order = np.arange(len(x))
        self._next_source().generator((), ()).shuffle(order)
        return x[order]

    def _choice(self, a: Any, size: Any, replace: bool, p: Any, axis: int, chunks: Any, extra: dict[str, Any]) -> Any:
        wanted = _size(size) or ()
        if isinstance(a, (int, np.integer)):
            if a <= 0:
                raise ValueError("a must be greater than 0")
            a, dtype, length = int(a), np.dtype(np.int64), int(a)
        else:
            if isinstance(a, (list, tuple)):
                a = np.asarray(a)
            if a.ndim != 1:
                raise ValueError(
                    "a must be one dimensional: choice() supports no other arrays; index with choice(len(a))"
                )
            dtype, length = a.dtype, len(a)
            if not length:
                raise ValueError("a must be non-empty")
        if axis != 0:
            raise ValueError(f"axis must be 0 since a is one dimensional, not {axis}")
        if p is not None:
            p = np.asarray(p.compute() if isinstance(p, Array) else p)
            if p.ndim != 1:
                raise ValueError("p must be one dimensional")
            if len(p) != length:
                raise ValueError("a and p must have the same size")
            if not np.allclose(p.sum(), 1, rtol=1e-7, atol=0):
                raise ValueError("probabilities do not sum to 1")
            if (p < 0).any():
                raise ValueError("p must be positive")
        found = normalize_chunks(chunks, wanted, dtype=np.float64)
        if not replace:
            if math.prod(map(len, found)) > 1:
                raise NotImplementedError(
                    "replace=False is not currently supported for dask.array.choice with multi-chunk output arrays"
                )
            if math.prod(wanted) > length:
                raise ValueError("Cannot take a larger sample than population when 'replace=False'")
        values = (a._partita_task(),) if isinstance(a, Array) else ()
        params = {
            "source": self._next_source(),
            "grid": tuple([len(sizes) for sizes in found]),
            "a": None if values else a,
            "options": {"replace": replace, "p": p, **extra},
        }
        meta = np.empty((0,) * len(found), dtype=dtype)
        tables = list(enumerate(found))
        user = isinstance(a, Array) and not a._partita_is_small()
        return array_of(
            Node("choice", found, meta, choice_block, (), tables, values=values, params=params, indexed=True, user=user)
        )


def choice_block(
    index: tuple[int, ...], *values: Any, source: Source, grid: tuple[int, ...], a: Any, options: dict[str, Any]
) -> Any:
    """Return random items."""
    size, rest = values[: len(grid)], values[len(grid) :]
    return source.generator(index, grid).choice(rest[0] if rest else a, size=tuple(size), **options)


def _method(name: str, module: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, size: Any = None, chunks: Any = "auto", **kwargs: Any) -> Any:
        args, size, chunks = _positional(name, args, size, chunks)
        return draw(self, name, *args, size=size, chunks=chunks, **kwargs)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = (
        f"Draw samples of ``{name}``, as NumPy.\n\n"
        "        Parameters\n        ----------\n        *args\n            The parameters, as in NumPy: numbers or arrays.\n"
        "        size : int or tuple of int, optional\n            Shape of the array.\n"
        "        chunks : tuple or str\n            The chunks.\n\n        "
        f"The documentation of NumPy follows:\n\n{documentation_of(getattr(np.random.RandomState, name))}"
    )
    return method


#: The number of parameters before ``size``.
_COUNTS = {
    **dict.fromkeys(
        ["beta", "binomial", "f", "gamma", "gumbel", "laplace", "logistic", "lognormal", "negative_binomial"], 2
    ),
    **dict.fromkeys(["noncentral_chisquare", "normal", "uniform", "vonmises", "wald", "randint", "random_integers"], 2),
    **dict.fromkeys(["hypergeometric", "noncentral_f", "triangular"], 3),
    **dict.fromkeys(
        ["standard_cauchy", "standard_exponential", "standard_normal", "random_sample", "tomaxint", "random"], 0
    ),
    "integers": 2,
}


def _positional(name: str, args: tuple[Any, ...], size: Any, chunks: Any) -> Any:
    """Return the parameters, size and chunks of positional arguments."""
    count = _COUNTS.get(name, 1)
    if len(args) > count:
        size = args[count]
        if len(args) > count + 1:
            chunks = args[count + 1]
        args = args[:count]
    return args, size, chunks


class Generator(_Distributions):
    """Random numbers of a bit generator of NumPy, for each block with a seed of its own.

    Parameters
    ----------
    bit_generator : numpy.random.BitGenerator
        The bit generator, whose seed and type are used.

    Examples
    --------
    >>> import partita.array as da
    >>> rng = da.random.default_rng(1)
    >>> x = rng.normal(size=4, chunks=2)
    >>> bool((x == x).all().compute())
    True
    """

    def __init__(self, bit_generator: Any) -> None:
        if isinstance(bit_generator, type):
            bit_generator = bit_generator()
        self._bit_generator = bit_generator
        seeds = bit_generator.seed_seq if hasattr(bit_generator, "seed_seq") else bit_generator._seed_seq
        self._entropy = seeds.entropy
        self._key = tuple(seeds.spawn_key)
        self._count = 0

    def _next_source(self) -> Source:
        self._count += 1
        return Source(self._entropy, (*self._key, self._count - 1), type(self._bit_generator), False)

    def __str__(self) -> str:
        return f"{type(self).__name__}({type(self._bit_generator).__name__})"

    def __repr__(self) -> str:
        return f"{self} at 0x{id(self):X}"

    def choice(
        self,
        a: Any,
        size: Any = None,
        replace: bool = True,
        p: Any = None,
        axis: int = 0,
        shuffle: bool = True,
        chunks: Any = "auto",
    ) -> Any:
        """Draw random items of an array, as NumPy."""
        return self._choice(a, size, replace, p, axis, chunks, {"shuffle": shuffle})

    def integers(
        self,
        low: Any,
        high: Any = None,
        size: Any = None,
        dtype: Any = np.int64,
        endpoint: bool = False,
        chunks: Any = "auto",
        **kwargs: Any,
    ) -> Any:
        """Draw random integers, as NumPy."""
        return draw(
            self, "integers", low, high=high, size=size, dtype=dtype, endpoint=endpoint, chunks=chunks, **kwargs
        )

    def random(
        self, size: Any = None, dtype: Any = np.float64, out: Any = None, chunks: Any = "auto", **kwargs: Any
    ) -> Any:
        """Draw random numbers from 0 to 1, as NumPy."""
        if out is not None:
            raise NotImplementedError("random() does not support out=")
        return draw(self, "random", size=size, dtype=dtype, chunks=chunks, **kwargs)

    def multivariate_hypergeometric(
        self,
        colors: Any,
        nsample: Any,
        size: Any = None,
        method: str = "marginals",
        chunks: Any = "auto",
        **kwargs: Any,
    ) -> Any:
        """Draw samples of a multivariate hypergeometric distribution, as NumPy, in the last axis."""
        return draw(
            self,
            "multivariate_hypergeometric",
            colors,
            nsample,
            size=size,
            chunks=chunks,
            extra=(len(colors),),
            **{"method": method, **kwargs},
        )


class RandomState(_Distributions):
    """Random numbers with the interface of ``numpy.random.RandomState``.

    Parameters
    ----------
    seed : int or array of int, optional
        Makes the numbers reproducible.
    RandomState : callable, optional
        A class with the interface of NumPy's.
    """

    def __init__(self, seed: Any = None, RandomState: Any = None) -> None:
        self._kind = np.random.RandomState if RandomState is None else RandomState
        self._start(seed)

    def _start(self, seed: Any) -> None:
        if isinstance(seed, np.random.RandomState):
            seed = seed.randint(0, 2**31 - 1, size=4)
        if seed is not None and not isinstance(seed, (int, np.integer)):
            seed = [int(one) for one in np.ravel(seed)]
        self._entropy = np.random.SeedSequence(None if seed is None else seed).entropy
        self._count = 0

    def seed(self, seed: Any = None) -> None:
        """Start again with a seed."""
        self._start(seed)

    def _next_source(self) -> Source:
        self._count += 1
        return Source(self._entropy, (self._count - 1,), self._kind, True)

    def choice(self, a: Any, size: Any = None, replace: bool = True, p: Any = None, chunks: Any = "auto") -> Any:
        """Draw random items of an array, as NumPy."""
        return self._choice(a, size, replace, p, 0, chunks, {})

    def randint(
        self, low: Any, high: Any = None, size: Any = None, chunks: Any = "auto", dtype: Any = "l", **kwargs: Any
    ) -> Any:
        """Draw random integers, as NumPy."""
        return draw(self, "randint", low, high=high, size=size, chunks=chunks, dtype=dtype, **kwargs)

    def random_integers(self, low: Any, high: Any = None, size: Any = None, chunks: Any = "auto", **kwargs: Any) -> Any:
        """Draw random integers up to and including `high`, as NumPy's former function."""
        warnings.warn(
            "This function is deprecated. Please call randint(low, high + 1) instead", DeprecationWarning, stacklevel=2
        )
        if high is None:
            low, high = 1, low
        return draw(self, "randint", low, high=high + 1, size=size, chunks=chunks, **kwargs)

    def random_sample(self, size: Any = None, chunks: Any = "auto", **kwargs: Any) -> Any:
        """Draw random numbers from 0 to 1, as NumPy."""
        return draw(self, "random_sample", size=size, chunks=chunks, **kwargs)

    random = random_sample


for _name in _BOTH:
    setattr(Generator, _name, _method(_name, "Generator"))
    setattr(RandomState, _name, _method(_name, "RandomState"))
RandomState.tomaxint = _method("tomaxint", "RandomState")  # type: ignore[attr-defined]


def default_rng(seed: Any = None) -> Generator:
    """Return a generator of random numbers.

    Parameters
    ----------
    seed : int, sequence of int, SeedSequence, BitGenerator or Generator, optional
        Makes the numbers reproducible.
    """
    if isinstance(seed, Generator):
        return seed
    if isinstance(seed, np.random.Generator):
        return Generator(seed.bit_generator)
    if isinstance(seed, np.random.BitGenerator) or (
        isinstance(seed, type) and issubclass(seed, np.random.BitGenerator)
    ):
        return Generator(seed)
    if isinstance(seed, RandomState):
        raise TypeError("default_rng() needs a seed or a Generator, not a RandomState")
    return Generator(np.random.PCG64(seed))


# Functions with a common state.

_state = RandomState()


def seed(seed: Any = None) -> None:
    """Start the functions of this module with a seed."""
    _state.seed(seed)


def _common(name: str) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        owner: Any = _state if hasattr(_state, name) else _generator()
        return getattr(owner, name)(*args, **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = getattr(RandomState, name, getattr(Generator, name, None)).__doc__
    return function


_generators: list[Generator] = []


def _generator() -> Generator:
    """Return the generator of the distributions that only generators have."""
    if not _generators:
        _generators.append(default_rng())
    return _generators[0]


for _name in [*_BOTH, *_OLD]:
    globals()[_name] = _common(_name)
choice = _common("choice")
integers = _common("integers")
multinomial = _common("multinomial")
multivariate_hypergeometric = _common("multivariate_hypergeometric")
permutation = _common("permutation")
random = _common("random")
