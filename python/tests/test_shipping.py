"""``Client(environment="ship")``: modules that only the client has are sent to the workers."""

import asyncio
import copy
import glob
import importlib
import importlib.metadata
import importlib.util
import operator
import os
import sys
import uuid
import zipfile

import pytest
from coordination_samples import inc
from partita._coordination import Refused
from partita._module_archives import MISSING, MODULE, NAMESPACE, REFUSED, find_module, hash_archive
from partita.distributed import Client, Event, LocalCluster, Variable, get_client, get_worker

pytest.importorskip("cloudpickle")

#: Time that nothing in these tests takes, in seconds.
LONG_S = 60


@pytest.fixture(scope="module")
def cluster():
    """Two workers, as of two nodes: each has a folder of its own."""
    with LocalCluster(n_workers=2, threads_per_worker=2) as cluster:
        with Client(cluster, set_as_default=False) as client:
            client.wait_for_workers(2)
        yield cluster


@pytest.fixture
def connect(cluster):
    """A function that returns a client with its session open: the search path of the workers' Python is known."""
    clients = []

    def connect(environment="ship"):
        client = Client(cluster, set_as_default=False, environment=environment)
        clients.append(client)
        assert client.submit(inc, 1).result(LONG_S) == 2
        return client

    yield connect
    for client in clients:
        client.close()


class Folder:
    """A folder with modules, which the client finds after `add`."""

    def __init__(self, path):
        self.path = path
        self.name = f"shipped_{uuid.uuid4().hex}"

    def write(self, name, text):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def add(self, entry=None):
        sys.path.append(str(entry or self.path))
        importlib.invalidate_caches()


@pytest.fixture
def folder(tmp_path):
    before = list(sys.path)
    folder = Folder(tmp_path / "modules")
    folder.path.mkdir()
    yield folder
    sys.path[:] = before
    for name in [one for one in sys.modules if folder.name in one]:
        del sys.modules[name]
    importlib.invalidate_caches()


def use(name, attribute="VALUE"):
    """Return an attribute of a module. Its folder is that of this call's worker."""
    return getattr(importlib.import_module(name), attribute)


def use_inside(name):
    client = get_client()
    return client.submit(use, name).result()


def find(name):
    return importlib.util.find_spec(name) is not None


def read_version(name):
    importlib.import_module(name)
    return importlib.metadata.version(name)


def read_error(name):
    try:
        importlib.import_module(name)
    except ImportError as error:
        return type(error).__name__, str(error)
    return None


def use_later(name, event):
    Event(f"{event}-began").set()
    Event(event).wait(LONG_S)
    return use(name)


def make_shipping_client():
    return Client(os.environ["PARTITA_SCHEDULER"], token=os.environ["PARTITA_TOKEN"], environment="ship")


def file_of(name):
    return importlib.import_module(name).__file__, get_worker().local_directory, os.getpid()


def test_a_module_that_only_the_client_has_is_imported(connect, folder):
    client = connect()
    folder.write(f"{folder.name}.py", "VALUE = 3")
    folder.add()
    assert client.submit(use, folder.name).result(LONG_S) == 3


def test_without_the_argument_the_module_is_missing(connect, folder):
    client = connect(environment=None)
    folder.write(f"{folder.name}.py", "VALUE = 3")
    folder.add()
    with pytest.raises(ModuleNotFoundError, match=f"^No module named '{folder.name}'"):
        client.submit(use, folder.name).result(LONG_S)


def test_a_package_comes_with_its_parts_and_its_data(connect, folder):
    client = connect()
    folder.write(f"{folder.name}/__init__.py", "from .deep.part import VALUE")
    folder.write(f"{folder.name}/deep/__init__.py", "")
    folder.write(
        f"{folder.name}/deep/part.py",
        "import os\nwith open(os.path.join(os.path.dirname(__file__), 'data.txt')) as file:\n    VALUE = file.read()",
    )
    folder.write(f"{folder.name}/deep/data.txt", "text")
    folder.add()
    assert client.submit(use, folder.name).result(LONG_S) == "text"


def test_modules_that_a_module_imports_follow(connect, folder):
    client = connect()
    folder.write(f"{folder.name}.py", f"from {folder.name}_more import VALUE")
    folder.write(f"{folder.name}_more.py", "VALUE = 'more'")
    folder.add()
    assert client.submit(use, folder.name).result(LONG_S) == "more"


def test_a_function_of_a_module_that_only_the_client_has_is_called(connect, folder):
    client = connect()
    folder.write(f"{folder.name}.py", "def double(x):\n    return 2 * x")
    folder.add()
    double = importlib.import_module(folder.name).double
    assert client.gather(client.map(double, range(4))) == [0, 2, 4, 6]


def test_functions_within_functions_find_it(connect, folder):
    client = connect()
    folder.write(f"{folder.name}.py", "VALUE = 'inner'")
    folder.add()
    assert client.submit(use_inside, folder.name).result(LONG_S) == "inner"


def test_a_module_in_a_wheel_is_imported(connect, folder):
    client = connect()
    wheel = folder.path / f"{folder.name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{folder.name}/__init__.py", "from .part import VALUE")
        archive.writestr(f"{folder.name}/part.py", "VALUE = 'zipped'")
        archive.writestr(f"{folder.name}_other.py", "VALUE = 'other'")
    folder.add(wheel)
    assert client.submit(use, folder.name).result(LONG_S) == "zipped"
    assert client.submit(use, f"{folder.name}_other").result(LONG_S) == "other"


class Editable:
    """Finds a module where an editable install has it: in no folder of the search path."""

    def __init__(self, name, path):
        self.name = name
        self.path = path

    def find_spec(self, fullname, path=None, target=None):
        if fullname == self.name:
            return importlib.util.spec_from_file_location(fullname, self.path, submodule_search_locations=[])
        return None


def test_an_editable_install_is_imported(connect, folder, monkeypatch):
    client = connect()
    folder.write("src/package/__init__.py", "from . import part\nVALUE = part.VALUE")
    folder.write("src/package/part.py", "VALUE = 'editable'")
    path = folder.path / "src" / "package" / "__init__.py"
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Editable(folder.name, path)])
    # The folder has the name of the module there, whatever it is called here.
    assert client.submit(use, folder.name).result(LONG_S) == "editable"


def test_parts_of_a_namespace_package_are_imported(connect, folder):
    client = connect()
    folder.write(f"{folder.name}/part/__init__.py", "from .deep import VALUE")
    folder.write(f"{folder.name}/part/deep.py", "VALUE = 'part'")
    folder.add()
    assert client.submit(use, f"{folder.name}.part").result(LONG_S) == "part"
    assert read_error(f"{folder.name}.none") is not None
    assert client.submit(read_error, f"{folder.name}.none").result(LONG_S)[0] == "ModuleNotFoundError"


def test_a_package_reads_its_own_version(connect, folder):
    client = connect()
    folder.write(f"{folder.name}.py", "VALUE = 1")
    folder.write(f"{folder.name}-2.5.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {folder.name}\nVersion: 2.5\n")
    folder.write(f"{folder.name}-2.5.dist-info/top_level.txt", folder.name)
    folder.add()
    find_distributions_again()
    assert client.submit(read_version, folder.name).result(LONG_S) == "2.5"


def find_distributions_again():
    from partita import _module_archives

    _module_archives._distributions.cache_clear()


def test_a_new_client_has_the_new_content(connect, folder):
    folder.write(f"{folder.name}.py", "VALUE = 'first'")
    first = connect()
    second = connect()
    folder.add()
    assert first.submit(use, folder.name).result(LONG_S) == "first"
    folder.write(f"{folder.name}.py", "VALUE = 'the second'")
    assert second.submit(use, folder.name).result(LONG_S) == "the second"
    # All calls of one client run the same content.
    assert set(first.gather(first.map(use, [folder.name] * 8, pure=False))) == {"first"}


def test_each_worker_stores_a_module_once(connect, folder):
    client = connect()
    folder.write(f"{folder.name}.py", "import time\ntime.sleep(0.2)\nVALUE = 0")
    folder.add()
    digest = hash_archive(find_module(folder.name).archive)
    found = client.gather(client.map(file_of, [folder.name] * 12, pure=False))
    assert len({pid for *_, pid in found}) > 2
    for path, scratch, _ in found:
        assert path == os.path.join(scratch, f"partita-module-{digest}", f"{folder.name}.py")
        assert len(glob.glob(os.path.join(scratch, "*", f"{folder.name}.py"))) == 1
    assert len({path for path, *_ in found}) == 2


def test_a_module_that_nobody_has_is_missing(connect, folder):
    client = connect()
    assert client.submit(read_error, folder.name).result(LONG_S) == (
        "ModuleNotFoundError",
        f"No module named '{folder.name}'",
    )
    assert client.submit(find, folder.name).result(LONG_S) is False


def write_compiled(folder):
    folder.write(f"{folder.name}/__init__.py", "VALUE = 1")
    folder.write(f"{folder.name}/fast.cpython-311-x86_64-linux-gnu.so", "machine code")
    folder.add()


def test_a_compiled_module_is_refused_by_its_name(connect, folder):
    client = connect()
    write_compiled(folder)
    kind, text = client.submit(read_error, folder.name).result(LONG_S)
    assert kind == "ModuleNotFoundError"
    assert folder.name in text
    assert "compiled" in text
    assert "install it in the Python of the workers" in text


def test_a_compiled_module_does_not_seem_to_be_installed(connect, folder):
    client = connect()
    write_compiled(folder)
    assert client.submit(find, folder.name).result(LONG_S) is False


def test_a_module_of_the_worker_is_not_replaced(connect, folder):
    """A module that the workers find themselves is theirs, whatever the client finds first."""
    theirs = folder.path / "theirs"
    folder.write(f"theirs/{folder.name}.py", "VALUE = 'of the worker'")
    folder.add(theirs)
    client = connect()
    folder.write(f"{folder.name}.py", "VALUE = 'of the client'")
    sys.path.insert(0, str(folder.path))
    importlib.invalidate_caches()
    assert use(folder.name) == "of the client"
    assert client.submit(use, folder.name).result(LONG_S) == "of the worker"


def test_other_clients_do_not_get_the_module(connect, folder):
    client, other = connect(), connect(environment=None)
    folder.write(f"{folder.name}.py", "VALUE = 3")
    folder.add()
    assert client.gather(client.map(use, [folder.name] * 8, pure=False)) == [3] * 8
    errors = other.gather(other.map(read_error, [folder.name] * 8, pure=False))
    assert {kind for kind, _ in errors} == {"ModuleNotFoundError"}


def test_an_asynchronous_client_sends_modules(cluster, folder):
    async def run():
        async with Client(cluster, set_as_default=False, environment="ship", asynchronous=True) as client:
            assert await client.submit(inc, 1) == 2
            folder.write(f"{folder.name}.py", "VALUE = 4")
            folder.add()
            return await client.submit(use, folder.name), await client.run(use, folder.name)

    value, values = asyncio.run(run())
    assert value == 4 and list(values.values()) == [4, 4]


def test_actors_and_their_methods_import_it(connect, folder):
    client = connect()
    folder.write(f"{folder.name}.py", "class Box:\n    def __init__(self, x):\n        self.x = x")
    folder.write(f"{folder.name}_late.py", "VALUE = 'late'")
    folder.add()

    class Holder:
        def __init__(self, name):
            self.box = importlib.import_module(name).Box(5)

        def read(self, name):
            return self.box.x, importlib.import_module(name).VALUE

    holder = client.submit(Holder, folder.name, actor=True).result(LONG_S)
    assert holder.read(f"{folder.name}_late").result(LONG_S) == (5, "late")


def test_an_argument_of_a_class_of_such_a_module_is_sent(connect, folder):
    client = connect()
    folder.write(f"{folder.name}.py", "class Box:\n    def __init__(self, x):\n        self.x = x")
    folder.add()
    box = importlib.import_module(folder.name).Box(6)
    found = client.submit(operator.attrgetter("x"), box, pure=False)
    assert found.result(LONG_S) == 6
    assert client.submit(copy.copy, box, pure=False).result(LONG_S).x == 6


def test_an_import_fails_when_the_client_is_gone(cluster, folder):
    """A result that others need outlives its client, and so do calls that it needs."""
    with Client(cluster, set_as_default=False) as other:
        client = Client(cluster, set_as_default=False, environment="ship")
        event = f"event-{folder.name}"
        Variable(folder.name, client).set(client.submit(use_later, folder.name, event, pure=False))
        future = Variable(folder.name, other).get(timeout=LONG_S)
        Event(f"{event}-began", other).wait(LONG_S)
        client.close()
        Event(event, other).set()
        with pytest.raises(ModuleNotFoundError, match="the client was asked for it, without success"):
            future.result(LONG_S)
        Variable(folder.name, other).delete()


def test_functions_on_a_worker_do_not_ship_themselves(connect):
    client = connect()
    with pytest.raises(ValueError, match="not supported in functions on a worker"):
        client.submit(make_shipping_client, pure=False).result(LONG_S)


def test_nothing_is_left_at_the_scheduler(cluster, folder):
    folder.write(f"{folder.name}.py", "VALUE = 3")
    with Client(cluster, set_as_default=False, environment="ship") as client:
        assert client.submit(inc, 1).result(LONG_S) == 2
        folder.add()
        assert client.submit(use, folder.name).result(LONG_S) == 3
        ((_, _, key, _),) = [one for one in client._shipment._answers.values() if one[0] == MODULE]
    with Client(cluster, set_as_default=False) as other, pytest.raises(Refused) as refused:
        other._coordinator.call("setup", do="get", name=f"{key}/0")
    assert refused.value.kind == "gone"


def test_an_unknown_environment_is_refused(cluster):
    with pytest.raises(ValueError, match="environment must be 'ship' or None, not 'copy'"):
        Client(cluster, set_as_default=False, environment="copy")


# What the client finds.


def test_modules_of_the_standard_library_are_not_sent():
    assert find_module("json").kind == MISSING
    assert find_module("json.tool").kind == MISSING


def test_equal_files_have_equal_archives(folder):
    folder.write(f"{folder.name}/__init__.py", "VALUE = 1")
    folder.add()
    first = find_module(folder.name)
    folder.write(f"{folder.name}/__init__.py", "VALUE = 1")
    folder.write(f"{folder.name}/__pycache__/x.pyc", "")
    again = find_module(folder.name)
    folder.write(f"{folder.name}/__init__.py", "VALUE = 2")
    assert first.kind == MODULE
    assert first.archive == again.archive != find_module(folder.name).archive


def test_a_folder_without_files_of_python_is_a_namespace(folder):
    folder.write(f"{folder.name}/data.txt", "")
    folder.add()
    assert find_module(folder.name).kind == NAMESPACE


def test_a_link_to_the_parent_is_followed_once(folder):
    folder.write(f"{folder.name}/__init__.py", "VALUE = 1")
    os.symlink(folder.path / folder.name, folder.path / folder.name / "again")
    folder.add()
    assert find_module(folder.name).kind == MODULE


def test_a_module_that_is_too_large_is_refused(folder, monkeypatch):
    monkeypatch.setattr("partita._module_archives.MODULE_BYTES_MAX", 3 << 20)
    folder.write(f"{folder.name}/__init__.py", "")
    folder.write(f"{folder.name}/data.bin", "x" * (4 << 20))
    folder.add()
    found = find_module(folder.name)
    assert found.kind == REFUSED
    assert f"the module {folder.name} of the client is not sent" in found.text
    assert "3 MiB" in found.text
