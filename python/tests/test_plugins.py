"""Plugins and uploaded files: what the Python processes of the workers have before functions run."""

import asyncio
import os
import sys
import uuid
import zipfile

import pytest
from coordination_samples import (
    Asynchronous,
    Failing,
    FailingLate,
    Marking,
    read_awaited,
    read_mark,
    read_mark_inside,
    read_setups,
)
from function_samples import touch_and_wait
from polling import until

from partita import _setup_client
from partita.distributed import Client, Environ, InstallPlugin, PipInstall, UploadDirectory, WorkerPlugin, get_worker

pytest.importorskip("cloudpickle")

#: Time that nothing in these tests takes, in seconds.
LONG_S = 60


@pytest.fixture(scope="module")
def cluster():
    with Client(n_workers=1, threads_per_worker=1, set_as_default=False) as client:
        client.wait_for_workers(1)
        yield client


@pytest.fixture
def client(cluster):
    """A client without plugins."""
    address, token = cluster._connection.address, cluster._connection.token
    with Client(address, token=token, set_as_default=False) as client:
        yield client


@pytest.fixture
def module(tmp_path):
    """The name of a module that nobody has, and a function that writes it to a folder."""
    name = f"uploaded_{uuid.uuid4().hex}"
    folder = tmp_path / "modules"
    folder.mkdir()

    def write(text):
        path = folder / f"{name}.py"
        path.write_text(text)
        return str(path)

    yield name, write
    sys.modules.pop(name, None)


def use(name):
    return __import__(name).value()


def test_a_plugin_is_set_up_before_functions(client):
    client.register_plugin(Marking("one"))
    assert client.submit(read_mark, pure=False).result(LONG_S) == "one"


def test_a_plugin_is_set_up_once_for_each_process(client):
    client.register_plugin(Marking(uuid.uuid4().hex), name=uuid.uuid4().hex)
    first = client.submit(read_setups, pure=False).result(LONG_S)
    assert client.submit(read_setups, pure=False).result(LONG_S) == first


def test_a_plugin_of_the_same_name_is_replaced(client):
    client.register_plugin(Marking("one"))
    client.submit(read_mark, pure=False).result(LONG_S)
    client.register_plugin(Marking("two"))
    assert client.submit(read_mark, pure=False).result(LONG_S) == "two"


def test_an_unregistered_plugin_is_torn_down(client, tmp_path):
    path = str(tmp_path / "end")
    client.register_plugin(Marking("three", path))
    assert client.submit(read_mark, pure=False).result(LONG_S) == "three"
    client.unregister_worker_plugin("marking")
    assert client.submit(read_mark, pure=False).result(LONG_S) is None
    with open(path) as file:
        assert file.read() == "torn down\n"


def test_plugins_are_torn_down_at_the_end(tmp_path):
    path = tmp_path / "end"
    with Client(n_workers=1, threads_per_worker=1, set_as_default=False) as other:
        other.register_plugin(Marking("four", str(path)))
        assert other.submit(read_mark).result(LONG_S) == "four"
    until(path.exists, "the end of the process")


def test_functions_pass_their_plugins_on(client):
    client.register_plugin(Marking("five"))
    assert client.submit(read_mark_inside, pure=False).result(LONG_S) == "five"


def test_plugins_with_coroutine_functions(client):
    client.register_plugin(Asynchronous(), name="asynchronous")
    assert client.submit(read_awaited, pure=False).result(LONG_S)


def test_plugins_of_a_script(client):
    class Local(WorkerPlugin):
        def setup(self, worker):
            worker.local = 6

    client.register_plugin(Local())
    assert client.submit(lambda: get_worker().local, pure=False).result(LONG_S) == 6


def test_the_exception_of_a_plugin_is_raised_at_once(client):
    with pytest.raises(OSError, match="no such device"):
        client.register_plugin(Failing(), name="failing")
    client.submit(read_mark, pure=False).result(LONG_S)


def test_the_exception_of_a_plugin_is_raised_in_an_event_loop(client):
    async def register():
        address, token = client._connection.address, client._connection.token
        async with Client(address, token=token, asynchronous=True, set_as_default=False) as other:
            with pytest.raises(OSError, match="no such device"):
                await other.register_plugin(Failing(), name="failing")

    asyncio.run(register())


def test_without_a_free_slot_the_exception_of_a_plugin_is_that_of_the_function(client, gate, monkeypatch):
    monkeypatch.setattr(_setup_client, "SETUP_WAIT_S", 0.1)
    busy = client.submit(touch_and_wait, gate.began, gate.path)
    gate.wait_until_running()
    client.register_plugin(Failing(), name="failing")
    gate.open()
    busy.result(LONG_S)
    with pytest.raises(OSError, match="no such device"):
        client.submit(read_mark, pure=False).result(LONG_S)
    client.unregister_worker_plugin("failing")
    client.submit(read_mark, pure=False).result(LONG_S)


def test_only_registered_plugins_are_unregistered(client):
    with pytest.raises(ValueError, match="no plugin 'nobody'"):
        client.unregister_worker_plugin("nobody")


def test_only_plugins_are_registered(client):
    with pytest.raises(TypeError, match="WorkerPlugin"):
        client.register_plugin(5)
    with pytest.raises(TypeError, match="instance"):
        client.register_plugin(Marking)


def test_delayed_values_and_run_have_the_plugins(client):
    import partita

    client.register_plugin(Marking("seven"))
    assert client.compute(partita.delayed(read_mark, pure=False)(), sync=True) == "seven"
    assert list(client.run(read_mark).values()) == ["seven"]


def test_environment_variables(client):
    client.register_plugin(Environ({"PARTITA_TEST_MODE": 5}))
    assert client.submit(os.getenv, "PARTITA_TEST_MODE", pure=False).result(LONG_S) == "5"


def test_an_uploaded_module_is_imported(client, module):
    name, write = module
    client.upload_file(write("def value(): return 1"))
    assert client.submit(use, name, pure=False).result(LONG_S) == 1


def test_functions_of_an_uploaded_module_are_called(client, module):
    name, write = module
    path = write("class Text(str): pass\ndef value(text): return Text(text + '!')")
    client.upload_file(path)
    sys.path.insert(0, os.path.dirname(path))
    try:
        uploaded = __import__(name)
    finally:
        sys.path.remove(os.path.dirname(path))
    future = client.submit(uploaded.value, uploaded.Text("a"), pure=False)
    assert future.result(LONG_S) == "a!" and type(future.result()) is uploaded.Text


def test_a_new_version_of_a_module_replaces_the_old_one(client, module):
    name, write = module
    client.upload_file(write("def value(): return 1"))
    assert client.submit(use, name, pure=False).result(LONG_S) == 1
    client.upload_file(write("def value(): return 2"))
    assert client.submit(use, name, pure=False).result(LONG_S) == 2


@pytest.mark.parametrize("text, kind", [("not python!", SyntaxError), ("import no_such_module_at_all", ImportError)])
def test_the_error_of_an_uploaded_module_is_raised_at_once(client, module, text, kind):
    _, write = module
    with pytest.raises(kind):
        client.upload_file(write(text))
    assert client.submit(abs, -1, pure=False).result(LONG_S) == 1


def test_a_module_that_is_not_loaded_fails_when_it_is_imported(client, module):
    name, write = module
    client.upload_file(write("import no_such_module_at_all"), load=False)
    with pytest.raises(ImportError, match="no_such_module_at_all"):
        client.submit(use, name, pure=False).result(LONG_S)


def test_the_mode_of_a_folder_is_checked(tmp_path):
    with pytest.raises(ValueError, match="mode must be 'workers'"):
        UploadDirectory(str(tmp_path), mode="nowhere")
    with pytest.raises(NotImplementedError, match="to the workers only"):
        UploadDirectory(str(tmp_path), mode="scheduler")


def test_an_archive_is_imported(client, module, tmp_path):
    name, _ = module
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as archive:
        archive.writestr(f"{name}.py", "def value(): return 3")
    client.upload_file(str(tmp_path / "package.zip"))
    assert client.submit(use, name, pure=False).result(LONG_S) == 3


def test_a_new_version_of_an_archive_replaces_the_old_one(client, module, tmp_path):
    name, _ = module
    path = tmp_path / "changed.zip"
    for version in (4, 5):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{name}.py", f"def value(): return {version}")
        client.upload_file(str(path))
        assert client.submit(use, name, pure=False).result(LONG_S) == version


def test_a_large_file_is_uploaded(client, tmp_path):
    name = f"large-{uuid.uuid4().hex}.bin"
    data = os.urandom(18 << 20)
    (tmp_path / name).write_bytes(data)

    def size():
        for folder in sys.path:
            if os.path.exists(os.path.join(folder, name)):
                return os.path.getsize(os.path.join(folder, name))
        return None

    client.upload_file(str(tmp_path / name))
    assert client.submit(size, pure=False).result(LONG_S) == len(data)


def test_a_folder_is_uploaded(client, module, tmp_path):
    name, _ = module
    folder = tmp_path / name
    (folder / "tests").mkdir(parents=True)
    (folder / "__init__.py").write_text("from .inner import value")
    (folder / "inner.py").write_text("def value(): return 4")
    (folder / "tests" / "data.txt").write_text("left out")

    def list_files():
        return sorted(os.listdir(os.path.join(get_worker().local_directory, name)))

    client.register_plugin(UploadDirectory(str(folder)))
    assert client.submit(use, name, pure=False).result(LONG_S) == 4
    files = client.submit(list_files, pure=False).result(LONG_S)
    assert "inner.py" in files and "tests" not in files


def test_a_function_runs_once_on_each_worker(client, tmp_path):
    path = str(tmp_path / "installed")

    def install():
        with open(path, "a") as file:
            file.write("x")

    client.register_plugin(InstallPlugin(install))
    for _ in range(2):
        client.submit(read_mark, pure=False).result(LONG_S)
    with open(path) as file:
        assert file.read() == "x"


def test_the_error_of_a_long_setup_is_raised(client, monkeypatch):
    """A process that sets a plugin up is waited for, longer than for one that has no slot."""
    monkeypatch.setattr(_setup_client, "SETUP_WAIT_S", 0.2)
    with pytest.raises(OSError, match="no such device"):
        client.register_plugin(FailingLate(), name="late")
    assert client.submit(int, pure=False).result(LONG_S) == 0


def test_the_error_of_pip_is_shown(client, tmp_path):
    options = ["--no-index", "--find-links", str(tmp_path)]
    with pytest.raises(RuntimeError, match="cannot install partita-test-missing-package"):
        client.register_plugin(PipInstall(["partita-test-missing-package"], options), name="pip")


def test_missing_files_are_an_error_at_once(client, tmp_path):
    with pytest.raises(FileNotFoundError):
        client.upload_file(str(tmp_path / "missing.py"))
    with pytest.raises(FileNotFoundError):
        UploadDirectory(str(tmp_path / "missing"))
