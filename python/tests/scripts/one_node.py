import os

import numpy as np
import pandas as pd
from partita import dataframe as dd
from partita.distributed import Client

n_workers = int(os.environ["SLURM_CPUS_PER_TASK"])

client = Client(f"tcp://{os.environ['PARTITA_SCHEDULER_ADDR']}:{os.environ['PARTITA_SCHEDULER_PORT']}")

index = pd.date_range("2021-09-01", periods=2400, freq="1h")
df = pd.DataFrame({"a": np.arange(2400)}, index=index)
ddf = dd.from_pandas(df, npartitions=n_workers)  # one partition for each worker

result = ddf.a.mean().compute()

print(f"The mean is {result}")
