"""Functions by the type of a frame: the replacement of ``dask.dataframe.dispatch``."""

from __future__ import annotations

from typing import Any

import pandas as pd

from .utils import make_meta

__all__ = ["hash_object_dispatch", "make_meta"]


def hash_object_dispatch(obj: Any, index: bool = True, encoding: str = "utf8", hash_key: str | None = None) -> Any:
    """Return a hash of each row of a pandas object, as :func:`pandas.util.hash_pandas_object`.

    Parameters
    ----------
    obj : pandas.DataFrame, pandas.Series or pandas.Index
        The rows.
    index : bool
        Whether the labels of the index are a part of the hashes.
    encoding : str
        The encoding of strings.
    hash_key : str, optional
        The key of the hash of strings, of 16 bytes.

    Examples
    --------
    >>> import pandas as pd
    >>> from partita.dataframe.dispatch import hash_object_dispatch
    >>> len(hash_object_dispatch(pd.Series([1, 2, 3])))
    3
    """
    given = {} if hash_key is None else {"hash_key": hash_key}
    return pd.util.hash_pandas_object(obj, index=index, encoding=encoding, **given)
