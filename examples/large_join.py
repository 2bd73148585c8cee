"""Join and sort tables that are larger than the memory of the worker.

The worker may use 192 MiB; the joined table has more. What does not fit is spilled to the scratch folder.
"""

import pyarrow as pa

from partita import dataframe as dd
from partita.distributed import Client

ORDERS = 650_000
QUERY = """copy (select value as order_id, value * 7919 % 1000003 as customer, value % 997 / 10.0 as amount,
    value || repeat(' written by hand', 18) as note from generate_series(1, {rows}))
    to '{folder}' stored as parquet options ('format.max_row_group_size' '16384')"""
CUSTOMERS = """copy (select value as customer, 'customer number ' || value as name, value % 50 as country
    from generate_series(0, 1000002)) to '{folder}' stored as parquet"""


def main(orders: str = "orders", customers: str = "customers") -> None:
    with Client(n_workers=1, threads_per_worker=1, memory_limit="192MiB") as client:
        client.sql(QUERY.format(rows=ORDERS, folder=orders))
        client.sql(CUSTOMERS.format(folder=customers))
        joined = dd.read_parquet(orders).merge(dd.read_parquet(customers), on="customer")
        print("bytes of the joined table:", f"{pa.table(joined.head(1000)).nbytes * ORDERS // 1000:,}")
        joined = joined.set_index("order_id").persist()
        by_country = joined.groupby("country").amount.agg(["sum", "count"]).compute()
        print(by_country.sort_values("sum", ascending=False).head(3).round(1))
        print(joined.loc[250_000:250_002].compute()[["customer", "name"]])
        workers = client.scheduler_info()["workers"].values()
        print("spilled to the scratch folder:", sum(w["metrics"]["spilled_bytes"] for w in workers) > 0)


if __name__ == "__main__":
    main()
