//! Clauses that are refused, and clauses that are rewritten.

use super::logical_plan;
use crate::error::plain;
use crate::session::planning_context;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::SessionContext;

/// A session with two tables.
async fn context() -> SessionContext {
    let context = planning_context();
    for (name, rows) in [("t", "(1, 'a'), (2, 'b'), (3, 'b')"), ("u", "(2, 'x'), (3, 'y')")] {
        let sql = format!("create table {name} as select * from (values {rows}) v(id, g)");
        context.sql(&sql).await.unwrap().collect().await.unwrap();
    }
    context
}

async fn rows(context: &SessionContext, sql: &str) -> String {
    let plan = logical_plan(&context.state(), sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let frame = context.execute_logical_plan(plan).await.unwrap();
    pretty_format_batches(&frame.collect().await.unwrap()).unwrap().to_string()
}

/// The rows without the names of the columns.
async fn values(context: &SessionContext, sql: &str) -> Vec<String> {
    let text = rows(context, sql).await;
    let cells =
        |line: &str| line.split('|').map(|cell| cell.trim().to_string()).collect::<Vec<_>>();
    let lines = text.lines().filter(|line| line.starts_with('|')).skip(1);
    lines.map(|line| cells(line).join("|")).collect()
}

/// Statements with a clause that the planner would ignore, or of which it has nothing to say, and a part of the
/// remedy.
const REFUSED: &[(&str, &str)] = &[
    ("select * from t tablesample bernoulli (10)", "random() < 0.1"),
    ("select * from t tablesample system (10)", "random() < 0.1"),
    ("select * from t tablesample (100 rows)", "random() < 0.1"),
    ("select * from (select * from t) tablesample bernoulli (10)", "random() < 0.1"),
    ("select id in (select id from u tablesample bernoulli (10)) from t", "random() < 0.1"),
    ("create view v as select * from t tablesample bernoulli (10)", "random() < 0.1"),
    ("select * from t with (nolock)", "omit"),
    ("select g, count(*) from t group by g with rollup", "GROUP BY ROLLUP (a, b)"),
    ("select g, count(*) from t group by g with cube", "GROUP BY CUBE (a, b)"),
    ("select g, count(*) from t group by g with totals", "GROUP BY ROLLUP (a, b)"),
    ("select * from t for update", "omit the clause"),
    ("select * from t for share", "omit the clause"),
    ("select id into w from t", "CREATE TABLE name AS"),
    ("select * from t sort by id", "ORDER BY"),
    ("select * from t distribute by id", "ORDER BY"),
    ("select * from t cluster by id", "ORDER BY"),
    ("select * from t lateral view explode(id) e as x", "unnest"),
    ("select * from t fetch first 10 percent rows only", "LIMIT"),
    ("select * from t order by id fetch first 1 row with ties", "rank()"),
    (
        "with recursive r as (select 1 as n union all select n + 1 from r limit 3) select * from r",
        "outer query",
    ),
    ("select * from t join u", "add ON or USING"),
    ("select * from t left join u", "add ON or USING"),
    ("select * from t where id in (select t.id from t join u)", "add ON or USING"),
    ("select * from (t join u)", "add ON or USING"),
    ("select * from t positional join u", "row_number()"),
    ("select * from t cross apply (select 1)", "LATERAL"),
    ("select * from t pivot (sum(id) for g in ('a', 'b'))", "FILTER"),
    ("select sum(id) over (w order by id) from t window w as (partition by g)", "OVER (..)"),
    ("select id from t order by sum(id) over w", "WINDOW w AS"),
    ("select upper(distinct g) from t", "for each row"),
    ("select abs(id) over () from t", "for each row"),
    ("select abs(id) filter (where id > 1) from t", "for each row"),
    ("select * from t natural full join u", "ON l.k = r.k"),
    ("select * from (t full join u using (id))", "ON l.k = r.k"),
    ("select * exclude (g) from t full join u using (id)", "list the columns"),
    ("select id from t cross join (values (1)) v(a) full join u using (id)", "ON l.k = r.k"),
    ("select array_sort([1, 2], g) from t", "constant"),
    ("select to_char(now(), 'YYYY-MM-DD')", "'%Y-%m-%d %H:%M:%S'"),
    ("select g collate \"de\" from t", "lower(x)"),
    ("select cast(g as datetime) from t", "TIMESTAMP"),
    ("select 7 // 2", "floor(a / b)"),
    ("select id ^ 2 from t", "power(a, b)"),
    ("create index i on t (id)", "ORDER BY"),
    ("begin", "by itself"),
    ("commit", "by itself"),
    ("update t set id = 1", "CREATE OR REPLACE TABLE"),
    ("delete from t", "CREATE OR REPLACE TABLE"),
    ("explain select * from t join u", "add ON or USING"),
    ("copy (select * from t join u) to 'x.csv'", "add ON or USING"),
];

/// Each of these is an error that names the remedy.
#[tokio::test]
async fn ignored_clauses_are_refused() {
    let context = context().await;
    let mut wrong = Vec::new();
    for (sql, remedy) in REFUSED {
        match logical_plan(&context.state(), sql).await {
            Ok(_) => wrong.push(format!("{sql}: planned")),
            Err(error) => {
                let text = plain(&error);
                if !text.contains(remedy) || text.contains('\n') {
                    wrong.push(format!("{sql}: {text}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What has the same meaning in other words gets its rows.
#[tokio::test]
async fn other_words_are_rewritten() {
    let context = context().await;
    for (sql, same) in [
        ("from t order by id", "select * from t order by id"),
        ("select id from (from t) order by id", "select id from t order by id"),
        (
            "select id from t order by id fetch first 2 rows only",
            "select id from t order by id limit 2",
        ),
        (
            "select id from t order by id offset 1 fetch next row only",
            "select id from t order by id limit 1 offset 1",
        ),
        ("select g, id + 1 as n from t order by all", "select g, id + 1 as n from t order by 1, 2"),
        (
            "select g from t union select g from u order by all desc",
            "select g from t union select g from u order by 1 desc",
        ),
        (
            "select id from t semi join u on t.id = u.id order by 1",
            "select id from t left semi join u on t.id = u.id order by 1",
        ),
        (
            "select id from t anti join u on t.id = u.id order by 1",
            "select id from t left anti join u on t.id = u.id order by 1",
        ),
        (
            "select id from t window w as (partition by g order by id) qualify row_number() over w = 1 order by 1",
            "select id from t qualify row_number() over (partition by g order by id) = 1 order by 1",
        ),
        (
            "select id from t window w as (order by id desc) order by sum(id) over w",
            "select id from t order by sum(id) over (order by id desc)",
        ),
        (
            "select a is not distinct from c and b is not distinct from d or not a is distinct from d and e from (values (1, 2, 1, 3, true), (null, 1, null, 1, false)) v(a, b, c, d, e)",
            "select (a is not distinct from c) and (b is not distinct from d) or (not (a is distinct from d)) and e from (values (1, 2, 1, 3, true), (null, 1, null, 1, false)) v(a, b, c, d, e)",
        ),
        ("select false is distinct from true and false", "select false"),
        ("select true and false is distinct from false or true", "select true"),
        ("select false is distinct from (true and false)", "select false"),
        (
            "with recursive f(n, a, b) as (select 1, 0, 1 union all select n + 1, b, a + b from f where n < 10) select max(a) from f",
            "select 34",
        ),
        (
            "select y, x from (select 1, 1 union all select 2, 3) t(x, y) order by x",
            "select * from (values (1, 1), (3, 2)) v(y, x) order by 2",
        ),
        ("select x[:2], x[2:] from (select [1, 2, 3] as x)", "select [1, 2], [2, 3]"),
        (
            "select mod(id + 5, 3), sign(-id) from t order by 1, 2",
            "select (id + 5) % 3, signum(-id) from t order by 1, 2",
        ),
        (
            "select year(d), month(d), week(d), ceiling(x), variance(x) from (values (date '2024-12-30', 1.5)) v(d, x) group by d, x",
            "select 2024, 12, 1, 2.0, null",
        ),
        ("select list_value(1, 2)", "select [1, 2]"),
        ("select * from (select id from t order by id desc) limit 1", "select 3 as id"),
        (
            "with x as (select id, g from t order by id desc) select id from x where id < 3 limit 1",
            "select 2 as id",
        ),
        (
            "select id from t full join u using (id) order by id",
            "select coalesce(t.id, u.id) as id from t full join u on t.id = u.id order by 1",
        ),
        (
            "select * from u right join t using (id) order by id",
            "select t.id, u.g, t.g from u right join t on u.id = t.id order by 1",
        ),
        (
            "select id, t.id as a, u.g from t full join u using (id) where id > 1 order by u.g desc, id",
            "select coalesce(t.id, u.id) as id, t.id as a, u.g from t full join u on t.id = u.id where coalesce(t.id, u.id) > 1 order by u.g desc, 1",
        ),
        (
            "select id, count(*) as n from (values (4)) a(id) full join u using (id) group by id having id > 2 order by -id",
            "select * from (values (4, 1), (3, 1)) v(id, n)",
        ),
        (
            "select * from (values (1)) a(k) full join (values (4)) b(k) using (k) full join (values (9)) c(k) using (k) order by k",
            "select * from (values (1), (4), (9)) v(k) order by 1",
        ),
        (
            "select k + 1 as k from (values (1)) a(k) full join (values (4)) b(k) using (k) order by k desc",
            "select * from (values (5), (2)) v(k)",
        ),
        (
            "select k, x, y from (values (1, 2)) a(k, x) left join (values (1, 3)) b(k, y) using (k) full join (values (5)) c(k) using (k) order by k",
            "select * from (values (1, 2, 3), (5, null, null)) v(k, x, y) order by 1",
        ),
    ] {
        assert_eq!(values(&context, sql).await, values(&context, same).await, "{sql}");
    }
    // Similar statements are not refused.
    for sql in [
        "select * from t cross join u",
        "select * from t natural join u",
        "select * from t, u",
        "select count(distinct g) filter (where id > 1) from t",
        "select sum(id) over (partition by g) from t",
        "select to_char(now(), '%Y')",
        "with recursive r as (select 1 as n union all select n + 1 from r where n < 3) select * from r limit 2",
    ] {
        rows(&context, sql).await;
    }
}

/// A row of several values is compared with the rows of a query, where NULL and false are alike.
#[tokio::test]
async fn rows_are_compared_with_queries() {
    let context = context().await;
    for (condition, ids) in [
        (
            "(id, g) in (select 2, 'b' union all select 3, 'x' union all select null, 'b')",
            vec!["2"],
        ),
        ("id > 1 and ((id, g) in (select id, 'b' from u))", vec!["2", "3"]),
        ("(id, g) in (select max(id), g from t group by g)", vec!["1", "3"]),
        ("(id + 1, upper(g)) in (select id, 'B' from u)", vec!["2"]),
        ("(id, g) in (select id, g from t order by id desc limit 1)", vec!["3"]),
        ("(t.id, g) in (select id, (select min(g) from t) from u where u.id in (2, 7))", vec![]),
    ] {
        let sql = format!("select id from t where {condition} order by id");
        let expected: Vec<_> = ids.iter().map(|id| format!("|{id}|")).collect();
        assert_eq!(values(&context, &sql).await, expected, "{sql}");
    }
    for sql in [
        "select (id, g) in (select 2, 'b') from t",
        "select id from t where (id, g) not in (select 2, 'b')",
        "select id from t where not (id, g) in (select 2, 'b')",
        "select id from t where id = 1 or (id, g) in (select 2, 'b')",
    ] {
        let error = logical_plan(&context.state(), sql).await.expect_err(sql);
        assert!(plain(&error).contains("use EXISTS"), "{sql}: {error}");
    }
}

/// Columns of one name stand beside each other, the later ones with a number.
#[tokio::test]
async fn columns_of_one_name_are_numbered() {
    let context = context().await;
    for (sql, names, row) in [
        ("select id, id from t where id = 2", "id|id_1", "2|2"),
        (
            "select id, t.id, id as id, id as id_1 from t where id = 2",
            "id|id_2|id_3|id_1",
            "2|2|2|2",
        ),
        ("select *, id from t where id = 2", "id|g|id_1", "2|b|2"),
        ("select g, t.* from t where id = 2", "g_1|id|g", "b|2|b"),
        ("select t.*, t.g from t where id = 2", "id|g|g_1", "2|b|b"),
        ("select count(*), count(*) from t", "count(*)|count(*)_1", "3|3"),
        ("select 1, 1, 1", "Int64(1)|1_1|1_2", "1|1|1"),
        ("select 1 as a, 2 as a", "a|a_1", "1|2"),
        ("select id + 1 as id, id from t where id = 2", "id|id_1", "3|2"),
        ("select t.id, u.id from t join u on t.id = u.id where t.id = 2", "id|id", "2|2"),
        ("select a, a_1 from (select id as a, id as a from t where id = 2) s", "a|a_1", "2|2"),
        ("select g, g, count(*) from t group by g order by g limit 1", "g|g_1|count(*)", "a|a|1"),
        ("select id, \"ID\" from (select 1 as id, 2 as \"ID\") s", "id|ID", "1|2"),
        ("select id, 'id', 'Id' from t where id = 2", "id|Utf8(\"id\")|Utf8(\"Id\")", "2|id|Id"),
        ("select * exclude (g), g from t where id = 2", "id|g", "2|b"),
        (
            "select id, cast(id as int), id::double from t where id = 2",
            "id|CAST(id AS INT)|id::DOUBLE",
            "2|2|2.0",
        ),
        (
            "select id + 1, (id::int) + 1, ID from t where id = 2",
            "t.id + Int64(1)|(id::INT) + 1|id",
            "3|3|2",
        ),
    ] {
        let shown = rows(&context, sql).await;
        let header = shown.lines().nth(1).unwrap_or_default();
        let header: Vec<_> = header.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(header.join("|"), names, "{sql}");
        assert_eq!(values(&context, sql).await, [format!("|{row}|")], "{sql}");
    }
}
