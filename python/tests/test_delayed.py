"""Delayed functions and values."""

import dataclasses
import importlib.util
import operator
import pickle
import types
from typing import NamedTuple

import pytest

import partita
from partita import config, delayed
from partita._graphs import import_graph
from partita.delayed import Delayed

pytestmark = pytest.mark.usefixtures("scheduler")


def add(x, y):
    return x + y


@delayed
def twice(x):
    """Doubles."""
    return 2 * x


def test_calls():
    total = delayed(add)(delayed(add)(1, 2), y=3)
    assert isinstance(total, Delayed) and total.compute() == 6
    assert twice(twice(3)).compute() == 12
    assert delayed(sum)([delayed(1), 2, twice(3)]).compute() == 9


def test_decorator_keeps_the_function():
    assert twice.__name__ == "twice" and twice.__doc__ == "Doubles." and twice.__wrapped__(4) == 8

    @delayed(nout=2, pure=True)
    def halves(x):
        return x // 2, x - x // 2

    low, high = halves(5)
    assert partita.compute(low, high) == (2, 3) and len(halves(5)) == 2
    assert halves(5).key == halves(5).key


def test_methods_of_classes():
    class Adder:
        def __init__(self, base):
            self.base = base

        @delayed
        def plus(self, x):
            return self.base + x

        @staticmethod
        @delayed
        def sum(x, y):
            return x + y

    adder = Adder(10)
    assert isinstance(adder.plus, types.MethodType) and adder.plus(1).compute() == 11
    assert adder.sum(1, 2).compute() == 3


OPERATORS = {
    "+": (lambda a: a + 3, 10),
    "reversed -": (lambda a: 10 - a, 3),
    "*": (lambda a: a * a, 49),
    "//": (lambda a: a // 2, 3),
    "/": (lambda a: a / 2, 3.5),
    "%": (lambda a: a % 4, 3),
    "**": (lambda a: 2**a, 128),
    "<<": (lambda a: a << 1, 14),
    "&": (lambda a: a & 3, 3),
    "|": (lambda a: 8 | a, 15),
    "^": (lambda a: a ^ 2, 5),
    "~": (lambda a: ~a, -8),
    "-": (lambda a: -a, -7),
    "abs": (lambda a: abs(-a), 7),
    "==": (lambda a: a == 7, True),
    "!=": (lambda a: a != 7, False),
    "<": (lambda a: a < 7, False),
    ">=": (lambda a: a >= 7, True),
    "divmod": (lambda a: divmod(a, 4), (1, 3)),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name):
    function, expected = OPERATORS[name]
    assert function(delayed(7)).compute() == expected


def test_attributes_methods_and_items():
    text = delayed("a b c")
    assert text.split(" ").compute() == ["a", "b", "c"]
    assert text.upper().replace("B", "A").count("A").compute() == 2
    assert delayed(2 + 3j).imag.compute() == 3
    assert delayed({"k": [1, 2]})["k"][delayed(1)].compute() == 2
    assert delayed([1, 2, 3])[: delayed(2)].compute() == [1, 2]


class Point(NamedTuple):
    x: int
    y: object


@dataclasses.dataclass
class Record:
    a: object
    b: object = 5

    def __post_init__(self):
        self.sum = (self.a, self.b)


def test_values_in_containers():
    """Delayed values in containers, named tuples and dataclasses are computed before the call."""
    one, two = delayed(1), twice(1)
    value = {"list": [one, (two, {one: two})], "set": {one, two}, "point": Point(3, [two]), "slice": slice(one, two)}
    assert delayed(value).compute() == {
        "list": [1, (2, {1: 2})],
        "set": {1, 2},
        "point": Point(3, [2]),
        "slice": slice(1, 2),
    }
    record = delayed(lambda record: record)(Record(one)).compute()
    # The instance is constructed from the results.
    assert record == Record(1) and record.sum == (1, 5)
    assert delayed(sum)(iter([one, two])).compute() == 3


def test_classes_that_cannot_be_constructed():
    @dataclasses.dataclass
    class Own:
        a: object

        def __init__(self, other):
            self.a = other

    with pytest.raises(TypeError, match=r"Own.*custom __init__ is not supported"):
        delayed([Own(delayed(1))])
    assert delayed([Own(1)])[0].a.compute() == 1


def test_traverse():
    """Without traversal, delayed values in a container are values."""
    one = delayed(1)
    assert delayed([one, 2], traverse=False).compute()[0] is one
    assert partita.compute([one], traverse=False) == ([one],)


def test_pure():
    """Pure calls with equal arguments have equal keys; others have their own."""
    assert delayed(add)(1, 2).key != delayed(add)(1, 2).key
    pure = delayed(add, pure=True)
    assert pure(1, {"a": 2}).key == pure(1, {"a": 2}).key != pure(1, {"a": 3}).key
    assert delayed(add)(1, 2, pure=True).key == pure(1, 2).key
    with config.set(delayed_pure=True):
        assert delayed(add)(1, 2).key == delayed(add)(1, 2).key
        assert delayed(add, pure=False)(1, 2).key != delayed(add, pure=False)(1, 2).key
    data = delayed([1])
    assert data[0].key == data[0].key and (data + data).key == (data + data).key


def test_equal_keys_run_once():
    calls = []

    def record(x):
        calls.append(x)
        return x

    if config.get("scheduler") == "synchronous":
        pure = delayed(record, pure=True)
        assert partita.compute(pure(1), pure(1), pure(2)) == (1, 1, 2)
        assert sorted(calls) == [1, 2]


def test_names():
    assert twice(1).key.startswith("twice-") and delayed(1).key.startswith("int-")
    assert delayed(1, name="one").key == "one"
    assert delayed([delayed(1)], name="list").key == "list"
    named = twice(2, dask_key_name="my-key")
    assert named.key == "my-key" and named.compute() == 4
    assert delayed("ab").upper(dask_key_name="upper").key == "upper"


def test_number_of_results():
    pair = delayed(lambda: (1, 2), nout=2)()
    first, second = pair
    assert (first.compute(), second.compute(), len(pair)) == (1, 2, 2)
    with pytest.raises(TypeError, match="nout"):
        list(delayed(add)(1, 2))
    for wrong in (-1, True, 1.5):
        with pytest.raises(ValueError, match="nout"):
            delayed(add, nout=wrong)
    assert list(delayed(lambda: (), nout=0)()) == []


def test_what_is_not_supported():
    value = delayed([1, 2])
    with pytest.raises(TypeError, match="truth value"):
        bool(value)
    with pytest.raises(TypeError, match="immutable"):
        value.attribute = 1
    with pytest.raises(TypeError, match="immutable"):
        value[0] = 1
    with pytest.raises(TypeError):
        1 in value  # noqa: B015
    with pytest.raises(AttributeError):
        value._hidden()


def module_level(x):
    return x + 1


def test_pickle():
    """A pickled value computes the same result with the same key."""
    values = [
        delayed(module_level, pure=True)(2),
        delayed(divmod, nout=2)(7, 2),
        delayed(2 + 3j).imag,
        delayed([delayed(1), 2]),
        delayed(operator.add),
    ]
    for value in values:
        back = pickle.loads(pickle.dumps(value))
        assert (back.key, back.compute(), back._length) == (value.key, value.compute(), value._length)
    long = delayed(0)
    for _ in range(5000):
        long = long + 1
    assert pickle.loads(pickle.dumps(long)).compute() == 5000


def test_persist():
    """The results of persisted values are not computed anew."""
    calls = []

    def record():
        calls.append(1)
        return 5

    kept = delayed(record)().persist()
    assert (kept + 1).compute() == 6 and kept.compute() == 5
    if config.get("scheduler") == "synchronous":
        assert calls == [1]


def test_errors_keep_their_class():
    def fail():
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        (delayed(fail)() + 1).compute()


def test_visualize(tmp_path):
    value = delayed(add)(twice(1), 2)
    drawing = value.visualize(filename=tmp_path / "plan.svg")
    assert "twice" in drawing.svg and "add" in (tmp_path / "plan.svg").read_text()
    with pytest.warns(UserWarning, match="visualize"):
        value.visualise  # noqa: B018


def test_a_drawing_shows_each_task_once_above_its_inputs(tmp_path):
    """With an edge from each input, whatever the direction; results that exist are boxes of their own."""
    first = twice(1)
    value = delayed(add)(first, delayed(add)(first, twice(2)))
    layout = value.visualize()._layout
    assert sorted(node.label for node in layout.nodes) == ["add", "add", "twice", "twice"]
    assert len(layout.edges) == 4
    for direction, axis, sign in (("BT", 1, -1), ("TB", 1, 1), ("LR", 0, 1), ("RL", 0, -1)):
        layout = value.visualize(rankdir=direction)._layout
        for at, node in enumerate(layout.nodes):
            for source in node.inputs:
                assert (layout.boxes[at][axis] - layout.boxes[source][axis]) * sign > 0
        for x, y, width in layout.boxes:
            assert width / 2 < x < layout.width - width / 2 and 0 < y < layout.height
    for wrong, error in (({"rankdir": "up"}, ValueError), ({"colour": "red"}, TypeError)):
        with pytest.raises(error):
            value.visualize(**wrong)
    with pytest.raises(ValueError, match=r"use one of the extensions \.svg"):
        value.visualize(tmp_path / "plan.xyz")
    assert list(tmp_path.iterdir()) == []


def test_boxes_of_a_drawing_do_not_overlap():
    level = [delayed(add)(twice(number), number) for number in range(13)]
    while len(level) > 1:
        level = [delayed(sum)(level[at : at + 3]) for at in range(0, len(level), 3)]
    layout = level[0].visualize()._layout
    rows = {}
    for x, y, width in layout.boxes:
        rows.setdefault(y, []).append((x - width / 2, x + width / 2))
    assert sorted(map(len, rows.values())) == [1, 2, 5, 13, 13]
    for row in rows.values():
        row.sort()
        assert all(left[1] < right[0] for left, right in zip(row, row[1:]))


def test_drawings_as_images(tmp_path):
    value = delayed(add)(twice(1), 2)
    path = tmp_path / "plan.png"
    if importlib.util.find_spec("matplotlib") is None:
        with pytest.raises(ValueError, match="needs matplotlib"):
            value.visualize(path)
        assert not path.exists()
    else:
        value.visualize(path)
        assert path.read_bytes().startswith(b"\x89PNG")
        value.visualize(tmp_path / "other", format="pdf")
        assert (tmp_path / "other.pdf").read_bytes().startswith(b"%PDF")


def test_a_graph_that_is_too_large_is_drawn_as_text():
    drawing = delayed(sum)([twice(number) for number in range(1000)]).visualize()
    assert drawing._layout is None and drawing.svg.count("<text") == 1001


def test_annotations():
    """Tasks have the options of the context in which they are created."""
    with partita.annotate(retries=3, workers="node1", note="x"):
        task = twice(1)._task
        assert partita.get_annotations() == {"retries": 3, "workers": "node1", "note": "x"}
    assert task.options == {"retries": 3, "workers": ["node1"]} and twice(1)._task.options is None
    with pytest.raises(TypeError, match="retries must be int"), partita.annotate(retries="3"):
        pass


def test_graphs_of_dask():
    """A graph in Dask's format is read and written."""
    value = Delayed("c", {"a": 1, "b": (add, "a", 2), "c": (sum, ["a", "b", (add, "b", "b")])})
    assert value.compute() == 10
    graph = twice(twice(1)).dask
    assert partita.get(graph, [list(graph)])[0][-1] == 4
    with pytest.raises(ValueError, match="cycle"):
        Delayed("a", {"a": (add, "b", 1), "b": (add, "a", 1)})


def test_the_annotations_of_a_graph_of_dask_are_options():
    """Layers of a graph may have annotations, whose values may be functions of the key."""

    class Layer(dict):
        annotations = None

    class Graph(dict):
        layers = None

    plain, marked = Layer(a=(add, 1, 2)), Layer(b=(add, "a", 2))
    marked.annotations = {"retries": 2, "priority": lambda key: len(key), "note": "x"}
    graph = Graph({**plain, **marked})
    graph.layers = {"plain": plain, "marked": marked}
    tasks = import_graph(graph, ["b"])
    assert tasks["a"].options is None
    assert tasks["b"].options == {"retries": 2, "priority": 1}


def test_annotations_hold_for_collections_of_dask():
    """`partita.annotate` annotates what is made with Dask itself, and its annotations count."""
    dask = pytest.importorskip("dask")
    array = pytest.importorskip("dask.array")
    with partita.annotate(retries=2):
        assert dask.get_annotations() == {"retries": 2}
        made = array.ones(4, chunks=2).map_blocks(lambda block: block + 1)
    graph = made.__dask_graph__()
    keys = made.__dask_keys__()
    assert [task.options for task in import_graph(graph, keys).values() if "lambda" in task.key] == [{"retries": 2}] * 2


def test_dask_itself():
    """Dask and this package accept each other's collections."""
    dask = pytest.importorskip("dask")
    theirs = dask.delayed(sum)([dask.delayed(1), 2])
    assert partita.is_dask_collection(theirs) and dask.is_dask_collection(twice(1))
    assert partita.compute(theirs, [twice(2)]) == (3, [4])
    assert delayed(add)(theirs, 1).compute() == 4
    assert dask.delayed(add)(twice(2), 1).compute(scheduler="sync") == 5
    assert dask.compute(twice(3), scheduler="sync") == (6,)
