//! Subqueries and common table expressions.

use crate::fixture::check;
use anyhow::Result;

/// Subqueries that give one value, with and without a reference to the query around them.
#[test]
fn scalar_subqueries() -> Result<()> {
    check(&[
        "select id from facts where v > (select avg(v) from facts) order by id limit 20",
        "select (select count(*) from events) as n, (select max(k) from dims) as m",
        "select k, (select max(amount) from events e where e.k = d.k) as m from dims d",
        "select id from facts f where v > (select avg(v) from facts g where g.k = f.k)",
        "select k, (select count(*) from events e where e.k = d.k) as c from dims d",
        "select id, v - (select avg(v) from facts) as d from facts where id < 50",
        "select k from dims where k > (select k from one_row)",
        "select k from dims where k > (select k from no_rows)",
        "select k, (select label from no_rows) as nothing from dims",
        "select sum(v) from facts where k < (select max(k) / 2 from dims)",
        "select grp, count(*) from facts group by grp
            having count(*) > (select count(*) / 20 from facts)",
        "select case when (select count(*) from tiny) > 3 then 'many' else 'few' end",
        "select id from facts where k = (select min(k) from events) + 1",
        "select id from facts where k = (select k from events where eid = 77)",
        "select id, (select label from tiny where k = 60) as label from facts where id < 9",
        "select (select k from facts where id = 30000) as nothing, (select day from facts limit 1)",
        "select k from dims where k < (select distinct amount from events where amount = 7)",
    ])
}

/// Subqueries that stand for a set of rows.
#[test]
fn sets_of_values() -> Result<()> {
    check(&[
        "select id from facts where k in (select k from dims where parent = 3) and flag",
        "select k from dims d where exists (
            select 1 from facts f where f.k = d.k and f.v > 100 and f.grp <> 'common')",
        "select k from dims d where exists (select 1 from facts f where f.k = d.k)
            and not exists (select 1 from events e where e.k = d.k)",
        "select k from dims where k in (
            select k from facts where id in (select eid from events where amount < 10))",
        "select k from dims where exists (select 1 from no_rows)",
        "select k from dims where not exists (select 1 from no_rows)",
        "select d.k, s.m from dims d, lateral (
            select max(v) as m from facts f where f.k = d.k) s",
    ])
}

/// Names for subqueries, used once, twice, nested and by themselves.
#[test]
fn common_table_expressions() -> Result<()> {
    check(&[
        "with big as (select * from facts where v > 100) select count(*), sum(k) from big",
        "with s as (select k, sum(v) as s from facts group by k)
            select a.k, a.s - b.s from s a join s b on a.k = b.k + 1",
        "with a as (select k from facts where id < 100), b as (select k from a where k > 10)
            select count(*) from a, b where a.k = b.k",
        "with m as (select max(v) as m from facts) select id from facts, m where v = m.m",
        "with recursive n (i) as (select 1 union all select i + 1 from n where i < 50)
            select sum(i), count(*) from n",
        "with recursive n (i) as (select 1 union all select i * 2 from n where i < 3000)
            select n.i, f.grp from n join facts f on f.id = n.i order by n.i",
        "with recursive up (k, parent, depth) as (
            select k, parent, 0 from dims where k = 117
            union all select d.k, d.parent, depth + 1 from dims d join up on d.k = up.parent)
            select * from up order by depth",
    ])
}
