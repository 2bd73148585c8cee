"""Arrays and lists as operands of frames, beside pandas."""

import numpy as np
import pandas as pd
import pytest
from comparison import same

from partita import dataframe as dd

pytest.importorskip("cloudpickle")
pytestmark = pytest.mark.usefixtures("client")

FRAME = pd.DataFrame({"a": [1, 2, 3, 4], "b": [1.5, 2.5, 3.5, 4.5]})
CELLS = np.arange(8).reshape(4, 2)
TIMES = np.array(["2024-01-01", "2024-02-01"], dtype="datetime64[us]")

CASES = {
    "cells": lambda d: d + CELLS,
    "cells before": lambda d: CELLS - d,
    "lazy cells": lambda d: d + d.values,
    "compared cells": lambda d: d > CELLS,
    "a value for each column": lambda d: d + np.array([10, 20]),
    "a list": lambda d: d - [1, 2],
    "a list before": lambda d: [1, 2] - d,
    "a compared list": lambda d: d == [1, 2.5],
    "a row": lambda d: d + np.array([[10, 20]]),
    "a column": lambda d: d + np.array([[1], [2], [3], [4]]),
    "a value for each row": lambda d: d.add(np.arange(4), axis=0),
    "columns by name": lambda d: d.add(np.array([1, 2]), axis=1),
    "a function": lambda d: np.add(d, CELLS),
    "limits": lambda d: np.clip(d, 2, 3),
    "limits of a column": lambda d: np.clip(d.a, 2, 3),
}


@pytest.fixture(scope="module")
def frame(client):
    return dd.from_pandas(FRAME, npartitions=2)


@pytest.mark.parametrize("name", CASES)
def test_as_in_pandas(frame, name):
    same(CASES[name](frame).compute(), CASES[name](FRAME))


def test_times_stay_times(client):
    days = pd.DataFrame({"a": pd.to_datetime(["2024-03-01"]), "b": pd.to_datetime(["2024-03-01"])})
    same((dd.from_pandas(days, npartitions=1) - TIMES).compute(), days - TIMES)


@pytest.mark.parametrize("operand", [[1, 2, 3], np.arange(3), np.zeros((3, 2))])
def test_other_sizes(frame, operand):
    with pytest.raises(ValueError, match=r"length must be 2|array of 3 values"):
        (frame + operand).compute()
