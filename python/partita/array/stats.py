"""Statistical tests of ``scipy.stats``. They require the package ``scipy``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..delayed import delayed
from . import reductions
from ._elementwise import elemwise
from ._joining import concatenate
from .routines import where
from .ufunc import divide, isnan, log, power, sqrt  # type: ignore[attr-defined]

__all__ = [
    "chisquare",
    "f_oneway",
    "kurtosis",
    "kurtosistest",
    "moment",
    "normaltest",
    "power_divergence",
    "skew",
    "skewtest",
    "ttest_1samp",
    "ttest_ind",
    "ttest_rel",
]

#: Names of members of the family of Cressie and Read.
_POWERS = {
    "pearson": 1,
    "log-likelihood": 0,
    "freeman-tukey": -0.5,
    "mod-log-likelihood": -1,
    "neyman": -2,
    "cressie-read": 2 / 3,
}


class Result:
    """Makes the result of a test, with the attributes of that of SciPy."""

    def __init__(self, name: str, fields: tuple[str, ...] = ("statistic", "pvalue")) -> None:
        self.name = name
        self.fields = fields
        self.__name__ = name

    def __call__(self, *values: Any) -> Any:
        import collections

        return collections.namedtuple(self.name, self.fields)(*values)

    def __reduce__(self) -> Any:
        return Result, (self.name, self.fields)

    def __dask_tokenize__(self) -> Any:
        return "result", self.name, self.fields


def _result(name: str, *values: Any) -> Any:
    return delayed(Result(name), nout=2)(*values)


def _check_policy(nan_policy: str) -> None:
    if nan_policy != "propagate":
        raise NotImplementedError("`nan_policy` other than 'propagate' have not been implemented.")


def two_sided(t: Any, df: Any) -> Any:
    """Return the probability of a value of Student's t on both sides."""
    from scipy.stats import distributions

    return distributions.t.sf(np.abs(t), df) * 2


def chi_squared(value: Any, df: Any) -> Any:
    """Return the probability of a larger value of chi-squared."""
    from scipy.stats import distributions

    return distributions.chi2.sf(value, df)


def normal(value: Any) -> Any:
    """Return the probability of a value of the normal distribution on both sides."""
    from scipy.stats import distributions

    return 2 * distributions.norm.sf(np.abs(value))


def ttest_ind(a: Any, b: Any, axis: int = 0, equal_var: bool = True) -> Any:
    """Test whether two samples have equal means, as ``scipy.stats.ttest_ind``."""
    v1, v2 = reductions.var(a, axis, ddof=1), reductions.var(b, axis, ddof=1)
    n1, n2 = a.shape[axis], b.shape[axis]
    df: Any
    if equal_var:
        df = n1 + n2 - 2.0
        denominator = sqrt(((n1 - 1) * v1 + (n2 - 1) * v2) / df * (1.0 / n1 + 1.0 / n2))
    else:
        vn1, vn2 = v1 / n1, v2 / n2
        df = (vn1 + vn2) ** 2 / (vn1**2 / (n1 - 1) + vn2**2 / (n2 - 1))
        # Without variance the degrees of freedom do not matter.
        df = where(isnan(df), 1, df)
        denominator = sqrt(vn1 + vn2)
    t = divide(reductions.mean(a, axis) - reductions.mean(b, axis), denominator)
    return _result("Ttest_indResult", t, delayed(two_sided)(t, df))


def ttest_1samp(a: Any, popmean: Any, axis: int = 0, nan_policy: str = "propagate") -> Any:
    """Test whether the mean of a sample is a number, as ``scipy.stats.ttest_1samp``."""
    _check_policy(nan_policy)
    n = a.shape[axis]
    t = divide(reductions.mean(a, axis) - popmean, sqrt(reductions.var(a, axis, ddof=1) / float(n)))
    return _result("Ttest_1sampResult", t, delayed(two_sided)(t, n - 1))


def ttest_rel(a: Any, b: Any, axis: int = 0, nan_policy: str = "propagate") -> Any:
    """Test whether related samples have equal means, as ``scipy.stats.ttest_rel``."""
    _check_policy(nan_policy)
    n = a.shape[axis]
    d = (a - b).astype(np.float64)
    t = divide(reductions.mean(d, axis), sqrt(reductions.var(d, axis, ddof=1) / float(n)))
    return _result("Ttest_relResult", t, delayed(two_sided)(t, float(n - 1)))


def chisquare(f_obs: Any, f_exp: Any = None, ddof: int = 0, axis: int | None = 0) -> Any:
    """Test whether categories have given frequencies, as ``scipy.stats.chisquare``."""
    return power_divergence(f_obs, f_exp=f_exp, ddof=ddof, axis=axis, lambda_="pearson")


def power_divergence(f_obs: Any, f_exp: Any = None, ddof: int = 0, axis: int | None = 0, lambda_: Any = None) -> Any:
    """Test whether categories have given frequencies, as ``scipy.stats.power_divergence``."""
    if isinstance(lambda_, str):
        if lambda_ not in _POWERS:
            raise ValueError(
                f"invalid string for lambda_: {lambda_!r}. Valid strings are {', '.join(map(repr, _POWERS))}"
            )
        lambda_ = _POWERS[lambda_]
    import scipy.special

    lambda_ = 1 if lambda_ is None else lambda_
    if f_exp is None:
        f_exp = f_obs.mean(axis=axis, keepdims=True)
    if lambda_ == 1:
        terms = (f_obs - f_exp) ** 2 / f_exp
    elif lambda_ == 0:
        terms = 2.0 * elemwise(scipy.special.xlogy, f_obs, f_obs / f_exp)
    elif lambda_ == -1:
        terms = 2.0 * elemwise(scipy.special.xlogy, f_exp, f_exp / f_obs)
    else:
        terms = f_obs * ((f_obs / f_exp) ** lambda_ - 1) / (0.5 * lambda_ * (lambda_ + 1))
    statistic = terms.sum(axis=axis)
    count = terms.size if axis is None else terms.shape[axis]
    return _result("Power_divergenceResult", statistic, delayed(chi_squared)(statistic, count - 1 - ddof))


def moment(a: Any, moment: int = 1, axis: int = 0, nan_policy: str = "propagate") -> Any:
    """Return a central moment, as ``scipy.stats.moment``."""
    _check_policy(nan_policy)
    return reductions.moment(a, moment, axis=axis)


def _scalar(x: Any) -> Any:
    """Return an array whose value is a number of NumPy if it has no axes, as those of SciPy are: ``where`` makes arrays."""
    return x if x.ndim else x.max()


def skew(a: Any, axis: int = 0, bias: bool = True, nan_policy: str = "propagate") -> Any:
    """Return the skewness, as ``scipy.stats.skew``."""
    _check_policy(nan_policy)
    if not bias:
        raise NotImplementedError("bias=False is not implemented.")
    m2, m3 = moment(a, 2, axis), moment(a, 3, axis)
    return _scalar(where(m2 != 0, m3 / m2**1.5, 0.0))


def kurtosis(a: Any, axis: int = 0, fisher: bool = True, bias: bool = True, nan_policy: str = "propagate") -> Any:
    """Return the kurtosis, as ``scipy.stats.kurtosis``."""
    _check_policy(nan_policy)
    if not bias:
        raise NotImplementedError("bias=False is not implemented.")
    m2, m4 = moment(a, 2, axis), moment(a, 4, axis)
    found = _scalar(where(m2 == 0, 0, m4 / m2**2.0))
    return found - 3 if fisher else found


def _skew_z(a: Any, axis: int) -> Any:
    n = float(a.shape[axis])
    if n < 8:
        raise ValueError(f"skewtest is not valid with less than 8 samples; {int(n)} samples were given.")
    y = skew(a, axis) * math.sqrt(((n + 1) * (n + 3)) / (6.0 * (n - 2)))
    beta2 = 3.0 * (n**2 + 27 * n - 70) * (n + 1) * (n + 3) / ((n - 2.0) * (n + 5) * (n + 7) * (n + 9))
    w2 = -1 + math.sqrt(2 * (beta2 - 1))
    delta = 1 / math.sqrt(0.5 * math.log(w2))
    alpha = math.sqrt(2.0 / (w2 - 1))
    y = where(y == 0, 1, y)
    return delta * log(y / alpha + sqrt((y / alpha) ** 2 + 1))


def skewtest(a: Any, axis: int = 0, nan_policy: str = "propagate") -> Any:
    """Test whether the skewness is that of a normal distribution, as ``scipy.stats.skewtest``."""
    _check_policy(nan_policy)
    z = _skew_z(a, axis)
    return _result("SkewtestResult", z, delayed(normal)(z))


def _kurtosis_z(a: Any, axis: int) -> Any:
    n = float(a.shape[axis])
    b2 = kurtosis(a, axis, fisher=False)
    mean = 3.0 * (n - 1) / (n + 1)
    variance = 24.0 * n * (n - 2) * (n - 3) / ((n + 1) * (n + 1.0) * (n + 3) * (n + 5))
    x = (b2 - mean) / math.sqrt(variance)
    root = (
        6.0 * (n * n - 5 * n + 2) / ((n + 7) * (n + 9)) * math.sqrt((6.0 * (n + 3) * (n + 5)) / (n * (n - 2) * (n - 3)))
    )
    size = 6.0 + 8.0 / root * (2.0 / root + math.sqrt(1 + 4.0 / (root**2)))
    first = 1 - 2 / (9.0 * size)
    denominator = 1 + x * math.sqrt(2 / (size - 4.0))
    valid = denominator > 0
    second = power((1 - 2.0 / size) / where(valid, denominator, 1.0), 1 / 3.0)
    return where(valid, (first - second) / math.sqrt(2 / (9.0 * size)), 0.0)


def kurtosistest(a: Any, axis: int = 0, nan_policy: str = "propagate") -> Any:
    """Test whether the kurtosis is that of a normal distribution, as ``scipy.stats.kurtosistest``."""
    _check_policy(nan_policy)
    z = _kurtosis_z(a, axis)
    return _result("KurtosistestResult", z, delayed(normal)(z))


def normaltest(a: Any, axis: int = 0, nan_policy: str = "propagate") -> Any:
    """Test whether a sample is normal, as ``scipy.stats.normaltest``."""
    _check_policy(nan_policy)
    s, k = _skew_z(a, axis), _kurtosis_z(a, axis)
    both = s * s + k * k
    return _result("NormaltestResult", both, delayed(chi_squared)(both, 2))


def f_oneway(*args: Any) -> Any:
    """Test whether groups have equal means, as ``scipy.stats.f_oneway``."""
    import scipy.special

    groups = len(args)
    whole = concatenate(args)
    count = len(whole)
    offset = whole.mean()
    whole = whole - offset

    def square_of_sum(x: Any) -> Any:
        total = reductions.sum(x, 0)
        return total * total

    total = reductions.sum(whole * whole, 0) - square_of_sum(whole) / float(count)
    between: Any = 0
    for one in args:
        between = between + square_of_sum(one - offset) / float(len(one))
    between = between - square_of_sum(whole) / float(count)
    within = total - between
    f = (between / float(groups - 1)) / (within / float(count - groups))
    return _result("F_onewayResult", f, elemwise(scipy.special.fdtrc, groups - 1, count - groups, f))
