"""Log records of functions on the workers, which arrive at loggers of the client."""

from __future__ import annotations

import contextlib
import logging
import pickle
import threading
from collections.abc import Callable
from typing import Any

from ._awaiting import is_awaited
from ._coordination import Coordinator
from ._errors import trim_traceback
from ._functions import Submitter
from ._plugins import WorkerPlugin
from ._worker_view import log_and_wait

__all__ = ["LogForwarding", "LoggingMethods", "record_fields"]

#: Time for which results wait for the log records before them, in seconds.
RECORDS_WAIT_S = 1.0


class LoggingMethods:
    """Forwarding of log records."""

    _connection: Any
    register_plugin: Callable[..., Any]
    unregister_worker_plugin: Callable[..., Any]
    subscribe_topic: Callable[..., Any]
    _coordinator: Coordinator
    _submitter: Submitter
    #: The plugins that are registered.
    _forwarded: frozenset[str] | set[str] = frozenset()

    @trim_traceback
    def forward_logging(self, logger_name: str | None = None, level: int | str = logging.NOTSET) -> Any:
        """Pass the log records of functions on the workers to the logger of the same name in this process.

        A record arrives if the logger on the worker handles it, and is handled here if the logger here is enabled for its
        level. It applies to the functions that are submitted afterwards.

        Parameters
        ----------
        logger_name : str, optional
            The logger on the workers; with those below it. All by default.
        level : int or str
            The lowest level that is passed on, in addition to the level of the logger on the worker.

        Examples
        --------
        >>> import logging
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1) as client:
        ...     client.forward_logging("model", logging.WARNING)
        ...     client.submit(lambda: logging.getLogger("model").warning("slow")).result()
        """
        topic = self._logging_topic(logger_name)
        plugin = LogForwarding(logger_name, logging._checkLevel(level), topic)  # type: ignore[attr-defined]
        # A record is handled before the result of the function that wrote it is known.
        self._forwarded = {*self._forwarded, plugin.name}
        self._submitter.call_before_results(self._await_records)
        made = self.subscribe_topic(topic, _handle_record)
        registered = self.register_plugin(plugin)
        return _await_both(made, registered) if is_awaited(self) else None

    @trim_traceback
    def unforward_logging(self, logger_name: str | None = None) -> Any:
        """Stop to pass log records on.

        Parameters
        ----------
        logger_name : str, optional
            The logger, as for :meth:`forward_logging`.

        Raises
        ------
        ValueError
            If its records are not passed on.

        Examples
        --------
        >>> from partita.distributed import Client
        >>> with Client(n_workers=1) as client:
        ...     client.forward_logging("model")
        ...     client.unforward_logging("model")
        """
        # Records that are on their way are handled: the topic stays.
        self._forwarded = self._forwarded - {_plugin_name(logger_name)}
        if not self._forwarded:
            self._submitter.call_before_results(None)
        unregistered = self.unregister_worker_plugin(_plugin_name(logger_name))
        return unregistered if is_awaited(self) else None

    def _await_records(self) -> None:
        self._coordinator.wait_for_events(RECORDS_WAIT_S)

    def _logging_topic(self, logger_name: str | None) -> str:
        return f"partita-log-{self._connection.session}-{logger_name or ''}"


async def _await_both(first: Any, second: Any) -> None:
    await first
    await second


def _plugin_name(logger_name: str | None) -> str:
    return f"forward-logging-{logger_name or 'root'}"


class LogForwarding(WorkerPlugin):
    """Adds a handler to a logger in the processes of the workers.

    Parameters
    ----------
    logger_name : str or None
        The logger.
    level : int
        The lowest level that is passed on.
    topic : str
        The topic of the records.
    """

    def __init__(self, logger_name: str | None, level: int, topic: str) -> None:
        self.name = _plugin_name(logger_name)
        self._logger_name = logger_name
        self._level = level
        self._topic = topic
        self._handler: logging.Handler | None = None

    def setup(self, worker: Any) -> None:
        self._handler = _TopicHandler(self._topic, self._level)
        logging.getLogger(self._logger_name).addHandler(self._handler)

    def teardown(self, worker: Any) -> None:
        if self._handler is not None:
            logging.getLogger(self._logger_name).removeHandler(self._handler)


class _TopicHandler(logging.Handler):
    """Logs records as events of a topic."""

    def __init__(self, topic: str, level: int) -> None:
        super().__init__(level)
        self._topic = topic
        self._here = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(self._here, "is_busy", False):
            # What the client itself logs meanwhile.
            return
        self._here.is_busy = True
        try:
            log_and_wait(self._topic, record_fields(record))
        except Exception:
            self.handleError(record)
        finally:
            self._here.is_busy = False


def record_fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a log record consists of, with its texts in the place of objects, as far as it can be pickled."""
    fields = dict(record.__dict__)
    fields["msg"], fields["args"] = record.getMessage(), None
    if record.exc_info:
        fields["exc_text"] = record.exc_text or logging.Formatter().formatException(record.exc_info)
        fields["exc_info"] = None
    made = {}
    for name, value in fields.items():
        with contextlib.suppress(Exception):
            pickle.dumps(value)
            made[name] = value
    return made


def _handle_record(event: Any) -> None:
    _, fields = event
    record = logging.makeLogRecord(fields)
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)
