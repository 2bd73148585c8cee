"""Files in object stores and on web servers, read by the cluster; the store is the S3 server of moto."""

import base64
import gzip
import http.server
import json
import os
import re
import subprocess
import sys
import threading

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polling import until
from pyarrow import fs

from partita import dataframe as dd
from partita.dataframe._storage import service_of, storage_config
from partita.distributed import Client, LocalCluster

#: The Python that has moto; without it these tests do not run.
SERVER_PYTHON = os.environ.get("PARTITA_TEST_STORES_PYTHON")
needs_server = pytest.mark.skipif(SERVER_PYTHON is None, reason="PARTITA_TEST_STORES_PYTHON names no Python with moto")
KEY, SECRET = "the-key", "the-secret-that-nobody-prints"
DATA = pd.DataFrame({"id": range(0, 3000, 3), "name": [f"n{number % 7}" for number in range(1000)], "x": 0.5})
NUMBERS = DATA["id"]


class Store:
    """A bucket of a server of S3."""

    def __init__(self, address):
        self.address = f"http://{address}"
        self.options = {"key": KEY, "secret": SECRET, "endpoint_url": self.address}
        self._system = fs.S3FileSystem(
            access_key=KEY,
            secret_key=SECRET,
            endpoint_override=address,
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
        )

    def put(self, key, data):
        bucket = key.partition("/")[0]
        if self._system.get_file_info(bucket).type == fs.FileType.NotFound:
            self._system.create_dir(bucket)
        with self._system.open_output_stream(key, compression=None) as file:
            file.write(data)

    def put_parquet(self, key, frame, index=None):
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=index), sink)
        self.put(key, sink.getvalue().to_pybytes())

    def files(self, folder):
        found = self._system.get_file_info(fs.FileSelector(folder, recursive=True, allow_not_found=True))
        return [one.path for one in found if one.type == fs.FileType.File]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [SERVER_PYTHON, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        found = []

        def is_up():
            assert server.poll() is None, log.read_text()
            found[:] = re.findall(r"Running on http://(\S+)", log.read_text())
            return found

        until(is_up, "the server of S3")
        store = Store(found[0])
        half = len(DATA) // 2
        for number, part in enumerate((DATA[:half], DATA[half:])):
            store.put_parquet(f"data/tables/part-{number}.parquet", part, index=False)
            store.put(f"data/csv/2024/part-{number}.csv", part.to_csv(index=False).encode())
            store.put(f"data/zipped/part-{number}.csv.gz", gzip.compress(part.to_csv(index=False).encode()))
            store.put(f"data/json/part-{number}.json", part.to_json(orient="records", lines=True).encode())
            store.put_parquet(f"data/keys/year={2023 + number}/a.parquet", part, index=False)
        store.put("data/csv/_hidden.csv", b"nothing,of,it\n")
        store.put("data/csv/2024/.part.csv", b"nothing,of,it\n")
        store.put_parquet("data/indexed/a.parquet", DATA.set_index("id"), index=True)
        yield store
    finally:
        server.terminate()
        server.wait()


READERS = {
    "Parquet, a folder": (dd.read_parquet, "s3://data/tables/"),
    "Parquet, a folder without a slash": (dd.read_parquet, "s3://data/tables"),
    "Parquet, a pattern": (dd.read_parquet, "s3://data/tab*/part-?.parquet"),
    "Parquet, files": (dd.read_parquet, ["s3://data/tables/part-0.parquet", "s3a://data/tables/part-1.parquet"]),
    "CSV, a folder": (dd.read_csv, "s3://data/csv/"),
    "CSV, a pattern": (dd.read_csv, "s3://data/csv/*/part-*.csv"),
    "CSV, any folder": (dd.read_csv, "s3://data/**/part-[01].csv"),
    "CSV, compressed": (dd.read_csv, "s3://data/zipped/*.csv.gz"),
    "JSON": (dd.read_json, "s3://data/json/*.json"),
}


@needs_server
@pytest.mark.parametrize("name", READERS)
def test_readers_read_from_stores(client, store, name):
    read, path = READERS[name]
    found = read(path, storage_options=store.options).compute()
    found = found.sort_values("id").reset_index(drop=True)
    pd.testing.assert_frame_equal(found[list(DATA)], DATA, check_dtype=False)


@needs_server
def test_names_of_folders_are_columns(client, store):
    frame = dd.read_parquet("s3://data/keys/", storage_options=store.options)
    assert frame[frame.year == 2024].id.min().compute() == 1500
    assert frame.groupby("year").id.count().compute().to_dict() == {2023: 500, 2024: 500}


@needs_server
def test_the_index_of_pandas_is_kept(client, store):
    frame = dd.read_parquet("s3://data/indexed/", storage_options=store.options)
    assert frame.index.name == "id"
    pd.testing.assert_frame_equal(frame.compute(), DATA.set_index("id"), check_dtype=False)


@needs_server
def test_files_of_one_name_in_two_buckets_differ(client, store):
    """The footer of a file is not taken for that of one in another bucket with the same key, size and second."""
    for number in range(4):
        store.put_parquet(f"bucket-{number}/x.parquet", pd.DataFrame({"a": [number]}), index=False)
    for number in range(4):
        frame = dd.read_parquet(f"s3://bucket-{number}/x.parquet", storage_options=store.options)
        assert frame.a.compute().tolist() == [number]
        assert frame[frame.a == number].a.count().compute() == 1


@needs_server
def test_large_files_are_read_in_pieces(client, store):
    """A file of many requests is read whole, in pieces that begin anywhere."""
    rows = pd.DataFrame({"id": range(300_000), "text": "some text that fills a line"})
    store.put("data/large/a.csv", rows.to_csv(index=False).encode())
    frame = dd.read_csv("s3://data/large/a.csv", storage_options=store.options)
    assert int(frame.id.sum().compute()) == 300_000 * 299_999 // 2
    assert len(frame) == 300_000


@needs_server
@pytest.mark.parametrize(
    "path, error, words",
    [
        ("s3://data/nothing.parquet", FileNotFoundError, "no such file or folder: 's3://data/nothing.parquet'"),
        ("s3://data/no*.parquet", FileNotFoundError, "no data file matches"),
        ("s3://no-bucket/x.parquet", FileNotFoundError, "s3://no-bucket/x.parquet"),
        (["s3://data/tables/part-0.parquet", "gs://x/y.parquet"], ValueError, "different stores"),
    ],
)
def test_missing_files_are_named(client, store, path, error, words):
    with pytest.raises(error, match=re.escape(words)):
        dd.read_parquet(path, storage_options=store.options, index=False).compute()


#: Reads a table with credentials, and prints all that the scheduler tells of it.
ASKING = """
import json, sys
from partita import dataframe as dd
from partita.distributed import Client
client = Client()
frame = dd.read_csv("s3://data/csv/", storage_options=json.loads(sys.argv[1]))
print(int(frame.id.sum().compute()))
job = client._rest("jobs?limit=1")["jobs"][0]["id"]
print(client._rest("jobs?limit=100"), client._rest(f"jobs/{job}/stages"), client._rest(f"jobs/{job}"))
print(frame.explain())
"""


@needs_server
def test_secrets_are_shown_nowhere(tmp_path, store):
    """Neither the lists of the scheduler nor its log and journal have the credentials that a table is read with."""
    command = [os.environ["PARTITA_PROGRAM"], "run", "--workers", "1", "--threads", "1", "--headless"]
    command += ["--journal", str(tmp_path / "journal"), "--", sys.executable, "-c", ASKING, json.dumps(store.options)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "PARTITA_HOME": str(tmp_path / "home"), "PARTITA_LOG": "debug"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{NUMBERS.sum()}\n") and "s3://data/csv" in done.stdout
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    shown = b"\n".join([done.stdout.encode(), done.stderr.encode(), *written])
    assert len(written[0]) > 0
    encoded = base64.urlsafe_b64encode(json.dumps(SECRET).encode()).decode()
    # As text, and within the options of an address, wherever they begin in a group of three bytes.
    parts = [base64.urlsafe_b64encode(SECRET[skipped:].encode()).decode()[4:-4] for skipped in range(3)]
    assert not [
        shown[max(at - 100, 0) : at] for secret in (SECRET, encoded, *parts) if (at := shown.find(secret.encode())) >= 0
    ]


@needs_server
def test_sql_takes_the_environment_of_the_cluster(monkeypatch, store):
    for name, value in (
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_ENDPOINT_URL", store.address),
        ("AWS_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, memory_limit="512MiB") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        query = "SELECT count(*) AS n, sum(a.id) AS s FROM 's3://data/tables/' a JOIN 's3://data/csv/' b ON a.id = b.id"
        found = client.sql(query).to_pandas()
        assert found.values.tolist() == [[1000, int(NUMBERS.sum())]]


@needs_server
def test_frames_are_written_to_stores(client, store):
    frame = dd.from_pandas(DATA.set_index("id"), npartitions=3)
    frame.to_parquet("s3://data/out/plain/", storage_options=store.options)
    found = dd.read_parquet("s3://data/out/plain/", storage_options=store.options)
    pd.testing.assert_frame_equal(found.compute(), DATA.set_index("id"), check_dtype=False)
    with pytest.raises(FileExistsError, match="is not empty"):
        frame.to_parquet("s3://data/out/plain", storage_options=store.options)
    frame[frame.index < 30].to_parquet("s3://data/out/plain", storage_options=store.options, overwrite=True)
    assert len(dd.read_parquet("s3://data/out/plain", storage_options=store.options)) == 10


@needs_server
def test_folders_of_keys_are_written_to_stores(client, store):
    frame = dd.from_pandas(DATA, npartitions=2)
    frame.to_parquet("s3://data/out/keys", partition_on="name", write_index=False, storage_options=store.options)
    found = dd.read_parquet("s3://data/out/keys", storage_options=store.options)
    expected = DATA.groupby("name").id.sum()
    assert found.groupby("name").id.sum().compute().sort_index().tolist() == expected.tolist()


@needs_server
def test_a_frame_without_rows_is_written_to_a_store(client, store):
    frame = dd.from_pandas(DATA, npartitions=2)
    frame[frame.id < 0].to_parquet("s3://data/out/none", write_index=False, storage_options=store.options)
    found = dd.read_parquet("s3://data/out/none", storage_options=store.options)
    assert list(found.columns) == list(DATA) and len(found) == 0


@needs_server
def test_a_failed_write_leaves_nothing_in_the_store(client, store):
    """What was there stays if a partition cannot be written, also if it was to be replaced."""
    good = dd.from_pandas(DATA, npartitions=2)
    good.to_parquet("s3://data/out/kept", write_index=False, storage_options=store.options)
    bad = dd.from_pandas(DATA.assign(x=["1"] * 900 + ["no number"] * 100), npartitions=4)
    for path, options in (("s3://data/out/fresh", {}), ("s3://data/out/kept", {"overwrite": True})):
        with pytest.raises(ValueError, match="do not fit the types of schema="):
            bad.to_parquet(
                path, schema={"x": pa.float64()}, write_index=False, storage_options=store.options, **options
            )
    assert store.files("data/out/fresh") == []
    assert len(dd.read_parquet("s3://data/out/kept", storage_options=store.options)) == len(DATA)


@needs_server
@pytest.mark.parametrize("argument", [{"append": True}, {"write_metadata_file": True}, {"name_function": str}])
def test_what_stores_lack_is_refused(client, store, argument):
    frame = dd.from_pandas(DATA, npartitions=2)
    with pytest.raises(NotImplementedError, match="in stores"):
        frame.to_parquet("s3://data/out/refused", storage_options=store.options, **argument)


def test_web_servers_take_no_files(client):
    with pytest.raises(NotImplementedError, match="web servers take no files"):
        dd.from_pandas(DATA, npartitions=2).to_parquet("http://127.0.0.1:1/out")


class Ranges(http.server.BaseHTTPRequestHandler):
    """A web server of one file, which sends parts of it to those who have the password."""

    content = DATA.to_csv(index=False).encode()

    def _answer(self, with_body):
        if self.headers.get("X-Password") != "open":
            self.send_error(403)
            return
        if self.path != "/files/a.csv":
            self.send_error(404)
            return
        part = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        first, last = map(int, part.groups()) if part else (0, len(self.content) - 1)
        body = self.content[first : last + 1]
        self.send_response(206 if part else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        if part:
            self.send_header("Content-Range", f"bytes {first}-{first + len(body) - 1}/{len(self.content)}")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def do_GET(self):
        self._answer(True)

    def do_HEAD(self):
        self._answer(False)

    def log_message(self, *_):
        pass


@pytest.fixture
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ranges)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/files"
    server.shutdown()
    thread.join()


def test_files_of_web_servers_are_read(client, web):
    frame = dd.read_csv(f"{web}/a.csv", storage_options={"headers": {"X-Password": "open"}})
    assert int(frame.id.sum().compute()) == int(NUMBERS.sum())
    with pytest.raises(PermissionError, match=r"access to 'http://.*/a.csv' was refused"):
        dd.read_csv(f"{web}/a.csv").compute()
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        dd.read_csv(f"{web}/b.csv", storage_options={"headers": {"X-Password": "open"}}).compute()
    with pytest.raises(ValueError, match="web servers do not list their files"):
        dd.read_csv(f"{web}/*.csv").compute()


def test_a_server_that_does_not_answer_is_an_error(client):
    with pytest.raises(Exception, match=r"cannot read 'http://127\.0\.0\.1:1/a\.csv'"):
        dd.read_csv("http://127.0.0.1:1/a.csv").compute()


@pytest.mark.parametrize(
    "path, options, config",
    [
        ("s3://b/x", {"anon": True}, {"skip_signature": "true"}),
        ("s3://b/x", {"anon": False, "key": "a", "secret": "b"}, {"access_key_id": "a", "secret_access_key": "b"}),
        (
            "s3://b/x",
            {"client_kwargs": {"endpoint_url": "http://e", "region_name": "r"}},
            {"endpoint": "http://e", "region": "r"},
        ),
        ("s3://b/x", {"aws_access_key_id": "a", "default_fill_cache": False}, {"aws_access_key_id": "a"}),
        ("gs://b/x", {"token": "anon"}, {"skip_signature": "true"}),
        ("gs://b/x", {"token": {"type": "service_account"}}, {"service_account_key": '{"type": "service_account"}'}),
        (
            "az://c/x",
            {"connection_string": "AccountName=n;AccountKey=a=="},
            {"account_name": "n", "account_key": "a=="},
        ),
        ("https://h/x", {"headers": {"A": "b"}}, {"header.A": "b"}),
        ("/tmp/x", None, {}),
    ],
)
def test_options_of_fsspec_are_translated(path, options, config):
    assert storage_config([path], options) == config


@pytest.mark.parametrize(
    "path, options, error, words",
    [
        ("/tmp/x.csv", {"anon": True}, ValueError, "not for '/tmp/x.csv'"),
        ("s3://b/x", {"profile": "p"}, NotImplementedError, "AWS_PROFILE"),
        ("s3://b/x", {"client_kwargs": {"verify": False}}, NotImplementedError, "'verify' in client_kwargs"),
        ("gs://b/x", {"token": "no-file"}, ValueError, "'no-file'"),
    ],
)
def test_options_without_a_meaning_are_refused(path, options, error, words):
    with pytest.raises(error, match=re.escape(words)):
        storage_config([path], options)


def test_an_option_that_the_store_does_not_have_is_named(client):
    with pytest.raises(ValueError, match="'colour' is not an option of S3"):
        dd.read_csv("s3://data/x.csv", storage_options={"colour": "red"})


def test_schemes():
    assert [service_of(one) for one in ("s3a://b", "GS://b", "/s3://b", "x.csv", "hdfs://h")] == [
        "s3",
        "gs",
        None,
        None,
        None,
    ]
    with pytest.raises(NotImplementedError, match=r"hdfs:// is not supported; supported: .*s3://"):
        dd.read_csv("hdfs://host/x.csv")
