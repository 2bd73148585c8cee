"""The program that runs Dask's own tests: what it replaces, what it leaves out, and what it writes."""

import ast
import os

import pytest

from conformance.inside import find_insiders
from conformance.reasons import check_reasons, find_stale, read_reasons
from conformance.rewrite import blank_tests, choose_branches, replace_imports
from conformance.suites import SUITES
from conformance.table import BEGIN, END, write_table

#: Names of Dask's packages for their users, in these tests.
USERS = frozenset(("Client", "Worker", "bag", "delayed", "compute"))


def rewritten(text):
    return ast.unparse(replace_imports(ast.parse(text), USERS))


def insiders(text, is_distributed=True):
    return set(find_insiders(ast.parse(text), USERS, is_distributed))


def test_imports_of_the_users_names_are_replaced():
    assert rewritten("import dask.bag as db") == "import conformance.stands.bag as db"
    assert rewritten("from distributed import Client") == "from conformance.stands.distributed import Client"


def test_other_imports_stay():
    text = "from dask.utils import tmpfile\nfrom distributed.scheduler import TaskState\nimport os"
    assert rewritten(text) == text


def test_imports_in_the_texts_of_errors_are_those_of_partita():
    assert (
        rewritten("match='\\n  from distributed import Client'")
        == r"match = '\n  from partita.distributed import Client'"
    )


def test_a_test_that_uses_a_worker_does_not_count():
    text = """
@gen_cluster(client=True)
async def test_inside(c, s, a, b):
    assert a.data
@gen_cluster(client=True)
async def test_outside(c, s, a, b):
    assert await c.run(f) == {a.address: 1, b.address: 1}
"""
    assert insiders(text) == {"test_inside"}


def test_a_parameter_that_is_assigned_is_not_a_server():
    text = """
@gen_cluster(client=True)
async def test_outside(c, s, a, b):
    a = c.submit(f)
    assert a.key
"""
    assert insiders(text) == set()


def test_a_test_that_uses_private_names_does_not_count():
    text = """
from dask.bag.core import inner
def test_by_name():
    assert inner
def test_by_attribute():
    assert value._hidden
def helper():
    return inner
def test_by_helper():
    assert helper()
def test_outside():
    assert value.shown
"""
    assert insiders(text, is_distributed=False) == {"test_by_name", "test_by_attribute", "test_by_helper"}


def test_reasons_are_lines_of_a_test_and_a_text(tmp_path):
    path = tmp_path / "reasons.txt"
    path.write_text("# A comment.\n\ntest_a.py::test_one: it needs this: and that\n")
    assert read_reasons(str(path)) == {"test_a.py::test_one": "it needs this: and that"}


@pytest.mark.parametrize("text", ["test_one: why", "a.py::b", "a.py::b: why\na.py::b: why"])
def test_other_lines_of_reasons_are_refused(tmp_path, text):
    path = tmp_path / "reasons.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match="expected"):
        read_reasons(str(path))


def test_a_failure_needs_a_reason():
    assert check_reasons({"a.py::b": "AssertionError: 1", "a.py::c": ""}, {}) == [
        "a.py::b fails without a reason: AssertionError: 1"
    ]
    assert check_reasons({"a.py::b": "AssertionError: 1"}, {"a.py::b": "why"}) == []


def test_a_reason_needs_a_failure():
    assert check_reasons({"a.py::b": ""}, {"a.py::b": "why"}) == ["a.py::b passes, but has a reason why not"]


def test_a_reason_needs_a_test_that_counts():
    reasons = {"a.py::b": "why", "a.py::c": "why", "a.py::d": "why", "other.py::b": "why"}
    assert find_stale({"a.py::b": False, "a.py::c": True}, reasons) == [
        "a.py::c does not count, but has a reason why it does not pass",
        "a.py::d does not exist, but has a reason why it does not pass",
    ]


def test_tests_of_frames_and_arrays_are_named_after_their_folders():
    folder = os.path.join("site", "dask", "dataframe")
    frames = SUITES["frames"]
    assert frames.name_of(os.path.join(folder, "tests", "test_api.py")) == "test_dataframe__api.py"
    assert frames.name_of(os.path.join(folder, "io", "tests", "test_csv.py")) == "test_dataframe_io__csv.py"
    assert SUITES["bag"].name_of(os.path.join("site", "dask", "bag", "tests", "test_bag.py")) == "test_bag.py"


def test_imports_of_frames_and_arrays_are_replaced():
    assert rewritten("import dask.array as da") == "import conformance.stands.array as da"
    assert (
        rewritten("from dask.array.utils import assert_eq") == "from conformance.stands.array_checks import assert_eq"
    )
    assert (
        rewritten("from dask.dataframe.utils import assert_eq")
        == "from conformance.stands.frame_checks import assert_eq"
    )
    text = "from dask.dataframe import _compat\nfrom dask.dataframe.dask_expr import Expr"
    assert rewritten(text) == text
    assert (
        rewritten("dd = pytest.importorskip('dask.dataframe')")
        == "dd = pytest.importorskip('conformance.stands.dataframe')"
    )


def test_what_is_for_another_implementation_is_left_out():
    text = """
import dask.array as da
if da._array_expr_enabled():
    from dask.array._array_expr import inner
else:
    from dask.array.overlap import overlap
def test_one():
    if not da._array_expr_enabled():
        assert overlap
"""
    tree = choose_branches(ast.parse(text))
    assert find_insiders(tree, USERS, False) == {}
    assert "inner" not in ast.unparse(tree)


def test_tests_that_do_not_count_are_empty():
    text = """
@mock.patch.object(da.core, '_inner')
def test_inside(fixture):
    assert da.core._inner
def test_outside():
    assert da
"""
    tree = ast.parse(text)
    assert set(find_insiders(tree, USERS, False)) == {"test_inside"}
    assert ast.unparse(blank_tests(tree, {"test_inside"})) == ast.unparse(
        ast.parse("def test_inside():\n    pass\ndef test_outside():\n    assert da")
    )


def test_the_table_of_a_suite_replaces_its_rows_and_keeps_others(tmp_path):
    path = tmp_path / "document.md"
    path.write_text(f"before\n{BEGIN}\n{END}\nafter\n")
    write_table(str(path), SUITES["delayed"], "dask.delayed 1", {"a.py::x": "wrong"}, {"a.py::x": "old"})
    write_table(
        str(path),
        SUITES["bag"],
        "dask.bag 1",
        {"b.py::x": "", "b.py::y": "wrong", "b.py::z": "wrong"},
        {"b.py::y": "why", "b.py::z": "expects an error; it works"},
    )
    write_table(str(path), SUITES["delayed"], "dask.delayed 1", {"a.py::x": ""}, {})
    assert path.read_text().splitlines() == [
        "before",
        BEGIN,
        "| suite | whose | test functions that count | pass | share | expect that Dask refuses, or warns of, what is supported here |",
        "|---|---|--:|--:|--:|--:|",
        "| `bag` | dask.bag 1 | 3 | 1 | 33.3 % | 1 |",
        "| `delayed` | dask.delayed 1 | 1 | 1 | 100.0 % | 0 |",
        "",
        "| suite | test function that does not pass | reason |",
        "|---|---|---|",
        "| `bag` | `b.py::y` | why |",
        "| `bag` | `b.py::z` | expects an error; it works |",
        END,
        "after",
    ]
