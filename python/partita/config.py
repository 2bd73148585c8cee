"""Configuration values: the replacement of ``dask.config``.

A key is a path such as ``"optimization.fuse.active"``. Hyphens and underscores in it are the same. Values come from
YAML files in the folder of ``PARTITA_CONFIG`` or ``~/.config/partita``, from environment variables, and from
:class:`set`, each of which overrides those before it.

An environment variable ``DASK_A__B_C=1`` or ``PARTITA_A__B_C=1`` sets the key ``a.b-c``. The variables of the program,
such as ``PARTITA_SCHEDULER`` and ``PARTITA_TOKEN``, are not configuration values.
"""

from __future__ import annotations

import ast
import base64
import builtins
import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from .utils import import_optional, no_default

__all__ = [
    "canonical_name",
    "collect",
    "collect_env",
    "collect_yaml",
    "config",
    "deserialize",
    "ensure_file",
    "expand_environment_variables",
    "get",
    "merge",
    "pop",
    "refresh",
    "rename",
    "serialize",
    "set",
    "update",
    "update_defaults",
]

#: Environment variable with the configuration values that a process inherits, and its maximum length.
INHERITED = "DASK_INTERNAL_INHERIT_CONFIG"
INHERITED_MAX = 64 << 10
#: A key that processes do not inherit: it says where the script itself computes.
_NOT_INHERITED = "scheduler"
#: Prefixes of environment variables; the last one has precedence.
_PREFIXES = ("DASK_", "PARTITA_")
#: Environment variables of the program. They include secrets, which must not become configuration values.
_OF_PROGRAM = frozenset(
    f"PARTITA_{name}"
    for name in [
        "CLUSTER",
        "CONFIG",
        "CONTACT_ADDRESS",
        "DASHBOARD_LINK",
        "DEATH_TIMEOUT",
        "HEADLESS",
        "HOME",
        "HOST",
        "IDLE_TIMEOUT",
        "INTERFACE",
        "JOURNAL",
        "LIFETIME",
        "LOCAL_DIRECTORY",
        "LOG",
        "LOG_FORMAT",
        "MEMORY_LIMIT",
        "NAME",
        "NTHREADS",
        "NWORKERS",
        "OUTPUT",
        "PAGES",
        "PAGE_HTTPS_ONLY",
        "PAGE_READ_ONLY",
        "PLAINTEXT",
        "PLANNING_TIMEOUT",
        "PORT",
        "PRIORITY",
        "PROGRAM",
        "PROGRESS",
        "SCHEDULER",
        "SCHEDULER_ADDR",
        "SCHEDULER_FILE",
        "SCHEDULER_PORT",
        "TLS_CA_FILE",
        "TLS_CERT",
        "TLS_KEY",
        "TOKEN",
    ]
)


def _folders() -> list[str]:
    found = [os.path.join(sys.prefix, "etc", "partita"), os.path.expanduser(os.path.join("~", ".config", "partita"))]
    if os.environ.get("PARTITA_CONFIG"):
        found.append(os.environ["PARTITA_CONFIG"])
    return list(dict.fromkeys(found))


#: Folders and files with YAML; later ones have precedence.
paths: list[str] = _folders()
#: Folder in which :func:`ensure_file` writes by default.
PATH: str = paths[-1]
#: The configuration.
config: dict[str, Any] = {}
global_config = config
#: Default values, as given to :func:`update_defaults`.
defaults: list[Mapping[str, Any]] = []
config_lock = threading.RLock()


def canonical_name(k: str, config: Mapping[str, Any]) -> str:
    """Return a key as it is spelled in a mapping, with hyphens or underscores."""
    if not isinstance(k, str) or not isinstance(config, Mapping) or k in config:
        return k
    other = k.replace("_", "-") if "_" in k else k.replace("-", "_")
    return other if other in config else k


def update(
    old: dict[str, Any], new: Mapping[str, Any], priority: str = "new", defaults: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Update a nested dict with the values of another one, and return it.

    Parameters
    ----------
    old : dict
        The dict that is changed.
    new : mapping
        The other values.
    priority : {"new", "old", "new-defaults"}
        Which value of a key that both have remains. With ``"new-defaults"``, the new one if the old one is that of
        `defaults`.

    Examples
    --------
    >>> update({"x": 1, "y": {"a": 2}}, {"x": 2, "y": {"b": 3}})
    {'x': 2, 'y': {'a': 2, 'b': 3}}
    """
    for key, value in new.items():
        key = canonical_name(key, old)
        known = defaults.get(key) if isinstance(defaults, Mapping) else None
        if isinstance(value, Mapping):
            if not isinstance(old.get(key), dict):
                old[key] = {}
            update(old[key], value, priority, known if isinstance(known, Mapping) else None)
            continue
        is_default = isinstance(defaults, Mapping) and key in defaults and old.get(key) == known
        if key not in old or priority == "new" or (priority == "new-defaults" and is_default):
            old[key] = value
    return old


def merge(*dicts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a nested dict of the values of several ones; later ones have precedence."""
    merged: dict[str, Any] = {}
    for one in dicts:
        update(merged, one)
    return merged


def collect_yaml(paths: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Return the contents of YAML files. Without the package ``yaml``, there are none."""
    yaml = import_optional("yaml")
    for path in (globals()["paths"] if paths is None else paths) if yaml is not None else ():
        files = [path]
        if os.path.isdir(path):
            files = sorted(
                os.path.join(path, name) for name in os.listdir(path) if name.endswith((".yaml", ".yml", ".json"))
            )
        for file in files:
            try:
                with open(file, encoding="utf-8") as stream:
                    text = stream.read()
            except OSError:
                continue
            try:
                content = yaml.safe_load(text)
            except yaml.YAMLError as error:
                raise ValueError(f"cannot read the configuration file {file!r}: {error}") from None
            if content is not None and not isinstance(content, dict):
                raise ValueError(
                    f"cannot read the configuration file {file!r}: expected a mapping, found {type(content).__name__}"
                )
            yield content or {}


def collect_env(env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the configuration values of environment variables.

    Examples
    --------
    >>> collect_env({"DASK_SCHEDULER": "synchronous", "PARTITA_ARRAY__CHUNK_SIZE": "12", "PARTITA_TOKEN": "secret"})
    {'scheduler': 'synchronous', 'array': {'chunk-size': 12}}
    """
    env = os.environ if env is None else env
    found: dict[str, Any] = {}
    inherited = env.get(INHERITED)
    if inherited:
        update(found, deserialize(inherited))
    flat: dict[str, Any] = {}
    for prefix in _PREFIXES:
        for name, value in env.items():
            is_own = name in _OF_PROGRAM or name.startswith("PARTITA_TEST_")
            if name.startswith(prefix) and not is_own and name not in (INHERITED, "DASK_CONFIG"):
                key = name[len(prefix) :].lower().replace("__", ".").replace("_", "-")
                flat[key] = _parse(value)
    with _Scratch(found) as scratch:
        for key, value in flat.items():
            scratch.assign(key, value)
    return found


def _parse(text: str) -> Any:
    """Return the Python literal that a text is, or the text."""
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


interpret_value = _parse


class _Scratch:
    """Assigns keys of a nested dict."""

    def __init__(self, target: dict[str, Any]) -> None:
        self.target = target

    def __enter__(self) -> _Scratch:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def assign(self, key: str, value: Any) -> tuple[tuple[str, ...], Any]:
        """Assign a value, and return the path that was changed and the former value, or ``no_default``."""
        inner: dict[str, Any] = self.target
        path: list[str] = []
        *parents, last = key.split(".")
        for part in parents:
            part = canonical_name(part, inner)
            path.append(part)
            if not isinstance(inner.get(part), dict):
                former = inner.get(part, no_default)
                # One new branch replaces whatever the key was.
                rest = key.split(".")[len(path) :]
                inner[part] = _branch(rest, value)
                return tuple(path), former
            inner = inner[part]
        last = canonical_name(last, inner)
        former = inner.get(last, no_default)
        inner[last] = value
        return (*path, last), former


def _branch(path: Sequence[str], value: Any) -> Any:
    for part in reversed(path):
        value = {part: value}
    return value


class set:
    """Set configuration values: until the end of a ``with`` block, or for good without one.

    Parameters
    ----------
    arg : mapping, optional
        Values by key.
    **kwargs
        Values by key, with two underscores for a dot.

    Examples
    --------
    >>> with set({"array.chunk-size": "1MiB"}, scheduler="synchronous"):
    ...     get("array.chunk-size"), get("scheduler")
    ('1MiB', 'synchronous')
    >>> get("array.chunk-size", None)
    """

    def __init__(
        self,
        arg: Mapping[str, Any] | None = None,
        config: dict[str, Any] | None = None,
        lock: Any = config_lock,
        **kwargs: Any,
    ) -> None:
        self.config = global_config if config is None else config
        self._lock = lock
        self._former: list[tuple[tuple[str, ...], Any]] = []
        given = dict(arg or {})
        given.update({name.replace("__", "."): value for name, value in kwargs.items()})
        with lock:
            scratch = _Scratch(self.config)
            for key, value in given.items():
                self._former.append(scratch.assign(str(key), value))

    def __enter__(self) -> dict[str, Any]:
        return self.config

    def __exit__(self, *_: object) -> None:
        with self._lock:
            for path, former in reversed(self._former):
                inner: Any = self.config
                for part in path[:-1]:
                    inner = inner.get(part) if isinstance(inner, dict) else None
                if not isinstance(inner, dict):
                    continue
                if former is no_default:
                    inner.pop(path[-1], None)
                else:
                    inner[path[-1]] = former


def get(
    key: str,
    default: Any = no_default,
    config: Mapping[str, Any] | None = None,
    override_with: Any = None,
) -> Any:
    """Return a configuration value.

    Parameters
    ----------
    key : str
        The key, such as ``"scheduler"`` or ``"array.chunk-size"``.
    default : object, optional
        The result if there is no value.
    override_with : object, optional
        The result if it is not None.

    Raises
    ------
    KeyError
        If there is no value and no default.
    """
    if override_with is not None:
        return override_with
    value: Any = global_config if config is None else config
    for part in key.split("."):
        try:
            value = value[canonical_name(part, value)]
        except (TypeError, IndexError, KeyError):
            if default is no_default:
                raise KeyError(key) from None
            return default
    return value


def pop(key: str, default: Any = no_default, config: MutableMapping[str, Any] | None = None) -> Any:
    """Remove a configuration value and return it."""
    inner: Any = global_config if config is None else config
    *parents, last = key.split(".")
    try:
        for part in parents:
            inner = inner[canonical_name(part, inner)]
        return inner.pop(canonical_name(last, inner))
    except (TypeError, KeyError, AttributeError):
        if default is no_default:
            raise KeyError(key) from None
        return default


def collect(paths: Sequence[str] | None = None, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the configuration of files and environment variables."""
    return merge(*collect_yaml(paths), collect_env(env))


def refresh(
    config: dict[str, Any] | None = None, defaults: Sequence[Mapping[str, Any]] | None = None, **kwargs: Any
) -> None:
    """Read the configuration anew. Values of :class:`set` are lost."""
    config = global_config if config is None else config
    with config_lock:
        config.clear()
        for one in globals()["defaults"] if defaults is None else defaults:
            update(config, one, priority="old")
        update(config, collect(**kwargs))


def update_defaults(
    new: Mapping[str, Any],
    config: dict[str, Any] | None = None,
    defaults: list[Mapping[str, Any]] | None = None,
) -> None:
    """Add default values, which do not override others."""
    known = globals()["defaults"] if defaults is None else defaults
    current = merge(*known)
    known.append(new)
    update(global_config if config is None else config, new, priority="new-defaults", defaults=current)


def expand_environment_variables(config: Any) -> Any:
    """Return a configuration in which environment variables, such as ``$HOME``, are replaced by their values."""
    if isinstance(config, Mapping):
        return {key: expand_environment_variables(value) for key, value in config.items()}
    if isinstance(config, str):
        return os.path.expandvars(config)
    if isinstance(config, (list, tuple, builtins.set)):
        return type(config)(expand_environment_variables(value) for value in config)
    return config


def rename(deprecations: Mapping[str, str | None], config: dict[str, Any] | None = None) -> None:
    """Move the values of keys that have a new name."""
    config = global_config if config is None else config
    for old, new in deprecations.items():
        value = pop(old, None, config)
        if value is not None and new:
            _Scratch(config).assign(new, value)


def ensure_file(source: str, destination: str | None = None, comment: bool = True) -> None:
    """Copy a configuration file into the folder of configuration files unless it exists there."""
    folder = PATH if destination is None else destination
    target = folder if os.path.splitext(folder)[1] else os.path.join(folder, os.path.basename(source))
    if os.path.exists(target):
        return
    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
    with open(source, encoding="utf-8") as stream:
        lines = stream.readlines()
    if comment:
        lines = [f"# {line}" if line.strip() and not line.startswith("#") else line for line in lines]
    with open(target, "w", encoding="utf-8") as stream:
        stream.writelines(lines)


def serialize(data: Any) -> str:
    """Return configuration values as text, for an environment variable."""
    return base64.urlsafe_b64encode(json.dumps(data).encode()).decode()


def inherited_environment() -> dict[str, str]:
    """Return the environment variable with which a process inherits the configuration, as far as it can be written."""
    found = {}
    for name, value in config.items():
        with contextlib.suppress(TypeError, ValueError):
            if name != _NOT_INHERITED:
                found[name] = json.loads(json.dumps(value))
    text = serialize(found) if found else ""
    return {INHERITED: text} if 0 < len(text) <= INHERITED_MAX else {}


def deserialize(data: str) -> Any:
    """Return the configuration values of :func:`serialize`."""
    return json.loads(base64.urlsafe_b64decode(data.encode()).decode())


refresh()
