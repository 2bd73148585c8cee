"""The executor in this process, and graphs of tasks."""

import collections
import dataclasses
import gc
import pickle
import weakref

import pytest
from partita._tasks import Task, Tracker, execute, find_inputs, flatten, identity, new_key, unflatten, with_options

#: Many times the interpreter's limit of recursion.
LONG = 20_000


def increment(value):
    return value + 1


def chain(length):
    task = Task(identity, (0,))
    for _ in range(length):
        task = Task(increment, (task,))
    return task


Pair = collections.namedtuple("Pair", "a b")


@dataclasses.dataclass(frozen=True)
class Record:
    value: object


def test_inputs_in_containers():
    """Tasks stand for their results at any depth of containers, and nowhere else."""
    one, two = Task(identity, (1,)), Task(identity, (2,))
    nested = [one, (two, {"k": one, two: {one}}), slice(one, two), Pair(one, 3), Record([two]), frozenset((one,))]
    result = execute([Task(identity, (nested,))])[0]
    assert result == [1, (2, {"k": 1, 2: {1}}), slice(1, 2), (1, 3), Record([2]), frozenset((1,))]
    assert type(result[3]) is Pair and find_inputs(Task(identity, (nested,))) == [one, two]
    assert execute([Task(dict, (), {"a": one, "b": [two]})]) == [{"a": 1, "b": [2]}]


def test_values_without_tasks_are_passed_unchanged():
    value = [{"a": (1, 2)}, Record(3)]
    assert execute([Task(identity, (value,))])[0] is value


def test_each_task_runs_once():
    """Tasks with several readers, and tasks with equal keys, run once."""
    calls = []
    shared = Task(calls.append, (1,))
    same = [Task(calls.append, (2,), key="same") for _ in range(3)]
    execute([Task(identity, ([shared, shared],)), shared, Task(identity, (same,)), *same])
    assert sorted(calls) == [1, 2]


def test_long_chains():
    """Chains are run, pickled and freed without recursion."""
    task = chain(LONG)
    assert execute([task]) == [LONG]
    rows, outputs = pickle.loads(pickle.dumps(flatten([task])))
    del task
    assert execute(unflatten(rows, outputs)) == [LONG]


def test_results_are_freed():
    """A result is freed once the last task that reads it has run."""

    class Large:
        pass

    alive = weakref.WeakSet()

    def create(_):
        assert len(alive) <= 1
        made = Large()
        alive.add(made)
        return made

    gc.disable()
    try:
        task = Task(create, (None,))
        for _ in range(10):
            task = Task(create, (task,))
        execute([Task(lambda value: None, (task,))])
    finally:
        gc.enable()
    assert len(alive) == 0


def test_an_error_is_raised_as_it_is():
    with pytest.raises(ZeroDivisionError):
        execute([Task(increment, (Task(divmod, (1, 0)),))])


def test_tracker():
    seen = []

    class Own(Tracker):
        def start(self, tasks):
            seen.append(len(tasks))

        def before(self, task):
            seen.append(task.name)

        def after(self, task, result):
            seen.append(result)

        def finish(self, failed):
            seen.append(failed)

    execute([Task(increment, (Task(identity, (1,)),))], Own())
    assert seen == [2, "identity", 1, "increment", 2, False]


def test_keys_are_unique():
    assert len({new_key("x") for _ in range(1000)}) == 1000


def test_options_of_all_tasks():
    """Further options apply to all tasks; those that a task has take precedence."""
    first = Task(identity, (1,), options={"retries": 5})
    [task] = with_options([Task(increment, (first,))], {"retries": 2, "priority": 1})
    assert task.options == {"retries": 2, "priority": 1}
    assert task.args[0].options == {"retries": 5, "priority": 1} and first.options == {"retries": 5}
