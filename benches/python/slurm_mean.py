"""The mean of a persisted frame on a Dask cluster. Waits for its workers if WAIT is set."""

import os

import numpy as np
import pandas as pd
from dask import dataframe as dd
from dask.distributed import Client

client = Client(os.environ["ADDRESS"], timeout=60)
if os.environ.get("WAIT"):
    client.wait_for_workers(int(os.environ["WORKERS"]))
index = pd.date_range("2021-09-01", periods=2400, freq="1h")
frame = dd.from_pandas(pd.DataFrame({"a": np.arange(2400)}, index=index), npartitions=6)
print(frame.a.mean().compute())
