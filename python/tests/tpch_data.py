"""The eight tables of TPC-H, made at a tiny scale: consistent keys, and the values and texts that the questions select."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

SUPPLIERS, PARTS, CUSTOMERS, ORDERS = 60, 900, 900, 6000
#: Offers of each part, by different suppliers.
OFFERS = 4
#: Files of the large tables.
FILES = 3

REGIONS = ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"]
NATIONS = {
    "ALGERIA": 0, "ARGENTINA": 1, "BRAZIL": 1, "CANADA": 1, "EGYPT": 4, "ETHIOPIA": 0, "FRANCE": 3, "GERMANY": 3,
    "INDIA": 2, "INDONESIA": 2, "IRAN": 4, "IRAQ": 4, "JAPAN": 2, "JORDAN": 4, "KENYA": 0, "MOROCCO": 0,
    "MOZAMBIQUE": 0, "PERU": 1, "CHINA": 2, "ROMANIA": 3, "SAUDI ARABIA": 4, "VIETNAM": 2, "RUSSIA": 3,
    "UNITED KINGDOM": 3, "UNITED STATES": 1,
}  # fmt: skip
SEGMENTS = ["AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY"]
PRIORITIES = ["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"]
MODES = ["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"]
INSTRUCTIONS = ["COLLECT COD", "DELIVER IN PERSON", "NONE", "TAKE BACK RETURN"]
COLOURS = ["almond", "blue", "coral", "forest", "green", "ivory", "khaki", "lime", "navy", "olive"]
# Fewer of each than the specification has, so that every question finds rows.
TYPES = [
    ["ECONOMY", "LARGE", "MEDIUM", "PROMO"],
    ["ANODIZED", "PLATED", "POLISHED"],
    ["BRASS", "COPPER", "STEEL"],
]
CONTAINERS = [["LG", "MED", "SM"], ["BAG", "BOX", "CASE", "PACK", "PKG"]]
BRANDS = [12, 23, 34, 45]
SIZES = [1, 3, 5, 9, 14, 15, 23, 45, 49]
COMMENTS = [
    "carefully final deposits",
    "furiously special packages requests",
    "slyly bold pinto beans",
    "ironic Customer Complaints",
]


class _Maker:
    """Random values of columns; the same each time."""

    def __init__(self):
        self.random = np.random.default_rng(19)

    def integers(self, low, high, count):
        return self.random.integers(low, high + 1, count)

    def money(self, low, high, count):
        return self.integers(round(low * 100), round(high * 100), count) / 100

    def choice(self, values, count):
        return np.array(values, dtype=object)[self.random.integers(0, len(values), count)]

    def phrase(self, lists, count):
        """Texts of one word of each list."""
        return [" ".join(words) for words in zip(*(self.choice(words, count) for words in lists))]

    def phones(self, nations):
        return [f"{10 + nation}-{number}" for nation, number in zip(nations, self.integers(100, 999, len(nations)))]


def _days(first, days):
    return (np.datetime64(first) + np.asarray(days).astype("timedelta64[D]")).astype("datetime64[us]")


def _numbered(name, keys):
    return [f"{name}#{key:09}" for key in keys]


def _suppliers_and_customers(make):
    keys, nations = np.arange(1, SUPPLIERS + 1), np.arange(SUPPLIERS) % len(NATIONS)
    supplier = {
        "s_suppkey": keys,
        "s_name": _numbered("Supplier", keys),
        "s_address": _numbered("street", keys),
        "s_nationkey": nations,
        "s_phone": make.phones(nations),
        "s_acctbal": make.money(-999, 9999, SUPPLIERS),
        "s_comment": make.choice(COMMENTS, SUPPLIERS),
    }
    keys, nations = np.arange(1, CUSTOMERS + 1), make.integers(0, len(NATIONS) - 1, CUSTOMERS)
    customer = {
        "c_custkey": keys,
        "c_name": _numbered("Customer", keys),
        "c_address": _numbered("road", keys),
        "c_nationkey": nations,
        "c_phone": make.phones(nations),
        "c_acctbal": make.money(-999, 9999, CUSTOMERS),
        "c_mktsegment": make.choice(SEGMENTS, CUSTOMERS),
        "c_comment": make.choice(COMMENTS, CUSTOMERS),
    }
    return supplier, customer


def _parts_and_offers(make):
    keys = np.arange(1, PARTS + 1)
    brands = make.choice(BRANDS, PARTS)
    part = {
        "p_partkey": keys,
        "p_name": make.phrase([COLOURS] * 3, PARTS),
        "p_mfgr": [f"Manufacturer#{brand // 10}" for brand in brands],
        "p_brand": [f"Brand#{brand}" for brand in brands],
        "p_type": make.phrase(TYPES, PARTS),
        "p_size": make.choice(SIZES, PARTS).astype("int64"),
        "p_container": make.phrase(CONTAINERS, PARTS),
        "p_retailprice": make.money(900, 2000, PARTS),
        "p_comment": make.choice(COMMENTS, PARTS),
    }
    count = PARTS * OFFERS
    partsupp = {
        "ps_partkey": np.repeat(keys, OFFERS),
        "ps_suppkey": _supplier(np.repeat(keys, OFFERS), np.tile(np.arange(OFFERS), PARTS)),
        "ps_availqty": make.integers(1, 999, count),
        "ps_supplycost": make.money(1, 1000, count),
        "ps_comment": make.choice(COMMENTS, count),
    }
    return part, partsupp


def _supplier(part, offer):
    """The supplier of an offer of a part."""
    return (part + offer * (SUPPLIERS // OFFERS + 1)) % SUPPLIERS + 1


def _orders_and_lines(make):
    # A third of the customers have no orders, and the keys have gaps.
    keys, customers = np.arange(ORDERS) * 4 + 1, make.integers(1, CUSTOMERS // 3, ORDERS) * 3 - 1
    days = make.integers(0, 2405, ORDERS)
    lines = make.integers(1, 7, ORDERS)
    order = np.repeat(np.arange(ORDERS), lines)
    count = len(order)
    shipped = days[order] + make.integers(1, 121, count)
    committed = days[order] + make.integers(30, 90, count)
    received = shipped + make.integers(1, 30, count)
    part = make.integers(1, PARTS, count)
    # Some orders are large.
    quantity = np.where(order % 50 == 0, make.integers(45, 50, count), make.integers(1, 50, count)).astype(float)
    price = np.round(quantity * make.money(900, 2000, count), 2)
    lineitem = {
        "l_orderkey": keys[order],
        "l_partkey": part,
        "l_suppkey": _supplier(part, make.integers(0, OFFERS - 1, count)),
        "l_linenumber": np.arange(count) - np.repeat(np.cumsum(lines) - lines, lines) + 1,
        "l_quantity": quantity,
        "l_extendedprice": price,
        "l_discount": make.integers(0, 10, count) / 100,
        "l_tax": make.integers(0, 8, count) / 100,
        "l_returnflag": np.where(received > 1263, "N", make.choice(["R", "A"], count)),
        "l_linestatus": np.where(shipped > 1263, "O", "F"),
        "l_shipdate": _days("1992-01-01", shipped),
        "l_commitdate": _days("1992-01-01", committed),
        "l_receiptdate": _days("1992-01-01", received),
        "l_shipinstruct": make.choice(INSTRUCTIONS, count),
        "l_shipmode": make.choice(MODES, count),
        "l_comment": make.choice(COMMENTS, count),
    }
    orders = {
        "o_orderkey": keys,
        "o_custkey": customers,
        "o_orderstatus": np.where(days > 1263, "O", make.choice(["F", "F", "P"], ORDERS)),
        "o_totalprice": np.bincount(order, price).round(2),
        "o_orderdate": _days("1992-01-01", days),
        "o_orderpriority": make.choice(PRIORITIES, ORDERS),
        "o_clerk": _numbered("Clerk", make.integers(1, 9, ORDERS)),
        "o_shippriority": np.zeros(ORDERS, "int64"),
        "o_comment": make.choice(COMMENTS, ORDERS),
    }
    return orders, lineitem


def tables():
    """Return the eight tables as frames of pandas, by name."""
    make = _Maker()
    nation = {"n_nationkey": np.arange(len(NATIONS)), "n_name": list(NATIONS), "n_regionkey": list(NATIONS.values())}
    made = {"region": {"r_regionkey": np.arange(len(REGIONS)), "r_name": REGIONS}, "nation": nation}
    made["supplier"], made["customer"] = _suppliers_and_customers(make)
    made["part"], made["partsupp"] = _parts_and_offers(make)
    made["orders"], made["lineitem"] = _orders_and_lines(make)
    return {name: pd.DataFrame(columns) for name, columns in made.items()}


def _exact(table):
    """The types of the specification: decimals instead of floats, dates instead of times."""
    fields = []
    for field in table.schema:
        if pa.types.is_floating(field.type):
            fields.append(pa.field(field.name, pa.decimal128(15, 2)))
        elif pa.types.is_timestamp(field.type):
            fields.append(pa.field(field.name, pa.date32()))
        else:
            fields.append(field)
    return table.cast(pa.schema(fields))


def write(folder, exact=False):
    """Write each table as a folder of Parquet files, several for orders and their lines."""
    for name, frame in tables().items():
        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()
        table = _exact(table) if exact else table
        (folder / name).mkdir(parents=True)
        files = FILES if name in ("orders", "lineitem") else 1
        rows = -(-table.num_rows // files)
        for number in range(files):
            pq.write_table(table.slice(number * rows, rows), folder / name / f"{number}.parquet")
