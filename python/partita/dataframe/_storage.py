"""Files in object stores and on web servers: their names, and how they are reached.

``storage_options`` are those of fsspec's file systems, which pandas and Dask take (s3fs, gcsfs, adlfs, HTTP), or have the
names of the Rust crate ``object_store``, which polars takes. The cluster reads the files: without options, with what the
environment of the scheduler and the workers says.
"""

from __future__ import annotations

import io
import json
import os
import re
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import parquet as pq

__all__ = ["SERVICES", "file_system", "list_files", "read_schema", "remote_metadata", "service_of", "storage_config"]

#: Services by the scheme of a name.
SERVICES = {
    **dict.fromkeys(("s3", "s3a", "s3n"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gs"),
    **dict.fromkeys(("az", "abfs", "abfss", "adl"), "az"),
    **dict.fromkeys(("http", "https"), "http"),
}

#: Options of fsspec that only tune its file systems.
_TUNING = frozenset(
    (
        *("asynchronous", "block_size", "cache_regions", "cache_type", "consistency", "default_block_size"),
        *("default_cache_type", "default_fill_cache", "expiry_time", "listings_expiry_time", "loop", "max_concurrency"),
        *("project", "skip_instance_cache", "use_listings_cache", "use_ssl", "version_aware"),
    )
)

#: How long a request to a web server may take, in seconds.
_REQUEST_S = 60.0


def service_of(path: Any) -> str | None:
    """Return the service of a name such as ``s3://bucket/key``; None for a local path."""
    scheme, mark, _ = str(path).partition("://")
    return SERVICES.get(scheme.lower()) if mark else None


def storage_config(paths: list[str], options: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the options as the cluster's reader takes them.

    Parameters
    ----------
    paths : list of str
        Paths of one table.
    options : dict, optional
        ``storage_options``.

    Raises
    ------
    ValueError
        If the files are local, or an option has an unusable value.
    NotImplementedError
        If an option is not supported.
    """
    services = {service_of(path) for path in paths}
    if len(services) > 1:
        raise ValueError("the files are in different stores; read them one after the other, and use concat")
    (service,) = services
    given = {name: value for name, value in (options or {}).items() if value is not None and name not in _TUNING}
    if not given:
        return {}
    if service is None:
        raise ValueError(f"storage_options= are for files in stores such as s3://, not for {paths[0]!r}")
    config: dict[str, str] = {}
    for name, value in given.items():
        config.update(_TRANSLATIONS[service].get(name, _as_given)(name, value))
    return config


def _as_given(name: str, value: Any) -> dict[str, str]:
    if isinstance(value, bool):
        return {name: str(value).lower()}
    if isinstance(value, (str, int)):
        return {name: str(value)}
    raise NotImplementedError(
        f"storage_options: {name}={type(value).__name__} is not supported; the values are strings, numbers and booleans"
    )


def _renamed(new: str) -> Callable[[str, Any], dict[str, str]]:
    return lambda name, value: _as_given(new, value)


def _anonymous(name: str, value: Any) -> dict[str, str]:
    return {"skip_signature": "true"} if value else {}


def _nested(known: dict[str, str]) -> Callable[[str, Any], dict[str, str]]:
    """Return the translation of an option that has options."""

    def translated(name: str, values: Any) -> dict[str, str]:
        unknown = [key for key in values if key not in known]
        if unknown:
            raise NotImplementedError(
                f"storage_options: {unknown[0]!r} in {name} is not supported; supported: {', '.join(known)}"
            )
        return {known[key]: str(value) for key, value in values.items() if value is not None}

    return translated


def _profile(name: str, value: Any) -> dict[str, str]:
    raise NotImplementedError(
        "storage_options: profile is not supported; set AWS_PROFILE in the environment of the cluster"
    )


def _google_token(name: str, value: Any) -> dict[str, str]:
    if value == "anon":
        return {"skip_signature": "true"}
    if isinstance(value, dict):
        return {"service_account_key": json.dumps(value)}
    if value in ("google_default", "cloud", "cache"):
        return {}
    if not os.path.isfile(value):
        raise ValueError(f"storage_options: token is neither 'anon' nor a file with a service account: {value!r}")
    with open(value, encoding="utf-8") as file:
        return {"service_account_key": file.read()}


def _connection_string(name: str, value: Any) -> dict[str, str]:
    parts = dict(part.split("=", 1) for part in str(value).split(";") if "=" in part)
    known = {
        "AccountName": "account_name",
        "AccountKey": "account_key",
        "SharedAccessSignature": "sas_token",
        "BlobEndpoint": "endpoint",
    }
    return {ours: parts[theirs] for theirs, ours in known.items() if theirs in parts}


def _headers(name: str, value: Any) -> dict[str, str]:
    return {f"header.{header}": str(text) for header, text in value.items()}


def _web_client(name: str, values: Any) -> dict[str, str]:
    unknown = [key for key in values if key != "headers"]
    if unknown:
        raise NotImplementedError(f"storage_options: {unknown[0]!r} in {name} is not supported; supported: headers")
    return _headers(name, values.get("headers") or {})


#: What an option of fsspec is called by the cluster's reader, by service.
_TRANSLATIONS: dict[str, dict[str, Callable[[str, Any], dict[str, str]]]] = {
    "s3": {
        "anon": _anonymous,
        "key": _renamed("access_key_id"),
        "username": _renamed("access_key_id"),
        "secret": _renamed("secret_access_key"),
        "password": _renamed("secret_access_key"),
        "token": _renamed("session_token"),
        "endpoint_url": _renamed("endpoint"),
        "requester_pays": _renamed("request_payer"),
        "profile": _profile,
        "client_kwargs": _nested(
            {
                "endpoint_url": "endpoint",
                "region_name": "region",
                "aws_access_key_id": "access_key_id",
                "aws_secret_access_key": "secret_access_key",
                "aws_session_token": "session_token",
            }
        ),
    },
    "gs": {
        "anon": _anonymous,
        "token": _google_token,
        "endpoint_url": _renamed("base_url"),
    },
    "az": {
        "anon": _anonymous,
        "connection_string": _connection_string,
        "account_host": lambda name, value: {"endpoint": f"https://{value}"},
    },
    "http": {
        "headers": _headers,
        "client_kwargs": _web_client,
    },
}


def remote_metadata(path: str, config: Mapping[str, str]) -> dict[bytes, bytes]:
    """Return the metadata of one Parquet file of a name in a store, or of those in a folder or a pattern.

    Raises
    ------
    OSError
        If this process cannot read it.
    """
    return dict(read_schema(path, config).metadata or {})


def read_schema(path: str, config: Mapping[str, str]) -> pa.Schema:
    """Return the schema of one Parquet file of a name in a store; it has no columns if no file is found.

    Raises
    ------
    OSError
        If this process cannot read it.
    """
    if service_of(path) == "http":
        return pq.read_schema(_WebFile(path, config))
    system, key = file_system(path, config)
    found = _first_file(system, key)
    if found is None:
        return pa.schema([])
    with system.open_input_file(found) as file:
        return pq.read_schema(file)


def file_system(path: str, config: Mapping[str, str]) -> tuple[Any, str]:
    """Return a file system of pyarrow, and the path in it."""
    from pyarrow import fs

    service, parts = service_of(path), urlsplit(path)
    key = f"{parts.netloc.partition('@')[0]}{parts.path}".rstrip("/")
    known = {_plain(name): value for name, value in config.items()}
    anonymous = known.get("skip_signature") == "true"
    if service == "s3":
        endpoint = known.get("endpoint") or known.get("endpoint_url") or os.environ.get("AWS_ENDPOINT_URL")
        scheme, _, host = (endpoint or "").rpartition("://")
        access, secret = known.get("access_key_id"), known.get("secret_access_key")
        has_login = access or os.environ.get("AWS_ACCESS_KEY_ID") or os.path.exists(_aws_file())
        region = known.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if region is None:
            region = "us-east-1" if endpoint else fs.resolve_s3_region(parts.netloc)
        # As for the cluster's reader: without credentials, what is public can be read.
        login: dict[str, Any] = {"anonymous": True} if anonymous or not has_login else {}
        if access and not anonymous:
            login = {"access_key": access, "secret_key": secret, "session_token": known.get("session_token")}
        return fs.S3FileSystem(**login, region=region, endpoint_override=host or None, scheme=scheme or "https"), key
    if service == "gs":
        scheme, _, host = (known.get("base_url") or "").rpartition("://")
        return fs.GcsFileSystem(anonymous=anonymous, endpoint_override=host or None, scheme=scheme or "https"), key
    account = known.get("account_name") or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME", "")
    return fs.AzureFileSystem(
        account, account_key=known.get("account_key"), sas_token=known.get("sas_token") or known.get("sas_key")
    ), key


def _plain(name: str) -> str:
    for prefix in ("aws_", "google_", "azure_storage_", "azure_"):
        name = name.removeprefix(prefix)
    return name


def _aws_file() -> str:
    return os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or os.path.expanduser("~/.aws/credentials")


def _first_file(system: Any, key: str) -> str | None:
    """Return the first Parquet file of a key, a folder or a pattern."""
    from pyarrow import fs

    if not _has_wildcard(key):
        (info,) = system.get_file_info([key])
        if info.type == fs.FileType.File:
            return key
    return next((one for one in _files_of(system, key) if one.endswith((".parquet", ".pq"))), None)


def _files_of(system: Any, key: str) -> list[str]:
    """Return the files of a folder or a pattern that readers do not skip, sorted."""
    from pyarrow import fs

    base = key
    while _has_wildcard(base):
        base = base.rpartition("/")[0]
    files = system.get_file_info(fs.FileSelector(base, recursive=True, allow_not_found=True))
    # A folder that fits the pattern stands for all that is below it.
    fits = re.compile("/".join(map(_segment, key.split("/"))) + "(/.*)?").fullmatch
    names = sorted(one.path for one in files if one.type == fs.FileType.File and fits(one.path))
    return [one for one in names if not re.search(r"/[._]", one[len(base) :])]


def list_files(path: str, config: Mapping[str, str]) -> list[str]:
    """Return the files of a folder or a pattern in a store; none of a web server, which does not list them.

    Raises
    ------
    OSError
        If this process cannot list them.
    """
    if service_of(path) == "http":
        return []
    system, key = file_system(path, config)
    scheme = str(path).partition("://")[0]
    return [f"{scheme}://{one}" for one in _files_of(system, key)]


def _has_wildcard(key: str) -> bool:
    return any(mark in key for mark in "*?[")


def _segment(text: str) -> str:
    """Return a regular expression of a segment of a pattern."""
    if text == "**":
        return ".*"
    parts = re.split(r"(\*|\?|\[!?\]?[^\]]*\])", text)
    known = {"*": "[^/]*", "?": "[^/]"}
    return "".join(
        known[part] if part in known else part.replace("[!", "[^") if at % 2 else re.escape(part)
        for at, part in enumerate(parts)
    )


class _WebFile(io.RawIOBase):
    """A file of a web server, of which parts are requested."""

    def __init__(self, url: str, config: Mapping[str, str]) -> None:
        self._url = url
        self._headers = {
            name.removeprefix("header."): value for name, value in config.items() if name.startswith("header.")
        }
        request = urllib.request.Request(url, method="HEAD", headers=self._headers)
        with urllib.request.urlopen(request, timeout=_REQUEST_S) as answer:
            self._size = int(answer.headers["Content-Length"])
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        end = self._size if size is None or size < 0 else min(self._at + size, self._size)
        if end <= self._at:
            return b""
        headers = {**self._headers, "Range": f"bytes={self._at}-{end - 1}"}
        with urllib.request.urlopen(urllib.request.Request(self._url, headers=headers), timeout=_REQUEST_S) as answer:
            if answer.status != 206:
                raise OSError(f"the server of {self._url} does not send parts of files; download the file first")
            found: bytes = answer.read()
        self._at += len(found)
        return found
