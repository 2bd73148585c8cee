"""The methods of a client that publish frames and values for other clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, MutableMapping
from typing import Any

from ._awaiting import is_awaited, may_await
from ._collection import is_frame
from ._connection import Connection
from ._coordination import Coordinator, Refused, run_steps
from ._errors import ClusterError, trim_traceback
from ._foreign import load_values
from ._names import decode_name, encode_name
from ._wire import quote

__all__ = ["DatasetExists", "DatasetMethods", "Datasets"]

_MISSING = object()


class DatasetMethods:
    """Datasets that all clients of the cluster can read."""

    _connection: Connection
    _coordinator: Coordinator

    @may_await
    @trim_traceback
    def publish_dataset(self, *args: Any, name: Any = None, override: bool = False, **kwargs: Any) -> Any:
        """Publish frames, persisted collections, futures or other values, which all clients of the cluster can read.

        They are kept until they are unpublished. Results of futures stay on the workers as long.

        Parameters
        ----------
        *args : DataFrame, Series, dict, or any other object that can be pickled
            With `name`, a single dataset, or several objects that are one dataset, a tuple. Without it, a dict of datasets
            by name, whose names need not be strings. Frames become tables.
        name : str, optional
            Name of the single dataset.
        override : bool
            Whether to replace existing datasets of the same names.
        **kwargs
            Datasets by name.

        Raises
        ------
        DatasetExists
            If a dataset of the name exists and `override` is false. It is a ``ClusterError`` and a ``KeyError``.

        Examples
        --------
        >>> import pandas as pd
        >>> from partita import dataframe as dd
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1) as client:
        ...     frame = dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=2)
        ...     client.publish_dataset(numbers=frame)
        ...     int(client.get_dataset("numbers").a.sum().compute())
        3
        """
        named: dict[Any, Any] = dict(kwargs)
        if name is not None:
            if not args:
                raise ValueError(
                    "If name is provided, expecting call signature publish_dataset(dataset, name=...): the dataset is missing"
                )
            named[name] = args[0] if len(args) == 1 else args
        elif args:
            if len(args) != 1 or not isinstance(args[0], Mapping):
                raise ValueError(
                    "If name is omitted, positional argument must be a single dict of datasets by name; for another dataset "
                    "use publish_dataset(dataset, name=...)"
                )
            named = {**args[0], **named}
        for public, value in named.items():
            encode_name(public)
            if is_frame(value) and not isinstance(public, str):
                raise TypeError(f"the name of a frame must be a string, since it becomes a table, not {public!r}")
        tables = self._table_names()
        for public, value in named.items():
            exists = DatasetExists(f"dataset {public!r} already exists; unpublish it or use override=True")
            if is_frame(value):
                self._drop_value(public, override, exists)
                if public in tables and not override:
                    raise exists
                value._publish(self, public, override)
                continue
            if public in tables and not override:
                raise exists
            try:
                self._coordinator.call("publish", value, do="put", name=encode_name(public), override=override)
            except Refused as refused:
                if refused.kind != "exists":
                    raise
                raise exists from None
            if public in tables:
                self._connection.query(f"DROP TABLE IF EXISTS {quote(public)}")
        return None

    def _drop_value(self, name: Any, override: bool, exists: DatasetExists) -> None:
        if name in self._value_names():
            if not override:
                raise exists
            self._coordinator.call("publish", do="delete", name=encode_name(name))

    @may_await
    @trim_traceback
    def get_dataset(self, name: Any, default: Any = _MISSING) -> Any:
        """Return a published dataset.

        Parameters
        ----------
        name : str, or list of str
            Its name. A list stands for several datasets, which are returned as a list.
        default : optional
            Returned if no dataset has this name.

        Raises
        ------
        KeyError
            If no dataset has this name and there is no `default`.
        """
        if isinstance(name, list):
            return [self._get_dataset(one, default) for one in name]
        return self._get_dataset(name, default)

    def _get_dataset(self, name: Any, default: Any) -> Any:
        from .dataframe._io import from_table

        client: Any = self
        if name in self._table_names():
            return from_table(name, client=client)
        try:
            ((_, value),) = self._coordinator.call("publish", do="get", name=encode_name(name)).values
        except Refused as refused:
            if refused.kind != "gone":
                raise
            if default is not _MISSING:
                return default
            names = ", ".join(map(str, self._all_names()))
            raise KeyError(f"dataset {name!r} not found; published: {names or 'none'}") from None
        (found,) = run_steps(self, load_values([value], self))
        return found

    @may_await
    def list_datasets(self) -> Any:
        """Return the names of the published datasets."""
        return self._all_names()

    def _all_names(self) -> list[Any]:
        return [*self._table_names(), *self._value_names()]

    def _table_names(self) -> list[str]:
        rows = self._connection.action("partita.tables", {})
        return [row["name"] for row in rows if row["session"] is None]

    def _value_names(self) -> list[Any]:
        return [decode_name(name) for name in self._coordinator.call("publish", do="list").result]

    @may_await
    @trim_traceback
    def unpublish_dataset(self, name: Any) -> Any:
        """Drop a published dataset, if it exists: a function that does so may run twice.

        Parameters
        ----------
        name : str, or list of str
            Its name, or those of several.
        """
        for one in name if isinstance(name, list) else [name]:
            if one in self._value_names():
                self._coordinator.call("publish", do="delete", name=encode_name(one))
            elif one in self._table_names():
                self._connection.query(f"DROP TABLE IF EXISTS {quote(one)}")
        return None

    @property
    def datasets(self) -> Datasets:
        """The published datasets as a dict, which can be changed."""
        return Datasets(self)


class DatasetExists(ClusterError, KeyError):
    """A dataset of this name is published already."""


class Datasets(MutableMapping[Any, Any]):
    """The published datasets of a cluster by name.

    In an event loop of an asynchronous client, ``await client.datasets[name]`` and ``async for`` read them.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def _check_can_wait(self, instead: str) -> None:
        if is_awaited(self._client):
            raise TypeError(f"a dict of datasets cannot wait for an asynchronous client: use {instead}")

    def __getitem__(self, name: Any) -> Any:
        return self._client.get_dataset(name)

    def __setitem__(self, name: Any, value: Any) -> None:
        self._check_can_wait("await client.publish_dataset(..)")
        self._client.publish_dataset(value, name=name)

    def __delitem__(self, name: Any) -> None:
        self._check_can_wait("await client.unpublish_dataset(..)")
        if name not in self:
            raise KeyError(name)
        self._client.unpublish_dataset(name)

    def __contains__(self, name: object) -> bool:
        return name in self._client._all_names()

    def __iter__(self) -> Iterator[Any]:
        self._check_can_wait("async for")
        return iter(self._client._all_names())

    def __aiter__(self) -> AsyncIterator[Any]:
        if not self._client.asynchronous:
            raise TypeError("'async for' over datasets needs Client(asynchronous=True)")
        return self._names()

    async def _names(self) -> AsyncIterator[Any]:
        for name in await self._client.list_datasets():
            yield name

    def __len__(self) -> int:
        self._check_can_wait("await client.list_datasets()")
        return len(self._client._all_names())

    def __repr__(self) -> str:
        return f"<Datasets: {', '.join(map(str, self)) or 'none'}>"
