"""The 22 questions of TPC-H asked with data frames; ``tests/queries/tpch`` asks them in SQL.

Each function takes the eight tables as frames by name, and returns a frame or a single value that is not computed yet.
"""

from datetime import date

__all__ = ["QUESTIONS"]


def _revenue(lines):
    return lines.l_extendedprice * (1 - lines.l_discount)


def _between(times, first, end):
    """Whether dates are in a range without its end."""
    return (times >= first) & (times < end)


def _suppliers_of_region(tables, name):
    """The suppliers of a region with their nations."""
    region = tables["region"]
    nations = tables["nation"].merge(region[region.r_name == name], left_on="n_regionkey", right_on="r_regionkey")
    return tables["supplier"].merge(nations, left_on="s_nationkey", right_on="n_nationkey")


def _suppliers_of_nation(tables, name):
    nation = tables["nation"]
    return tables["supplier"].merge(nation[nation.n_name == name], left_on="s_nationkey", right_on="n_nationkey")


def q01(tables):
    """Pricing summary report."""
    lines = tables["lineitem"]
    lines = lines[lines.l_shipdate <= date(1998, 9, 2)]
    lines = lines.assign(disc_price=_revenue(lines))
    lines["charge"] = lines.disc_price * (1 + lines.l_tax)
    groups = lines.groupby(["l_returnflag", "l_linestatus"])
    summary = groups.agg(
        sum_qty=("l_quantity", "sum"),
        sum_base_price=("l_extendedprice", "sum"),
        sum_disc_price=("disc_price", "sum"),
        sum_charge=("charge", "sum"),
        avg_qty=("l_quantity", "mean"),
        avg_price=("l_extendedprice", "mean"),
        avg_disc=("l_discount", "mean"),
        count_order=("l_orderkey", "count"),
    )
    return summary.reset_index().sort_values(["l_returnflag", "l_linestatus"])


def q02(tables):
    """Minimum cost supplier."""
    part = tables["part"]
    part = part[(part.p_size == 15) & part.p_type.str.endswith("BRASS")]
    offers = tables["partsupp"].merge(part, left_on="ps_partkey", right_on="p_partkey")
    offers = offers.merge(_suppliers_of_region(tables, "EUROPE"), left_on="ps_suppkey", right_on="s_suppkey")
    least = offers.groupby("p_partkey").ps_supplycost.min().reset_index()
    found = offers.merge(least, on=["p_partkey", "ps_supplycost"])
    found = found.sort_values(["s_acctbal", "n_name", "s_name", "p_partkey"], ascending=[False, True, True, True])
    return found[["s_acctbal", "s_name", "n_name", "p_partkey", "p_mfgr", "s_address", "s_phone", "s_comment"]].head(
        100, compute=False
    )


def q03(tables):
    """Shipping priority."""
    customer, orders, lines = tables["customer"], tables["orders"], tables["lineitem"]
    open_orders = orders[orders.o_orderdate < date(1995, 3, 15)].merge(
        customer[customer.c_mktsegment == "BUILDING"], left_on="o_custkey", right_on="c_custkey"
    )
    unshipped = lines[lines.l_shipdate > date(1995, 3, 15)]
    joined = unshipped.merge(open_orders, left_on="l_orderkey", right_on="o_orderkey")
    joined["revenue"] = _revenue(joined)
    total = joined.groupby(["l_orderkey", "o_orderdate", "o_shippriority"]).revenue.sum().reset_index()
    top = total.sort_values(["revenue", "o_orderdate"], ascending=[False, True]).head(10, compute=False)
    return top[["l_orderkey", "revenue", "o_orderdate", "o_shippriority"]]


def q04(tables):
    """Order priority checking."""
    orders, lines = tables["orders"], tables["lineitem"]
    orders = orders[_between(orders.o_orderdate, date(1993, 7, 1), date(1993, 10, 1))]
    late = lines[lines.l_commitdate < lines.l_receiptdate]
    waiting = orders.merge(late, left_on="o_orderkey", right_on="l_orderkey", how="leftsemi")
    counts = waiting.groupby("o_orderpriority").o_orderkey.count()
    return counts.rename("order_count").reset_index().sort_values("o_orderpriority")


def q05(tables):
    """Local supplier volume."""
    customer, orders = tables["customer"], tables["orders"]
    orders = orders[_between(orders.o_orderdate, date(1994, 1, 1), date(1995, 1, 1))]
    orders = orders.merge(customer, left_on="o_custkey", right_on="c_custkey")
    joined = tables["lineitem"].merge(orders, left_on="l_orderkey", right_on="o_orderkey")
    local = joined.merge(
        _suppliers_of_region(tables, "ASIA"),
        left_on=["l_suppkey", "c_nationkey"],
        right_on=["s_suppkey", "s_nationkey"],
    )
    local["revenue"] = _revenue(local)
    return local.groupby("n_name").revenue.sum().reset_index().sort_values("revenue", ascending=False)


def q06(tables):
    """Forecasting revenue change."""
    lines = tables["lineitem"]
    lines = lines[
        (lines.l_shipdate >= date(1994, 1, 1))
        & (lines.l_shipdate < date(1995, 1, 1))
        & (lines.l_discount >= 0.05)
        & (lines.l_discount <= 0.07)
        & (lines.l_quantity < 24)
    ]
    return (lines.l_extendedprice * lines.l_discount).sum()


def q07(tables):
    """Volume shipping."""
    nation = tables["nation"]
    nation = nation[nation.n_name.isin(["FRANCE", "GERMANY"])][["n_nationkey", "n_name"]]
    suppliers = tables["supplier"].merge(nation, left_on="s_nationkey", right_on="n_nationkey")
    suppliers = suppliers.rename(columns={"n_name": "supp_nation"})[["s_suppkey", "supp_nation"]]
    customers = tables["customer"].merge(nation, left_on="c_nationkey", right_on="n_nationkey")
    customers = customers.rename(columns={"n_name": "cust_nation"})[["c_custkey", "cust_nation"]]
    lines = tables["lineitem"]
    lines = lines[lines.l_shipdate.between(date(1995, 1, 1), date(1996, 12, 31))]
    orders = tables["orders"].merge(customers, left_on="o_custkey", right_on="c_custkey")
    joined = lines.merge(suppliers, left_on="l_suppkey", right_on="s_suppkey")
    joined = joined.merge(orders, left_on="l_orderkey", right_on="o_orderkey")
    joined = joined[joined.supp_nation != joined.cust_nation]
    joined = joined.assign(l_year=joined.l_shipdate.dt.year, revenue=_revenue(joined))
    keys = ["supp_nation", "cust_nation", "l_year"]
    return joined.groupby(keys).revenue.sum().reset_index().sort_values(keys)


def q08(tables):
    """National market share."""
    part, orders, region = tables["part"], tables["orders"], tables["region"]
    part = part[part.p_type == "ECONOMY ANODIZED STEEL"]
    orders = orders[orders.o_orderdate.between(date(1995, 1, 1), date(1996, 12, 31))]
    american = tables["nation"].merge(region[region.r_name == "AMERICA"], left_on="n_regionkey", right_on="r_regionkey")
    customers = tables["customer"].merge(american[["n_nationkey"]], left_on="c_nationkey", right_on="n_nationkey")
    orders = orders.merge(customers[["c_custkey"]], left_on="o_custkey", right_on="c_custkey")
    suppliers = tables["supplier"].merge(tables["nation"], left_on="s_nationkey", right_on="n_nationkey")
    joined = tables["lineitem"].merge(part, left_on="l_partkey", right_on="p_partkey")
    joined = joined.merge(orders, left_on="l_orderkey", right_on="o_orderkey")
    joined = joined.merge(suppliers, left_on="l_suppkey", right_on="s_suppkey")
    joined = joined.assign(o_year=joined.o_orderdate.dt.year, volume=_revenue(joined))
    joined["ours"] = joined.volume.where(joined.n_name == "BRAZIL", 0)
    years = joined.groupby("o_year")[["ours", "volume"]].sum()
    return (years.ours / years.volume).rename("mkt_share").reset_index().sort_values("o_year")


def q09(tables):
    """Product type profit measure."""
    part = tables["part"]
    part = part[part.p_name.str.contains("green", regex=False)]
    suppliers = tables["supplier"].merge(tables["nation"], left_on="s_nationkey", right_on="n_nationkey")
    joined = tables["lineitem"].merge(part[["p_partkey"]], left_on="l_partkey", right_on="p_partkey")
    joined = joined.merge(tables["partsupp"], left_on=["l_partkey", "l_suppkey"], right_on=["ps_partkey", "ps_suppkey"])
    joined = joined.merge(suppliers, left_on="l_suppkey", right_on="s_suppkey")
    joined = joined.merge(tables["orders"], left_on="l_orderkey", right_on="o_orderkey")
    joined["o_year"] = joined.o_orderdate.dt.year
    joined["sum_profit"] = _revenue(joined) - joined.ps_supplycost * joined.l_quantity
    joined = joined.rename(columns={"n_name": "nation"})
    profit = joined.groupby(["nation", "o_year"]).sum_profit.sum().reset_index()
    return profit.sort_values(["nation", "o_year"], ascending=[True, False])


def q10(tables):
    """Returned item reporting."""
    orders, lines = tables["orders"], tables["lineitem"]
    orders = orders[_between(orders.o_orderdate, date(1993, 10, 1), date(1994, 1, 1))]
    joined = lines[lines.l_returnflag == "R"].merge(orders, left_on="l_orderkey", right_on="o_orderkey")
    joined = joined.merge(tables["customer"], left_on="o_custkey", right_on="c_custkey")
    joined = joined.merge(tables["nation"], left_on="c_nationkey", right_on="n_nationkey")
    joined["revenue"] = _revenue(joined)
    keys = ["c_custkey", "c_name", "c_acctbal", "c_phone", "n_name", "c_address", "c_comment"]
    total = joined.groupby(keys)["revenue"].sum().reset_index()
    top = total.nlargest(20, "revenue")
    return top[["c_custkey", "c_name", "revenue", "c_acctbal", "n_name", "c_address", "c_phone", "c_comment"]]


def q11(tables):
    """Important stock identification."""
    stock = tables["partsupp"].merge(
        _suppliers_of_nation(tables, "GERMANY"), left_on="ps_suppkey", right_on="s_suppkey"
    )
    stock["value"] = stock.ps_supplycost * stock.ps_availqty
    values = stock.groupby("ps_partkey").value.sum().reset_index()
    return values[values.value > stock.value.sum() * 0.0001].sort_values("value", ascending=False)


def q12(tables):
    """Shipping modes and order priority."""
    lines = tables["lineitem"]
    lines = lines[
        lines.l_shipmode.isin(["MAIL", "SHIP"])
        & (lines.l_commitdate < lines.l_receiptdate)
        & (lines.l_shipdate < lines.l_commitdate)
        & _between(lines.l_receiptdate, date(1994, 1, 1), date(1995, 1, 1))
    ]
    joined = lines.merge(tables["orders"], left_on="l_orderkey", right_on="o_orderkey")
    is_high = joined.o_orderpriority.isin(["1-URGENT", "2-HIGH"])
    joined = joined.assign(high_line_count=is_high.astype(int), low_line_count=(~is_high).astype(int))
    counts = joined.groupby("l_shipmode")[["high_line_count", "low_line_count"]].sum()
    return counts.reset_index().sort_values("l_shipmode")


def q13(tables):
    """Customer distribution."""
    orders = tables["orders"]
    orders = orders[~orders.o_comment.str.contains("special.*requests")]
    joined = tables["customer"].merge(orders, left_on="c_custkey", right_on="o_custkey", how="left")
    counts = joined.groupby("c_custkey").agg(c_count=("o_orderkey", "count")).reset_index()
    customers = counts.groupby("c_count").size().rename("custdist").reset_index()
    return customers.sort_values(["custdist", "c_count"], ascending=[False, False])


def q14(tables):
    """Promotion effect."""
    lines = tables["lineitem"]
    lines = lines[_between(lines.l_shipdate, date(1995, 9, 1), date(1995, 10, 1))]
    joined = lines.merge(tables["part"], left_on="l_partkey", right_on="p_partkey")
    revenue = _revenue(joined)
    return 100 * revenue.where(joined.p_type.str.startswith("PROMO"), 0).sum() / revenue.sum()


def q15(tables):
    """Top supplier."""
    lines = tables["lineitem"]
    lines = lines[_between(lines.l_shipdate, date(1996, 1, 1), date(1996, 4, 1))]
    lines = lines.assign(total_revenue=_revenue(lines))
    revenue = lines.groupby("l_suppkey").total_revenue.sum().reset_index()
    top = revenue[revenue.total_revenue == revenue.total_revenue.max()]
    found = tables["supplier"].merge(top, left_on="s_suppkey", right_on="l_suppkey")
    return found.sort_values("s_suppkey")[["s_suppkey", "s_name", "s_address", "s_phone", "total_revenue"]]


def q16(tables):
    """Parts/supplier relationship."""
    part, supplier = tables["part"], tables["supplier"]
    part = part[
        (part.p_brand != "Brand#45")
        & ~part.p_type.str.startswith("MEDIUM POLISHED")
        & part.p_size.isin([49, 14, 23, 45, 19, 3, 36, 9])
    ]
    bad = supplier[supplier.s_comment.str.contains("Customer.*Complaints")]
    offers = tables["partsupp"].merge(part, left_on="ps_partkey", right_on="p_partkey")
    offers = offers[~offers.ps_suppkey.isin(bad.s_suppkey)]
    counts = offers.groupby(["p_brand", "p_type", "p_size"]).ps_suppkey.nunique().rename("supplier_cnt").reset_index()
    return counts.sort_values(["supplier_cnt", "p_brand", "p_type", "p_size"], ascending=[False, True, True, True])


def q17(tables):
    """Small-quantity-order revenue."""
    part, lines = tables["part"], tables["lineitem"]
    part = part[(part.p_brand == "Brand#23") & (part.p_container == "MED BOX")]
    ours = lines.merge(part, left_on="l_partkey", right_on="p_partkey")
    mean = ours.groupby("l_partkey").l_quantity.mean().rename("mean_quantity").reset_index()
    ours = ours.merge(mean, on="l_partkey")
    return ours[ours.l_quantity < 0.2 * ours.mean_quantity].l_extendedprice.sum() / 7


def q18(tables):
    """Large volume customer."""
    totals = tables["lineitem"].groupby("l_orderkey").l_quantity.sum().rename("total_quantity").reset_index()
    large = totals[totals.total_quantity > 300]
    joined = tables["orders"].merge(large, left_on="o_orderkey", right_on="l_orderkey")
    joined = joined.merge(tables["customer"], left_on="o_custkey", right_on="c_custkey")
    joined = joined[["c_name", "c_custkey", "o_orderkey", "o_orderdate", "o_totalprice", "total_quantity"]]
    return joined.sort_values(["o_totalprice", "o_orderdate"], ascending=[False, True]).head(100, compute=False)


def q19(tables):
    """Discounted revenue."""
    lines = tables["lineitem"]
    lines = lines[(lines.l_shipinstruct == "DELIVER IN PERSON") & lines.l_shipmode.isin(["AIR", "AIR REG"])]
    joined = lines.merge(tables["part"], left_on="l_partkey", right_on="p_partkey")

    def offered(brand, containers, least, size):
        return (
            (joined.p_brand == brand)
            & joined.p_container.isin(containers)
            & joined.l_quantity.between(least, least + 10)
            & joined.p_size.between(1, size)
        )

    joined = joined[
        offered("Brand#12", ["SM CASE", "SM BOX", "SM PACK", "SM PKG"], 1, 5)
        | offered("Brand#23", ["MED BAG", "MED BOX", "MED PKG", "MED PACK"], 10, 10)
        | offered("Brand#34", ["LG CASE", "LG BOX", "LG PACK", "LG PKG"], 20, 15)
    ]
    return _revenue(joined).sum()


def q20(tables):
    """Potential part promotion."""
    part, lines, offers = tables["part"], tables["lineitem"], tables["partsupp"]
    lines = lines[_between(lines.l_shipdate, date(1994, 1, 1), date(1995, 1, 1))]
    sold = lines.groupby(["l_partkey", "l_suppkey"]).l_quantity.sum().reset_index()
    offers = offers[offers.ps_partkey.isin(part[part.p_name.str.startswith("forest")].p_partkey)]
    offers = offers.merge(sold, left_on=["ps_partkey", "ps_suppkey"], right_on=["l_partkey", "l_suppkey"])
    offers = offers[offers.ps_availqty > 0.5 * offers.l_quantity]
    suppliers = _suppliers_of_nation(tables, "CANADA")
    found = suppliers.merge(offers[["ps_suppkey"]].drop_duplicates(), left_on="s_suppkey", right_on="ps_suppkey")
    return found[["s_name", "s_address"]].sort_values("s_name")


def q21(tables):
    """Suppliers who kept orders waiting."""
    lines, orders = tables["lineitem"], tables["orders"]
    late = lines[lines.l_receiptdate > lines.l_commitdate]
    suppliers = lines.groupby("l_orderkey").l_suppkey.nunique().rename("all_suppliers").reset_index()
    late_suppliers = late.groupby("l_orderkey").l_suppkey.nunique().rename("late_suppliers").reset_index()
    found = late.merge(suppliers[suppliers.all_suppliers > 1], on="l_orderkey")
    found = found.merge(late_suppliers[late_suppliers.late_suppliers == 1], on="l_orderkey")
    found = found.merge(orders[orders.o_orderstatus == "F"], left_on="l_orderkey", right_on="o_orderkey")
    found = found.merge(_suppliers_of_nation(tables, "SAUDI ARABIA"), left_on="l_suppkey", right_on="s_suppkey")
    counts = found.groupby("s_name").size().rename("numwait").reset_index()
    return counts.sort_values(["numwait", "s_name"], ascending=[False, True]).head(100, compute=False)


def q22(tables):
    """Global sales opportunity."""
    customer, orders = tables["customer"], tables["orders"]
    customer = customer.assign(cntrycode=customer.c_phone.str[:2])
    customer = customer[customer.cntrycode.isin(["13", "31", "23", "29", "30", "18", "17"])]
    mean = customer[customer.c_acctbal > 0].c_acctbal.mean()
    rich = customer[customer.c_acctbal > mean]
    joined = rich.merge(orders[["o_custkey"]], left_on="c_custkey", right_on="o_custkey", how="left", indicator=True)
    without_orders = joined[joined._merge == "left_only"]
    summary = without_orders.groupby("cntrycode").agg(numcust=("c_custkey", "count"), totacctbal=("c_acctbal", "sum"))
    return summary.reset_index().sort_values("cntrycode")


#: The questions by name.
QUESTIONS = {name: question for name, question in list(globals().items()) if name[0] == "q" and name[1:].isdigit()}
