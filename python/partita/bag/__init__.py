"""Bags: the replacement of ``dask.bag``."""
