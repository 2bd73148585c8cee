"""The joblib backend: ``joblib.Parallel`` and libraries that use it, such as scikit-learn, run on a cluster.

Importing this module registers the backend as ``"partita"`` and, if ``distributed`` is not installed, as ``"dask"``.

Examples
--------
>>> import joblib
>>> import partita.joblib
>>> from partita.distributed import Client
>>> with Client(n_workers=2), joblib.parallel_config("partita"):  # doctest: +SKIP
...     joblib.Parallel()(joblib.delayed(pow)(number, 2) for number in range(4))
[0, 1, 4, 9]
"""

from __future__ import annotations

from ._joblib import PartitaBackend, register

__all__ = ["PartitaBackend", "register"]

register()
