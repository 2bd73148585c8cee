//! Aggregates, with and without groups.

use crate::fixture::{check, check_with, fixture};
use anyhow::Result;
use partita_tests::oracle::Sameness;

const AGGREGATES: &[&str] = &[
    "select count(*), count(k), count(v), sum(k), sum(v), avg(v), min(v), max(txt) from facts",
    "select k, count(*), sum(v), avg(v), min(txt), max(at) from facts group by k",
    "select grp, flag, count(*), sum(price), avg(price), min(day) from facts group by grp, flag",
    "select k % 7 as m, count(*) as c from facts group by m having count(*) > 100",
    "select count(distinct k), count(distinct grp), count(distinct v) from facts",
    "select grp, count(distinct k), sum(distinct k), count(*) from facts group by grp",
    "select count(distinct k) from skewed",
    "select k, count(*), sum(n) from skewed group by k",
    "select flag, bool_and(k > 3), bool_or(k > 98), bit_and(id), bit_xor(id) from facts group by flag",
    "select grp, stddev(k), var_pop(k), covar_samp(k, id), corr(k, id) from facts group by grp",
    "select grp, median(k), approx_distinct(k) >= 0 from facts group by grp",
    "select grp, percentile_cont(k, 0.25) from facts group by grp",
    "select grp, count(*) filter (where flag), sum(v) filter (where k > 50) from facts group by grp",
    "select grp, array_agg(id order by id) from facts where id < 200 group by grp",
    "select array_agg(distinct k order by k) from facts",
    "select grp, string_agg(txt, ',' order by id desc) from facts where id < 100 group by grp",
    "select grp, first_value(id order by id), last_value(id order by id) from facts group by grp",
    "select grp, k, flag, sum(v) from facts group by grouping sets ((grp, k), (flag), ())",
    "select grp, flag, count(*), grouping(grp), grouping(flag) from facts group by rollup (grp, flag)",
    "select grp, flag, k % 3 as m, count(*) from facts group by cube (grp, flag, m)",
    "select dict, count(*), min(dict) from facts group by dict",
    "select day, count(*) from facts group by day order by day limit 10",
    "select date_trunc('month', at) as m, count(*) from facts group by m order by m",
    "select extract(hour from at) as h, sum(id) from facts group by h order by h",
    "select count(*), sum(k), min(label), avg(v) from no_rows",
    "select label, count(*) from no_rows group by label",
    "select count(*), sum(k) from one_row",
    "select count(*) from facts where false",
    "select k, count(*) from facts where id > 99999 group by k",
    "select sum(c), max(s) from (select k, count(*) as c, sum(v) as s from facts group by k)",
    "select c, count(*) from (select k, count(*) as c from facts group by k) group by c",
    "select f.grp, d.name, sum(f.v) from facts f join dims d on f.k = d.k group by f.grp, d.name",
    "select id, count(*) from facts group by id having count(*) > 1",
    "select k, min(id), max(id) from facts group by k order by max(id) desc, k limit 5",
    "select max(id) - min(id), 2 * count(*) from facts",
    "select 1, count(*) from facts group by 1",
    "select upper(grp) as g, length(txt) as l, count(*) from facts group by g, l",
    "select count(*) from facts f where f.v = (select max(v) from facts)",
    "select avg(price), sum(price * price), sum(price / 3) from facts",
    "select k from facts group by k",
];

/// Partial results of each partition are put together by key.
#[test]
fn aggregates() -> Result<()> {
    check(AGGREGATES)
}

/// The same where a file is read by several tasks, each a part of it.
#[test]
fn aggregates_of_parts_of_files() -> Result<()> {
    check_with(&["datafusion.optimizer.repartition_file_min_size = 1"], AGGREGATES)
}

/// The same without partial results: rows go to the task of their key as they are.
#[test]
fn aggregates_of_small_batches() -> Result<()> {
    let settings = [
        "datafusion.execution.batch_size = 64",
        "datafusion.execution.skip_partial_aggregation_probe_rows_threshold = 10",
        "datafusion.execution.skip_partial_aggregation_probe_ratio_threshold = 0.01",
    ];
    check_with(&settings, AGGREGATES)
}

/// Conditions that are never null are keys as well: a check of DataFusion's that refuses them is off.
#[test]
fn aggregates_of_conditions() -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        let setting = "set datafusion.execution.skip_physical_aggregate_schema_check = true";
        oracle.on_single_node_only(setting).await?;
        let queries = [
            "select b, count(*) from (select *, (k > 30) is not false as b from facts where id > 0) group by b",
            "select b, sum(v) from (select *, k is not distinct from 7 as b from facts) group by b",
        ];
        oracle.check_all(&queries, Sameness::Rows).await
    })
}
