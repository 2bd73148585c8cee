//! Unions, differences and what else treats rows as sets.

use crate::fixture::{check, fixture};
use anyhow::{Result, ensure};
use datafusion::arrow::util::pretty::pretty_format_batches;

/// Unions whose inputs differ in their numbers of partitions, alone and below other operators:
/// each task of the union reads one partition of one input.
#[test]
fn unions() -> Result<()> {
    check(&[
        "select id from facts union all select k from dims",
        "select k from dims union all select id from facts union all select k from tiny",
        "select id as n, 'f' as t from facts where id < 50
            union all select eid, kind from events where eid < 50
            union all select k, label from one_row
            union all select k, label from no_rows",
        "select k from no_rows union all select k from no_rows",
        "select t, count(*), sum(n) from (
            select k as n, 'f' as t from facts union all select k, 'd' from dims
            union all select k, 'e' from events) group by t",
        "select sum(n), count(n), min(n), max(n) from (
            select id as n from facts union all select k from tiny union all select 3)",
        "select u.n, d.name from (
            select k as n from facts where id < 300 union all select k from tiny) u
            join dims d on d.k = u.n",
        "select d.k, u.n from dims d left join (
            select k as n from events where eid < 90 union all select k from tiny) u on d.k = u.n",
        "select n from (select id as n from facts union all select eid from events
            union all select k from tiny) where n < 20 order by n nulls first",
        "select n from (select id as n from facts union all select eid from events) order by n desc
            limit 17",
        "select a.id, t.label from facts a join tiny t on a.k = t.k
            union all
            select e.eid, t.label from events e join tiny t on e.k = t.k
            union all
            select k, name from dims",
        "select k, sum(v) as s from facts group by k union all
            select k, count(*) from events group by k union all select k, 0 from dims",
        "select k, max(s) from (
            select k, sum(v) as s from facts group by k union all
            select k, count(*) from events group by k) group by k",
        "select grp, n, row_number() over (partition by grp order by n) from (
            select grp, id as n from facts where id < 400
            union all select kind, eid + 10000 from events where eid < 400)",
        "select id from (select id from facts where id < 5 union all
            select id from (select id from facts where id > 5990 union all select k from tiny))",
        "select k from facts union select k from events union select k from dims",
        "select k, flag from facts union select k, k > 100 from events",
        "select count(*) from (select k from facts union all select k from events) a
            join (select k from tiny union all select k from one_row) b on a.k = b.k",
    ])
}

/// Intersections, differences and distinct rows, with nulls, which are equal here.
#[test]
fn sets_of_rows() -> Result<()> {
    check(&[
        "select k from facts intersect select k from events",
        "select k from facts except select k from events",
        "select k, label from tiny intersect select k, label from one_row",
        "select k from facts except select k from no_rows",
        "select k from no_rows except select k from facts",
        "select distinct k from facts",
        "select distinct grp, flag from facts",
        "select distinct dict from facts order by dict",
        "select distinct on (grp) grp, id from facts order by grp, id desc",
        "select count(*) from (select distinct k, grp from facts)",
        "select distinct k from no_rows",
        "select distinct 1 from facts",
    ])
}

/// `INTERSECT ALL` and `EXCEPT ALL` count copies, which plain DataFusion does not (apache/datafusion#12955, #12956): compared
/// with counts of both sides.
#[test]
fn copies_are_counted() -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        for (operation, copies) in [
            ("intersect", "least(coalesce(f.n, 0), coalesce(e.n, 0))"),
            ("except", "greatest(coalesce(f.n, 0) - coalesce(e.n, 0), 0)"),
        ] {
            let sql = format!(
                "with f as (select k, count(*) as n from facts group by k),
                    e as (select k, count(*) as n from events group by k),
                    expected as (select coalesce(f.k, e.k) as k, {copies} as n from f full join e on f.k is not distinct from e.k),
                    found as (select k, count(*) as n from
                        (select k from facts {operation} all select k from events) group by k)
                select count(*) as differ from expected x full join found y on x.k is not distinct from y.k
                    where coalesce(x.n, 0) <> coalesce(y.n, 0)"
            );
            let answer = oracle.cluster(&sql).await?;
            let text = pretty_format_batches(&answer.batches)?.to_string();
            ensure!(text.contains("| 0 "), "{operation}: {text}");
        }
        Ok(())
    })
}

/// Rows that come from no file.
#[test]
fn rows_from_nowhere() -> Result<()> {
    check(&[
        "select 1 as one, 'x' as x, null as nothing",
        "values (1, 'a'), (2, null), (null, 'c')",
        "select * from (values (1, 2.5), (3, 4.5)) as t (a, b) where a > 1",
        "select value from generate_series(1, 5000)",
        "select sum(value), count(*) from generate_series(1, 100000)",
        "select g.value, f.id from generate_series(1, 20) g join facts f on f.id = g.value * 7",
        "select value from generate_series(10, 1, -3)",
        "select v.a, f.id from (values (1), (2), (null)) as v (a) left join facts f on f.id = v.a",
        "select v.a, count(*) from (values (1), (60), (null)) as v (a)
            full join facts f on f.k = v.a group by v.a",
        "select 1 where false",
        "select count(*), sum(1) from (select 1 where false)",
        "select * from range(3) union all select * from range(2)",
    ])
}
