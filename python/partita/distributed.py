"""The cluster: where ``dask.distributed`` is, this is."""

from __future__ import annotations

from ._client import Client, Future, current_client
from ._local import LocalCluster
from ._progress import progress

__all__ = ["Client", "Future", "LocalCluster", "current_client", "get_client", "progress", "wait"]


def get_client() -> Client:
    """The client of frames that name none: the latest, or a new one."""
    return current_client()


def wait(futures: Future | list[Future], timeout: float | None = None) -> None:
    """Waits until computations in the background have ended, well or not."""
    for future in futures if isinstance(futures, (list, tuple)) else [futures]:
        try:
            future.result(timeout)
        except TimeoutError:
            raise
        except Exception:
            # Whoever asks for the result learns of it.
            continue
