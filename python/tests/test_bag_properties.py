"""Any sequence of steps of bags gives the items that Python's own functions give."""

import itertools
from operator import add

import partita
from hypothesis import given
from hypothesis import strategies as st
from partita import bag as db


def is_even(x):
    return x % 2 == 0


def increment(x):
    return x + 1


#: Each step with its counterpart for lists.
STEPS = {
    "map": (lambda b: b.map(increment), lambda items: [x + 1 for x in items]),
    "filter": (lambda b: b.filter(is_even), lambda items: [x for x in items if x % 2 == 0]),
    "remove": (lambda b: b.remove(is_even), lambda items: [x for x in items if x % 2]),
    "repeat": (lambda b: b.map(lambda x: [x, -x]).flatten(), lambda items: [y for x in items for y in (x, -x)]),
    "pluck": (lambda b: b.map(lambda x: (x, x + 1)).pluck(1), lambda items: [x + 1 for x in items]),
    "zip": (lambda b: db.zip(b, b.map(increment)).starmap(add), lambda items: [2 * x + 1 for x in items]),
    "few": (lambda b: b.repartition(2), lambda items: items),
    "many": (lambda b: b.repartition(7), lambda items: items),
    "accumulate": (lambda b: b.accumulate(add), lambda items: list(itertools.accumulate(items))),
    "distinct": (lambda b: b.distinct(), lambda items: list(dict.fromkeys(items))),
    "concat": (lambda b: db.concat([b, b.map(increment)]), lambda items: items + [x + 1 for x in items]),
    "partitions": (
        lambda b: b.map_partitions(lambda part: [x * 2 for x in part]),
        lambda items: [x * 2 for x in items],
    ),
    "persist": (lambda b: b.persist(scheduler="synchronous"), lambda items: items),
}


@given(
    st.lists(st.integers(-5, 5), max_size=20),
    st.integers(1, 6),
    st.lists(st.sampled_from(sorted(STEPS)), max_size=6),
)
def test_steps(items, parts, names):
    bag = db.from_sequence(items, npartitions=parts)
    for name in names:
        step, expected = STEPS[name]
        bag, items = step(bag), expected(items)
        if len(items) > 1000:
            break
    groups = bag.groupby(lambda x: x % 3, max_branch=2)
    values = (
        bag,
        bag.count(),
        bag.sum(),
        bag.topk(3),
        bag.frequencies(split_every=2),
        groups,
        bag.fold(max, initial=-99),
    )
    found, count, total, top, numbers, grouped, most = partita.compute(*values, scheduler="synchronous")
    assert found == items and (count, total) == (len(items), sum(items))
    assert top == sorted(items, reverse=True)[:3] and most == max(items, default=-99)
    assert dict(numbers) == {x: items.count(x) for x in items}
    assert len(grouped) == len({x % 3 for x in items})
    assert dict(grouped) == {key: [x for x in items if x % 3 == key] for key in {x % 3 for x in items}}
