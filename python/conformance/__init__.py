"""Runs the test suites of Dask on Partita: ``cargo xtask conformance``."""
