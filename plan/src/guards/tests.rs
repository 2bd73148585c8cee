//! Queries of which plain DataFusion has a wrong answer, with the right one: DuckDB's and PostgreSQL's.

use crate::session::planning_context;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::Result;
use datafusion::prelude::SessionContext;

/// The tables that the queries read.
const TABLES: [&str; 3] = [
    "create table t1 as select * from (values (1, 10), (2, 20), (null, 30), (4, 40)) v(id, z)",
    "create table t2 as select * from (values (1, 10), (null, 20), (5, 15), (4, null)) v(id, z)",
    "create table f as select cast(a as double) as a, v, cast(b as double) as b from (values \
     ('0.0', 1, 'nan'), ('-0.0', 2, '1'), ('1.5', 4, 'nan'), ('-0.0', 8, null)) t(a, v, b)",
];

/// The issue of apache/datafusion (0 where plain DataFusion is right as well, or says that it has no plan), a
/// query, and its rows in the order of their text.
const CASES: &[(u32, &str, &str)] = &[
    (25340, "select id from t1 where 3 not in (select id from t2)", ""),
    (25340, "select id from t1 where not (3 in (select id from t2))", ""),
    (25340, "select id from t1 where 3 not in (select id from t2) or id = 1", "1"),
    (25340, "select id from t1 where (3 not in (select id from t2)) is null", "1;2;4;null"),
    (25340, "select id from t1 where (id not in (select id from t2)) is null", "2;null"),
    (0, "select id from t1 where (id in (select id from t2)) is not true", "2;null"),
    (
        0,
        "select id from t1 where nullif(id, 2) not in (select z from t2 where z is not null)",
        "1;4",
    ),
    (0, "select id from t1 where id not in (select id from t2)", ""),
    (0, "select id from t1 where id not in (select id from t2 where id is not null)", "2"),
    (0, "select id from t1 where id in (select id from t2)", "1;4"),
    (0, "select id from t1 where id not in (select id from t2 where false)", "1;2;4;null"),
    (
        0,
        "select id from t1 where id not in (select id from t2 where id > 100) or z = 10",
        "1;2;4;null",
    ),
    (25340, "select id from t1 where id not in (select id from t2) or z = 10", "1"),
    (
        0,
        "select id, id in (select id from t2) as r, id not in (select id from t2 where id is not null) as n from t1",
        "1,true,false;2,null,true;4,true,false;null,null,null",
    ),
    (
        0,
        "select id, 3 not in (select id from t2) as r, 7 in (select id from t2 where false) as n from t1",
        "1,null,false;2,null,false;4,null,false;null,null,false",
    ),
    (
        0,
        "select id, exists (select 1 from t2 where t2.z = t1.z) as r from t1",
        "1,true;2,true;4,false;null,false",
    ),
    (
        0,
        "select id, id in (select id from t2 where t2.z = t1.z) as r, id not in (select id from t2 where t2.z = t1.z) as n from t1",
        "1,true,false;2,null,null;4,false,true;null,false,true",
    ),
    (25347, "select id from t1 where 3 not in (select id from t2 where t2.z = t1.z)", "1;4;null"),
    (25347, "select id from t1 where id not in (select id from t2 where t2.z = t1.z)", "4;null"),
    (
        25347,
        "select id from t1 where (id not in (select id from t2 where t2.z = t1.z)) is null",
        "2",
    ),
    (25336, "select id from t1 where id not in (select id from t2 where t2.z > t1.z)", "2;4;null"),
    (
        25336,
        "select id from t1 where id not in (select id from t2 where t2.z > t1.z) or z = 30",
        "2;4;null",
    ),
    (
        24960,
        "select id from t1 where exists (select count(*) from t2 where t2.id = t1.id)",
        "1;2;4;null",
    ),
    (24960, "select id from t1 where not exists (select count(*) from t2 where t2.id = t1.id)", ""),
    (24960, "select id from t1 where 0 in (select count(*) from t2 where t2.id = t1.id)", "2;null"),
    (
        24960,
        "select id from t1 where 0 not in (select count(*) from t2 where t2.id = t1.id)",
        "1;4",
    ),
    (22826, "select v, count(*) over (partition by a) as n from f", "1,3;2,3;4,1;8,3"),
    (22826, "select v, rank() over (order by a) as n from f", "1,1;2,1;4,4;8,1"),
    (22826, "select v, sum(v) over (order by a) as n from f", "1,11;2,11;4,15;8,11"),
    (0, "select count(*) as n from (select distinct a from f) q", "2"),
    (0, "select a = 0.0 as e, sum(v) as s from f group by a", "false,4;true,11"),
    (0, "select count(distinct a) as n from f", "2"),
    (
        0,
        "select x.v as one, y.v as two from f x join f y on x.a = y.a",
        "1,1;1,2;1,8;2,1;2,2;2,8;4,4;8,1;8,2;8,8",
    ),
    (0, "select v from f where a >= 0.0", "1;2;4;8"),
    (0, "select v from f where a in (0.0)", "1;2;8"),
    (0, "select v from f where a between 0.0 and 0.0", "1;2;8"),
    (
        0,
        "select count(*) as n from (select a from f where v = 1 except select a from f where v = 2) q",
        "0",
    ),
    (
        0,
        "select count(*) as n from (select a from f where v = 1 intersect select a from f where v = 2) q",
        "1",
    ),
    (22826, "select nullif(a, 0.0) is null as e, v from f", "false,4;true,1;true,2;true,8"),
    (
        22826,
        "select case a when 0.0 then 'zero' else 'other' end as e, v from f",
        "other,4;zero,1;zero,2;zero,8",
    ),
    (0, "select v from f where a in (select 0.0)", "1;2;8"),
    (0, "select min(v) as m, max(v) as n from f group by cast(a as float)", "1,8;4,4"),
    (0, "select count(*) as n from (select distinct b from f) q", "3"),
    (0, "select count(*) as n from f x join f y on x.b = y.b", "5"),
    (0, "select v, count(*) over (partition by b) as n from f", "1,2;2,1;4,2;8,1"),
    (0, "select v from f where b = 'nan'::double", "1;4"),
    (0, "select v from f where b > 5", "1;4"),
    (0, "select max(b) > 5 as m, min(b) as n from f", "true,1"),
    (
        0,
        "select date_trunc('hour', d) = timestamp '1900-06-15 07:00:00' as e from (values (timestamp '1900-06-15 07:09:00')) t(d)",
        "true",
    ),
    (
        0,
        "select date_trunc('day', d) = timestamp '1900-06-15 00:00:00' as e from (values (timestamp '1900-06-15 07:09:00')) t(d)",
        "true",
    ),
    (
        0,
        "select id, ntile(2) over (order by id nulls last) as n, ntile(7) over (order by id nulls last) as m from t1",
        "1,1,1;2,1,2;4,2,3;null,2,4",
    ),
    (
        0,
        "select id, (select regr_count(1.0, 1.0) from t2 where t2.id = t1.id) as r, (select count(*) from t2 where t2.id = t1.id) as n from t1",
        "1,1,1;2,0,0;4,1,1;null,0,0",
    ),
    (
        0,
        "select id, (select case when max(t2.z) > 10 then 'a' else 'b' end from t2 where t2.id = t1.id) as r from t1",
        "1,b;2,b;4,b;null,b",
    ),
    (
        0,
        "select id, (select coalesce(max(t2.z), -1) from t2 where t2.id = t1.id) as r from t1",
        "1,10;2,-1;4,-1;null,-1",
    ),
    (0, "select id from t1 where id <> 1 and id not in (select id from t2 where id is null)", ""),
    (
        0,
        "select id, count(*) as n from t2 group by grouping sets ((id), (id))",
        "1,1;1,1;4,1;4,1;5,1;5,1;null,1;null,1",
    ),
    (0, "select id from t1 where id > all (select id from t2)", ""),
    (0, "select id from t1 where (id > any (select id from t2)) is null", "1;null"),
    (0, "select id from t1 where id = any (select id from t2)", "1;4"),
    (0, "select id from t1 where not (id = any (select id from t2))", ""),
    (0, "select id from t1 where id <> all (select id from t2)", ""),
    (
        0,
        "select t1.id, q.n from t1, lateral (select count(*) as n from t2 where t2.id = t1.id) q",
        "1,1;2,0;4,1;null,0",
    ),
    (0, "select id from t1 where exists (select 1 from t2 where t2.id = t1.id limit 0)", ""),
    (0, "select id from t1 union select id from t2", "1;2;4;5;null"),
    (
        0,
        "select t1.id as a, t2.id as b from t1 full join t2 on t1.id = t2.id and t1.z > 20",
        "1,null;2,null;4,4;null,1;null,5;null,null;null,null",
    ),
    (
        0,
        "select t1.id as a, t2.id as b from t1 left join t2 on t1.id = t2.id where t2.id is null",
        "2,null;null,null",
    ),
    (
        0,
        "select t1.id as a, t2.id as b from t1 left join t2 on t1.id = t2.id and t2.id is null",
        "1,null;2,null;4,null;null,null",
    ),
    (
        25414,
        "select a, s['b'] as b from (select -a as a, s from (select 1 as a, named_struct('b', 'x') as s) q where a > 0) r",
        "-1,x",
    ),
    (
        25414,
        "select a, s['b'] as b from (select a * 10 as a, s from (select 1 as a, named_struct('b', 'x') as s) q limit 10) r",
        "10,x",
    ),
    (24246, "select id from t1 where id in (1, 2) and id not in (2, null)", ""),
    (24246, "select id from t1 where not (id in (1) and id in (2))", "1;2;4"),
    (
        24246,
        "select id, id not in (1, 2) or id not in (2, null) as r from t1",
        "1,null;2,false;4,true;null,null",
    ),
    (
        24246,
        "select id, id in (1, 2) and not (id in (2, null)) as r from t1",
        "1,null;2,false;4,false;null,null",
    ),
    (
        24246,
        "select id, not (id in (1) and id in (2)) as r from t1",
        "1,true;2,true;4,true;null,null",
    ),
    (
        24246,
        "select id, id in (1) and id in (2) as r, id not in (1) or id not in (2) as n from t1",
        "1,false,true;2,false,true;4,false,true;null,null,null",
    ),
    (24246, "select id from t1 where id not in (1) or id not in (2)", "1;2;4"),
    (24246, "select id from t1 where id in (z, 1) and id in (z / 10, 7)", "1"),
    (0, "select id from t1 where id in (1, 2) or id in (4, 5)", "1;2;4"),
    (0, "select id from t1 where id not in (1, 2) and id not in (7)", "4"),
    (
        0,
        "select id, id in (1, null) as r, id in (null) as n from t1",
        "1,true,null;2,null,null;4,null,null;null,null,null",
    ),
    (
        0,
        "select id, not (id = 1 or id = 2) or not (id = 2 or id = 4) as r from t1",
        "1,true;2,false;4,true;null,null",
    ),
    (
        0,
        "select id, p or q as r from (select id, id not in (1) as p, id not in (2) as q from t1) s",
        "1,true;2,true;4,true;null,null",
    ),
    (25283, "select id from t1 where exists (select 1 from t2 where t2.id = t1.id offset 1)", ""),
    (
        25283,
        "select id from t1 where exists (select 1 from (values (1), (1), (4)) v(k) where v.k = t1.id offset 1)",
        "1",
    ),
    (
        25283,
        "select id from t1 where not exists (select 1 from (values (1), (1), (4)) v(k) where v.k = t1.id limit 3 offset 1)",
        "2;4;null",
    ),
    (
        0,
        "select id from t1 where exists (select count(*) from t2 where t2.id = t1.id offset 1)",
        "",
    ),
    (
        25136,
        "select s from (values ('1'), ('abc'), ('2')) v(s) where case when s ~ '^[0-9]+$' then cast(s as int) > 0 else false end",
        "1;2",
    ),
    (
        25136,
        "select a from (values (0), (2), (null)) v(a) where case when a = 0 then true when a <> 0 then 10 / a > 1 else true end",
        "0;2;null",
    ),
    (
        0,
        "select a, case when a > 1 then a = 2 else null end as r from (values (1), (2), (null), (3)) v(a)",
        "1,null;2,true;3,false;null,null",
    ),
    (
        25471,
        "select id, lead(z, 2) ignore nulls over (order by id) as r from (values (1, 10), (2, 20), (3, 30), (4, 40), (5, null), (6, null), (7, 70)) v(id, z)",
        "1,30;2,40;3,70;4,null;5,null;6,null;7,null",
    ),
    (
        0,
        "select id, lag(z, -1, 0) ignore nulls over (order by id desc) as r from (values (1, 10), (2, null), (3, null), (4, 40)) v(id, z)",
        "1,0;2,10;3,10;4,10",
    ),
    (
        0,
        "select id, lag(z, 2) ignore nulls over (order by id) as r from (values (1, 10), (2, 20), (3, null), (4, null), (5, 50)) v(id, z)",
        "1,null;2,null;3,10;4,10;5,10",
    ),
    (
        25401,
        "select g, avg(v order by k) as r from (values (1, 2, 6), (1, 1, 3), (2, 4, 12)) t(g, k, v) group by g",
        "1,4.5;2,12",
    ),
    (
        25401,
        "select g, max(v order by k) as r, count(v order by k desc) as n from (values (1, 2, 6), (1, 1, 3), (2, 4, 12)) t(g, k, v) group by g",
        "1,6,2;2,12,1",
    ),
    (
        25401,
        "select g, bit_or(v order by k) as r from (values (1, 2, 6), (1, 1, 3), (2, 4, 12)) t(g, k, v) group by g",
        "1,7;2,12",
    ),
    (
        0,
        "select g, array_agg(v order by k) as r, first_value(v order by k desc) as f from (values (1, 2, 6), (1, 1, 3), (2, 4, 12)) t(g, k, v) group by g",
        "1,[3, 6],6;2,[12],12",
    ),
    (
        12956,
        "select a from (values (1), (1), (1), (2), (null), (null)) x(a) except all select a from (values (1), (2), (2), (null)) y(a)",
        "1;1;null",
    ),
    (
        12955,
        "select a from (values (1), (1), (1), (2), (null), (null)) x(a) intersect all select a from (values (1), (2), (2), (null)) y(a)",
        "1;2;null",
    ),
    (
        12956,
        "select a, b from (values (1, 'x'), (1, 'x'), (1, null), (1, null)) x(a, b) except all select a, b from (values (1, 'x'), (1, null)) y(a, b)",
        "1,null;1,x",
    ),
    (
        0,
        "select a from (values (1), (1), (null)) x(a) except select a from (values (2)) y(a)",
        "1;null",
    ),
    (
        0,
        "select a from (values (1), (1), (null)) x(a) intersect select a from (values (1), (1), (null)) y(a)",
        "1;null",
    ),
    (
        0,
        "select id, count(*) filter (where v > 1) over (order by id) as c, sum(id) filter (where v > 1) over () as s, string_agg(g, '') filter (where v > 1) over (order by id) as t from (values (1, null, 'a'), (2, 3, 'a'), (3, 1, 'b'), (4, null, 'b'), (5, 3, 'b')) q(id, v, g)",
        "1,0,7,null;2,1,7,a;3,1,7,a;4,1,7,a;5,2,7,ab",
    ),
    // apache/datafusion#16965, which plain DataFusion has where it plans for one task.
    (
        0,
        "select id, count(*) as n from (select id from t2 order by id) q group by grouping sets ((id), ())",
        "1,1;4,1;5,1;null,1;null,4",
    ),
    (
        0,
        "select id, lead(z, 1) ignore nulls over w as r, lag(z, 1) ignore nulls over w as l, row_number() over w as n from (values (1, 10), (2, null), (3, 30)) v(id, z) window w as (order by id)",
        "1,30,null,1;2,30,10,2;3,null,10,3",
    ),
    (0, "select i, j from (values (0), (1)) t(i), lateral (select i + 1) u(j)", "0,1;1,2"),
    (
        0,
        "select i, j, k from (values (0), (1)) t(i), lateral (select i + 1 as j) u, lateral (select j * 10 as k where j > 1) w",
        "1,2,20",
    ),
    (
        0,
        "select k, x.v from (values (1, [1, 2]), (2, [3]), (3, null)) t(k, a), unnest(t.a) as x(v)",
        "1,1;1,2;2,3",
    ),
    (
        0,
        "select k, v from (values (1, [1, 2]), (2, [3])) t(k, a) cross join unnest(a) as x(v) where v > 1",
        "1,2;2,3",
    ),
    (
        0,
        "select k, v from (values (1, [1, 2]), (2, [3]), (3, null), (4, make_array())) t(k, a) left join unnest(a) as x(v) on true",
        "1,1;1,2;2,3;3,null;4,null",
    ),
    (
        0,
        "select t.k, u.n from (values (1, 5), (2, 6)) t(k, z) left join lateral (select t.z * 2) u(n) on true",
        "1,10;2,12",
    ),
    (0, "select id, id in (select id from t1) as r from t1", "1,true;2,true;4,true;null,null"),
    (0, "select id from t1 where (id in (select id from t1 where id > 1)) is not true", "1;null"),
    (0, "select id from t1 where id not in (select id from t1 where id > 1) or id = 4", "1;4"),
    (
        0,
        "select case when id in (select id from t1 where id > 2) then 'y' else 'n' end as r, z from t1",
        "n,10;n,20;n,30;y,40",
    ),
    (0, "select id from t1 where id >= all (select id from t1 where id is not null)", "4"),
    (0, "select id from t1 where id = any (select id from t1 where z < 25)", "1;2"),
    (0, "select id in (select id from t2) as k, count(*) as n from t1 group by 1", "null,2;true,2"),
    (
        0,
        "select sum(case when id in (select id from t2) then z else 0 end) as s, count(*) filter (where z > (select avg(z) from t2)) as n from t1",
        "50,3",
    ),
    (
        0,
        "select exists (select 1 from t2 where t2.id = t1.id) as k, max(z) as m from t1 group by k",
        "false,30;true,40",
    ),
    // apache/datafusion#24096, which plain DataFusion has where the rows come from files.
    (
        0,
        "select b, count(*) as n from (select z is not distinct from 10 as b from t1 where id > 0) q group by b",
        "false,2;true,1",
    ),
    (
        0,
        "select b, count(*) as n from (select id, (z > 15) is not false as b from t1 where z > 0) q group by b",
        "false,1;true,3",
    ),
];

/// Queries that are refused, and a part of the error.
const REFUSED: &[(&str, &str)] = &[
    (
        "select array_agg(id) filter (where id > 1) over (order by id) from t1",
        "use CASE WHEN condition THEN x END",
    ),
    (
        "select id from t1 where exists (select 1 from t2 where t2.id = t1.id group by rollup(t2.id))",
        "join with the aggregate",
    ),
    (
        "select id from t1 where exists (select 1 from (select count(*) as c from t2 where t2.id = t1.id) as q where c = 0)",
        "join with the aggregate",
    ),
];

/// The rows of a query as text, sorted.
async fn rows(context: &SessionContext, query: &str) -> Result<String> {
    let batches = context.sql(query).await?.collect().await?;
    let options = FormatOptions::default().with_null("null");
    let mut rows = Vec::new();
    for batch in &batches {
        let columns = batch.columns().iter();
        let columns = columns.map(|column| ArrayFormatter::try_new(column, &options));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let values: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
            rows.push(values.join(","));
        }
    }
    rows.sort();
    Ok(rows.join(";").replace(".0", ""))
}

async fn with_tables(context: SessionContext) -> SessionContext {
    for table in TABLES {
        context.sql(table).await.unwrap().collect().await.unwrap();
    }
    context
}

/// Our answers are right.
#[tokio::test]
async fn answers_are_right() {
    let context = with_tables(planning_context()).await;
    let mut wrong = Vec::new();
    for (issue, query, expected) in CASES {
        let ours = context.clone();
        let found = tokio::spawn(async move { rows(&ours, query).await }).await;
        let found = found
            .map_or("a panic".to_string(), |found| found.unwrap_or_else(|error| error.to_string()));
        if found != *expected {
            wrong.push(format!("{issue}: {query}\n  {found}\n  instead of {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Plain DataFusion has another answer, or none. Where this fails its issue is solved, and the guard can go.
#[tokio::test]
async fn guards_are_needed() {
    let context = with_tables(SessionContext::new()).await;
    let mut right = Vec::new();
    for (issue, query, expected) in CASES.iter().filter(|(issue, ..)| *issue > 0) {
        // It panics in the optimiser of some.
        let plain = context.clone();
        let found = tokio::spawn(async move { rows(&plain, query).await }).await;
        if found.is_ok_and(|found| found.is_ok_and(|found| found == *expected)) {
            right.push(format!("{issue}: {query}"));
        }
    }
    assert!(right.is_empty(), "DataFusion is right: {}", right.join("\n"));
}

/// What has no right plan is refused, and the error says what to do.
#[tokio::test]
async fn the_rest_is_refused() {
    let context = with_tables(planning_context()).await;
    for (query, hint) in REFUSED {
        let error = rows(&context, query).await.expect_err(query).to_string();
        assert!(error.contains(hint), "{query}: {error}");
    }
}
