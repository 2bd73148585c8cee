"""Bags of text and Avro files."""

import bz2
import gzip
import http.server
import lzma
import pathlib
import threading

import pytest
from partita import bag as db
from partita import compute

pytestmark = pytest.mark.usefixtures("scheduler")


def test_lines_of_files(tmp_path):
    for at, text in enumerate(("a\nb", "c\n", "")):
        (tmp_path / f"{at}.log").write_text(text)
    lines = db.read_text(tmp_path / "*.log")
    assert lines.npartitions == 3 and lines.compute() == ["a\n", "b", "c\n"]
    assert db.read_text([tmp_path / "1.log", str(tmp_path / "0.log")]).compute() == ["c\n", "a\n", "b"]
    assert db.read_text(str(tmp_path / "*.log"), files_per_partition=2).npartitions == 2
    paired = db.read_text(tmp_path / "*.log", include_path=True).compute()
    assert [(line, path[-5:]) for line, path in paired] == [("a\n", "0.log"), ("b", "0.log"), ("c\n", "1.log")]
    blocks = db.read_text(tmp_path / "*.log", collection=False)
    assert compute(*blocks) == (["a\n", "b"], ["c\n"], [])
    with pytest.raises(ValueError, match="no files match"):
        db.read_text(tmp_path / "*.none")
    with pytest.raises(FileNotFoundError):
        db.read_text(tmp_path / "none.log").compute()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 10, 1000, "1 kB"])
@pytest.mark.parametrize("mark", [None, "\n", "$$", "é"])
def test_blocks(tmp_path, size, mark):
    """Blocks of any size have all lines once, wherever their bounds are."""
    end = mark or "\n"
    for texts in (["one", "", "three ü", "four"], ["last line ends", ""], ["no end"]):
        text = end.join(texts)
        path = tmp_path / "x.txt"
        path.write_bytes(text.encode())
        expected = [one + end for one in texts[:-1]] + ([texts[-1]] if texts[-1] else [])
        assert db.read_text(path, linedelimiter=mark).compute() == expected
        assert db.read_text(path, blocksize=size, linedelimiter=mark).compute() == expected


def test_line_breaks_of_systems(tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes(b"a\r\nb\r\nc")
    for size in (None, 2):
        assert db.read_text(path, blocksize=size).compute() == ["a\n", "b\n", "c"]
        assert db.read_text(path, blocksize=size, linedelimiter="\n").compute() == ["a\r\n", "b\r\n", "c"]


def test_encodings(tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes("你好\n天气".encode("gb18030"))
    for size in (None, 3):
        assert db.read_text(path, blocksize=size, encoding="gb18030").compute() == ["你好\n", "天气"]
    path.write_bytes(b"Jos\xe9\nAlice")
    with pytest.raises(UnicodeDecodeError):
        db.read_text(path, encoding="ascii").compute()
    assert db.read_text(path, encoding="ascii", errors="ignore").compute() == ["Jos\n", "Alice"]
    with pytest.raises(ValueError, match="utf-16"):
        db.read_text(path, blocksize=5, encoding="utf-16")


OPENERS = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open, "txt": open}


@pytest.mark.parametrize("extension", OPENERS)
def test_compression(tmp_path, extension):
    paths = db.from_sequence(["abc", "天气", "xyz"], npartitions=2).to_textfiles(tmp_path / f"*.{extension}")
    assert [path[-len(extension) - 2 :] for path in paths] == [f"0.{extension}", f"1.{extension}"]
    with OPENERS[extension](paths[0], "rb") as file:
        assert file.read() == "abc\n天气".encode()
    back = db.read_text(str(tmp_path / f"*.{extension}"))
    assert back.compute() == ["abc\n", "天气", "xyz"]
    if extension != "txt":
        with pytest.raises(ValueError, match="compressed"):
            db.read_text(paths[0], blocksize=2)


def test_writing(tmp_path):
    bag = db.from_sequence(list("abcdefghijkl"), npartitions=12)
    paths = bag.to_textfiles(tmp_path / "folder")
    assert paths[0].endswith("00.part") and paths[11].endswith("11.part")
    assert db.read_text(str(tmp_path / "folder" / "*")).compute() == list("abcdefghijkl")
    two = db.from_sequence(["a", "b"], npartitions=2)
    named = two.to_textfiles([tmp_path / "x", tmp_path / "y"], last_endline=True)
    assert [pathlib.Path(path).read_text() for path in named] == ["a\n", "b\n"]
    later = two.to_textfiles(tmp_path / "later-*", compute=False)
    assert not (tmp_path / "later-0").exists()
    compute(*later)
    assert (tmp_path / "later-0").read_text() == "a"
    assert len(two.filter(lambda x: x == "a").to_textfiles(tmp_path / "empty")) == 2
    with pytest.raises(TypeError, match="not int"):
        two.to_textfiles(5)
    with pytest.raises(ValueError, match="each of the 2 partitions"):
        two.to_textfiles([tmp_path / "x"])
    with pytest.raises(ValueError, match="same path"):
        two.to_textfiles(tmp_path / "*", name_function=lambda _: "same")
    with pytest.warns(UserWarning, match="do not sort"):
        two.to_textfiles(tmp_path / "*", name_function=lambda at: str(9 - at))


def test_addresses():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"path {self.path}\nend\n".encode())

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        bag = db.from_url([f"{base}/a", f"{base}/b"])
        assert bag.npartitions == 2 and bag.compute() == [b"path /a\n", b"end\n", b"path /b\n", b"end\n"]
        server.shutdown()


SCHEMA = {
    "name": "Test",
    "type": "record",
    "fields": [{"name": "name", "type": "string"}, {"name": "number", "type": "int"}],
}


def test_avro(tmp_path):
    pytest.importorskip("fastavro")
    records = [{"name": f"n{at}", "number": at} for at in range(300)]
    paths = db.from_sequence(records, npartitions=2).to_avro(tmp_path / "*.avro", SCHEMA, sync_interval=100)
    assert len(paths) == 2
    for size in (None, 50, 200, "1kB", 10**9):
        assert db.read_avro(str(tmp_path / "*.avro"), blocksize=size).compute() == records
    assert db.read_avro(paths, blocksize=300).npartitions > 4
    for wrong in ([], {}, {"name": "x"}, {"name": "x", "type": "wrong"}, {"name": "x", "type": "record"}):
        with pytest.raises(AssertionError, match="invalid Avro schema"):
            db.from_sequence(records).to_avro(tmp_path / "wrong", wrong)
