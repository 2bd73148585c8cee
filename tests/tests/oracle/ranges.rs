//! Sorted persisted tables, whose partitions are ranges: windows, groups and joins that rely on it.

use crate::fixture::fixture;
use anyhow::{Context, Result, bail};
use datafusion::arrow::util::pretty::pretty_format_batches;
use partita_shared::message::{Reply, Request};
use partita_tests::oracle::{Oracle, Sameness};

/// More rows than one partition is thought enough for, with several rows at most times, missing
/// values and missing times.
const ROWS: &str = "select id * 4 + value as id, (id * 4 + value) / 3 as third, k, v, txt,
    case when id % 1000 = 7 then null else date_trunc('minute', at) end as at,
    arrow_cast(date_trunc('minute', at), 'Timestamp(Millisecond, None)') as clock
    from facts, generate_series(0, 3)";

/// Makes the rows a table on the cluster, sorted, and a view on the single node.
async fn sorted(oracle: &Oracle, name: &str, order: &str) -> Result<()> {
    persist(oracle, name, ROWS, order).await
}

/// Makes these rows a table on the cluster, sorted, and a view on the single node.
async fn persist(oracle: &Oracle, name: &str, rows: &str, order: &str) -> Result<()> {
    oracle.on_single_node_only(&format!("create view {name} as {rows}")).await?;
    let table = format!("create temporary table {name} as {rows} order by {order}");
    oracle.on_cluster_only(&table).await
}

/// How the cluster would run a query.
async fn explained(oracle: &Oracle, query: &str) -> Result<String> {
    let plan = oracle.cluster(&format!("explain {query}")).await?;
    Ok(pretty_format_batches(&plan.batches)?.to_string())
}

/// What the windows of a partition get of the others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gets {
    /// Rows of its neighbours.
    Rows,
    /// What the windows of those before found.
    Found,
    /// One window gets the one, another the other.
    Both,
    /// Everything: one task has all rows.
    All,
}

async fn check(oracle: &Oracle, gets: Gets, queries: &[&str]) -> Result<()> {
    for query in queries {
        let plan = explained(oracle, query).await?;
        let rows = matches!(gets, Gets::Rows | Gets::Both);
        let found = matches!(gets, Gets::Found | Gets::Both);
        assert_eq!(plan.contains("HaloExec"), rows, "{query}\n{plan}");
        assert_eq!(plan.contains("CarryExec"), found, "{query}\n{plan}");
    }
    oracle.check_all(queries, Sameness::Rows).await
}

/// How many stages the job had that made a persisted table.
async fn stages_of(oracle: &Oracle, table: &str) -> Result<usize> {
    let mut control = oracle.client().control().await?;
    let Reply::Tables(tables) = control.ask(Request::Tables).await? else { bail!("no tables") };
    let found = tables.into_iter().find(|row| row.name == table).context("no such table")?;
    match control.ask(Request::Stages(found.job)).await? {
        Reply::Stages(stages) => Ok(stages.len()),
        other => bail!("no stages: {other:?}"),
    }
}

/// Windows over a bounded number of rows get those of their neighbours, also where a window sees
/// over several partitions, where filters and projections are between, and where windows are above
/// each other.
#[test]
fn rows_of_neighbours() -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        sorted(&oracle, "up", "id").await?;
        sorted(&oracle, "down", "id desc").await?;
        check(
            &oracle,
            Gets::Rows,
            &[
                "select id, sum(k) over (order by id rows between 6 preceding and current row) from up",
                "select id, count(v) over (order by id rows between 40 preceding and 30 following),
                    min(txt) over (order by id rows between 3 following and 9 following) from up",
                "select id, sum(k) over (order by id rows between 9000 preceding and 9000 following)
                    from up",
                "select id, lag(k) over (order by id), lead(txt, 5) over (order by id),
                    lag(k, -2) over (order by id), lag(v, 3, -1.0) over (order by id) from up",
                "select id, k - lag(k) over (order by id) as d from up where k % 3 = 0 and id > 5000",
                "select id, max(s) over (order by id rows between 5 preceding and 2 following) from (
                    select id + 0 as id2, id, sum(k + 1) over (order by id rows between 7 preceding
                        and current row) as s from up)",
                "select id, first_value(k) over (order by id rows between 2 preceding and 1 preceding),
                    last_value(txt) over (order by id rows between 1 following and 4 following)
                    from up",
                "select k, sum(d) from (select k, id - lag(id, 2) over (order by id) as d from up)
                    group by k",
                "select id, sum(k) over (order by id desc rows between 6 preceding and current row)
                    from down order by id desc",
                "select id, count(*) over (order by id rows between 6 preceding and current row)
                    from up where id between 2000 and 20100",
                "select a.id, a.d, b.d from
                    (select id, lag(id) over (order by id) as d from up) a join
                    (select id, lead(id, 2) over (order by id) as d from up) b on a.id = b.id",
                "select id from up order by lead(id) over (order by id) desc limit 9",
                "select id, max(s) over (order by id rows between 5 preceding and 2 following) from
                    (select id, sum(k) over (order by id rows between 7 preceding and current row)
                        as s from up) where s % 3 = 0",
            ],
        )
        .await?;
        check(
            &oracle,
            Gets::All,
            &[
                "select id, sum(k) over (order by id desc rows between 3 preceding and current row)
                    from up",
                "select id, lag(k) over (order by v, id) from up",
                "select id, lag(k) over (order by id desc), lead(k, 3, -1) over (order by id desc)
                    from up",
                "select id, first_value(k) over (order by id desc rows between 3 preceding and
                    1 preceding), last_value(k) over (order by id desc rows between 2 preceding and
                    current row) from up",
                "select id, lag(k) over (partition by k order by id) from up",
            ],
        )
        .await
    })
}

/// Windows that begin with the first row get what those of the partitions before found, also where some
/// partitions have no rows or only missing values, beside and above windows that see neighbours.
#[test]
fn found_in_partitions_before() -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        sorted(&oracle, "up", "id").await?;
        sorted(&oracle, "down", "third desc, id").await?;
        let up_to = "rows between unbounded preceding and current row";
        let found = [
            format!("select id, sum(k) over (order by id {up_to}) from up"),
            "select id, sum(k) over (order by id), row_number() over (order by id) from up".to_string(),
            format!(
                "select id, min(k) over (order by id {up_to}), max(txt) over (order by id {up_to}),
                    max(at) over (order by id {up_to}), count(at) over (order by id {up_to}) from up"
            ),
            format!(
                "select id, last_value(gap) ignore nulls over (order by id {up_to}),
                    first_value(gap) ignore nulls over (order by id {up_to}), sum(gap) over
                    (order by id {up_to}), min(gap) over (order by id {up_to}) from (select id,
                    case when id % 9000 = 5000 then k end as gap from up)"
            ),
            "select third, count(*) over (order by third desc), sum(k) over (order by third desc)
                from down"
                .to_string(),
            format!(
                "select id, sum(k) over (order by id {up_to}) from up
                    where id not between 3000 and 12000 and k > 10"
            ),
            format!("select count(*), sum(s) from (select sum(k) over (order by id {up_to}) as s from up)"),
            format!(
                "select id, sum(s) over (order by id {up_to}) from (select id, count(*) over
                    (order by id {up_to}) as s from up)"
            ),
        ];
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        check(&oracle, Gets::Found, &found).await?;
        let both = [
            format!(
                "select id, sum(k) over (order by id {up_to}), lag(k) over (order by id),
                    max(k) over (order by id {up_to}), min(k) over (order by id rows between
                    3 preceding and 1 following) from up"
            ),
            format!(
                "select id, s - lag(s, 2) over (order by id) from (select id, sum(k) over
                    (order by id {up_to}) as s from up)"
            ),
            format!(
                "select id, sum(d) over (order by id {up_to}) from (select id, k - lag(k) over
                    (order by id) as d from up)"
            ),
        ];
        let both: Vec<&str> = both.iter().map(String::as_str).collect();
        check(&oracle, Gets::Both, &both).await?;
        let all = [
            "select id, rank() over (order by id) from up",
            "select id, avg(k) over (order by id) from up",
            "select id, count(distinct k) over (order by id) from up where id < 500",
        ];
        check(&oracle, Gets::All, &all).await
    })
}

/// Windows that see so much of the key get the rows of their neighbours that have it, in both orders,
/// with several rows of a key and with missing keys.
#[test]
fn times_of_neighbours() -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        sorted(&oracle, "up", "at").await?;
        sorted(&oracle, "first", "at nulls first").await?;
        sorted(&oracle, "down", "third desc").await?;
        sorted(&oracle, "clocks", "clock, id").await?;
        check(
            &oracle,
            Gets::Rows,
            &[
                "select id, count(*) over (order by at range between interval '3 hours' preceding
                    and current row), sum(k) over (order by at range between interval '10 minutes'
                    preceding and current row) from up",
                "select id, sum(k) over (order by at range between interval '4000 hours' preceding
                    and current row) from up",
                "select id, count(k) over (order by at nulls first range between interval '5 hours'
                    preceding and current row) from first",
                "select id, count(*) over (order by third desc range between 20 preceding
                    and current row) from down",
                "select id, avg(k) over (order by clock range between interval '2 days' preceding and
                    current row) from clocks where k > 50",
                "select id, lag(id) over (order by clock, id) from clocks",
            ],
        )
        .await?;
        check(
            &oracle,
            Gets::All,
            &[
                "select id, count(*) over (order by at range between interval '1 day' preceding and
                    current row) from up",
                "select id, count(*) over (order by third desc range between 2 preceding and
                    1 following) from down",
            ],
        )
        .await
    })
}

/// Groups by the key and joins of tables with the same ranges on it read every row where it lies.
#[test]
fn ranges_need_no_shuffle() -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        for setting in ["single_partition_threshold", "single_partition_threshold_rows"] {
            oracle
                .on_cluster_only(&format!("set datafusion.optimizer.hash_join_{setting} = 0"))
                .await?;
        }
        sorted(&oracle, "base", "third").await?;
        sorted(&oracle, "other", "third").await?;
        let made = "select third, k as j, id + 1 as plus from base where id % 5 < 3";
        persist(&oracle, "same", made, "third").await?;
        let where_they_lie = [
            "select third, count(*), sum(k) from base group by third",
            "select third + 0, min(v) from (select third, v from base where k > 9) group by third",
            "select b.id, s.plus from base b join same s on b.third = s.third",
            "select b.id, s.plus from base b left join same s on b.third = s.third and b.k < s.j",
            "select b.id, s.plus from base b full join same s on b.third = s.third",
            "select b.third, s.third, count(*) from base b right join same s on b.third = s.third
                group by b.third, s.third",
            "select id from base b where exists (select 1 from same s where s.third = b.third)",
            "select id from base where third not in (select third from same where j = 5)",
            "select id, row_number() over (partition by third order by id) from base",
            "select b.third, a.plus, row_number() over (partition by b.third order by b.id, a.plus)
                from base b join same a on a.third = b.third where b.id > 7000",
        ];
        for query in where_they_lie {
            let plan = explained(&oracle, query).await?;
            assert!(!plan.contains("Shuffle"), "{query}\n{plan}");
        }
        oracle.check_all(&where_they_lie, Sameness::Rows).await?;
        let one_side = [
            "select b.id, o.v from base b join other o on b.third = o.third",
            "select b.id, o.v from base b left join (select * from other where id > 9000) o
                on b.third = o.third",
            "select b.id, o.v from base b full join (select * from other where third > 3000) o
                on b.third = o.third",
        ];
        for query in one_side {
            let plan = explained(&oracle, query).await?;
            assert_eq!(plan.matches("Shuffle of stage").count(), 1, "{query}\n{plan}");
        }
        oracle.check_all(&one_side, Sameness::Rows).await?;
        let anywhere = [
            "select b.id, o.v from base b join other o on b.third = o.third and b.id = o.id",
            "select b.id, o.v from base b full join (select * from other where id > 9000) o
                on b.third = o.third and b.id = o.id",
            "select third, count(*) from (select third from base union all select third from same)
                group by third",
            "select third from base except select third from same",
            "select part, third from (select 0 as part, third from base union all
                select 1 as part, third from same) order by part, third",
            "select third, k, count(*) from base group by third, k",
            "select distinct third from base where third between 3000 and 7000",
            "select b.id, s.plus from base b join (select * from same where third > 5000) s
                on b.third = s.third",
        ];
        oracle.check_all(&anywhere, Sameness::Rows).await
    })
}

/// Files that are ranges of a key, by their statistics, are sorted by it where they are read: also
/// backwards, through projections and filters, and where some of them overlap. Others are shuffled.
#[test]
fn files_in_order_are_not_shuffled() -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        let folder = fixture.folder().join("in_order").display().to_string();
        for file in 0..24 {
            let (from, to) = (file * 1000, file * 1000 + if file % 5 == 0 { 1020 } else { 1000 });
            let rows = format!(
                "select (value * 7919) % 1000 + {from} as key, value as n,
                case when value % 9 = 0 then null else value end as gap
                from generate_series({from}, {to} - 1)"
            );
            let copy = format!("copy ({rows}) to '{folder}/{file}.parquet'");
            oracle.on_single_node_only(&copy).await?;
        }
        let tables = [
            ("file_up", format!("select * from '{folder}/'"), "key, n", true),
            (
                "file_down",
                format!("select n, key - 0 as less, key from '{folder}/' where n % 3 > 0"),
                "key desc, n",
                true,
            ),
            ("file_made", format!("select key + n as key, n from '{folder}/'"), "key, n", false),
            ("file_gaps", format!("select gap, n from '{folder}/'"), "gap, n", false),
        ];
        for (name, rows, order, in_place) in &tables {
            persist(&oracle, name, rows, order).await?;
            let stages = stages_of(&oracle, name).await?;
            assert_eq!(stages == 1, *in_place, "{name} was made by {stages} stages");
        }
        oracle
            .check_all(
                &[
                    "select * from file_up where key between 4990 and 5010",
                    "select key, n, lag(n) over (order by key, n) as l from file_up",
                    "select less, n from file_down order by key desc, n",
                    "select * from file_down where key > 22000",
                    "select * from file_made where key > 40000",
                    "select count(*), count(gap), sum(n) from file_gaps where n > 500",
                ],
                Sameness::Rows,
            )
            .await
    })
}

/// What windows make of a sorted table is sorted as it was: made a table, it is read in ranges again.
#[test]
fn windows_keep_the_order() -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        sorted(&oracle, "base", "id").await?;
        let made = "select id, id - lag(id, 3) over (order by id) as d from base";
        persist(&oracle, "made", made, "id").await?;
        let again = "select id, sum(d) over (order by id rows between 5 preceding and current row)
            from made where id < 12000";
        check(&oracle, Gets::Rows, &[again]).await
    })
}

/// A distance that leads out of the keys' type reaches all rows on that side: it does not wrap around.
#[test]
fn distances_do_not_wrap_around() -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        let up = format!("select arrow_cast(id, 'UInt64') as n, k from ({ROWS})");
        persist(&oracle, "whole", &up, "n").await?;
        let top = format!("select 9223372036854775807 - id as n, k from ({ROWS})");
        persist(&oracle, "top", &top, "n desc").await?;
        check(
            &oracle,
            Gets::Rows,
            &[
                "select n, sum(k) over (order by n range between 12000 preceding and current row)
                    from whole",
                "select n, count(*) over (order by n desc range between 9000 preceding and current row)
                    from top",
            ],
        )
        .await
    })
}

/// The two zeros are one key of groups and joins, though they are two in an order.
#[test]
fn both_zeros_lie_together() -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        let rows = "select case when id % 3 = 0 then -0.0 when id % 3 = 1 then 0.0 else id - 500.0 end
            as f, id from facts";
        for (name, order) in [("rising", "f"), ("falling", "f desc")] {
            oracle.on_single_node_only(&format!("create view {name} as {rows}")).await?;
            let table = format!(
                "create temporary table {name} with (splits = ['0']) as {rows} order by {order}"
            );
            oracle.on_cluster_only(&table).await?;
            let groups = format!("select count(*), sum(n) from (select count(*) as n from {name} group by f)");
            let joined = format!(
                "select count(*) from {name} a join {name} b on a.f = b.f where a.id < 9 and b.id < 9"
            );
            oracle.check_all(&[&groups, &joined], Sameness::Rows).await?;
        }
        Ok(())
    })
}

/// NaN is last in an order, though the statistics of a file do not show that it has some.
#[test]
fn files_with_what_is_no_number() -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        let folder = tempfile::TempDir::with_prefix("partita-nan-")?;
        let folder = folder.path().display();
        for (file, low) in [("a", 0), ("b", 10_000)] {
            let rows = format!(
                "select case when value % 1000 = 7 then arrow_cast('NaN', 'Float64')
                    else value + {low}.0 end as f, value as n from generate_series(0, 9999)"
            );
            let copy = format!("copy ({rows}) to '{folder}/{file}.parquet'");
            oracle.on_single_node_only(&copy).await?;
        }
        persist(&oracle, "measured", &format!("select f, n from '{folder}/'"), "f, n").await?;
        oracle
            .check_all(
                &[
                    "select count(*) from (select f from measured group by f)",
                    "select n, count(*) over (order by f, n rows between 1 preceding and current row)
                        from measured",
                    "select n, lag(n) over (order by f, n) from measured where f < 10005",
                ],
                Sameness::Rows,
            )
            .await
    })
}
