//! Sorts, limits and windows.

use crate::fixture::{check, check_counts, check_with};
use anyhow::Result;

/// The partitions are sorted where they are and merged by one task.
#[test]
fn sorts() -> Result<()> {
    check(&[
        "select * from facts order by id",
        "select id, k from facts order by k nulls first, id desc",
        "select id, k from facts order by k desc nulls last, id",
        "select id, v, flag from facts order by flag nulls first, v desc nulls last, id",
        "select id from facts order by grp desc, txt",
        "select id from facts order by -id",
        "select dict, id from facts order by dict desc, id",
        "select at, id from facts order by at desc",
        "select price, id from facts order by price, id limit 50",
        "select k from no_rows order by k",
        "select * from tiny order by k nulls first",
        "select id, st from nested order by id desc",
        "select k, c from (select k, count(*) as c from facts group by k) order by c desc, k",
        "select f.id, d.name from facts f join dims d on f.k = d.k order by d.name desc, f.id",
        "select n from (select id as n from facts union all select eid from events) order by n",
    ])
}

/// Limits with a total order: the very rows count.
#[test]
fn top_rows() -> Result<()> {
    check(&[
        "select id, v from facts order by v desc nulls last, id limit 10",
        "select id, v from facts order by v nulls first, id limit 10 offset 250",
        "select id from facts order by id limit 0",
        "select id from facts order by id limit 5 offset 5998",
        "select id from facts order by id offset 5990",
        "select id from facts order by id limit 100000",
        "select count(*) from (select id from facts limit 1234)",
        "select count(*) from (select id from facts limit 1234 offset 5500)",
        "select sum(id) from (select id from facts order by id desc limit 100)",
        "select t.id, d.name from (select * from facts order by id limit 20) t join dims d on t.k = d.k",
        "select id from (select id from facts order by id limit 10) union all
            select eid from (select eid from events order by eid desc limit 10)",
        "select grp, c from (select grp, count(*) as c from facts group by grp)
            order by c desc, grp limit 3",
        "select id from (select id from facts order by id limit 50) order by id desc limit 5",
        "select k from tiny order by k nulls last limit 2",
        "select * from no_rows order by k limit 3",
    ])
}

/// Limits without an order may choose among the rows, but not how many.
#[test]
fn any_rows() -> Result<()> {
    check_counts(&[
        "select id from facts limit 10",
        "select id from facts limit 10 offset 3",
        "select id from facts offset 5990",
        "select id from facts limit 7000",
        "select * from facts where k = 5 limit 1",
        "select f.id, e.eid from facts f join events e on f.k = e.k limit 1000",
        "select id from facts union all select eid from events limit 6500",
        "select distinct k from facts limit 20",
        "select k, count(*) from facts group by k limit 3",
        "select id from facts limit 0",
        "select id from (select id from facts limit 100) where id > 0 limit 200",
    ])
}

const WINDOWS: &[&str] = &[
    "select id, row_number() over (order by id) from facts",
    "select id, grp, row_number() over (partition by grp order by id) from facts",
    "select id, lag(v) over (partition by grp order by id), lead(v, 2) over (partition by grp order by id)
        from facts",
    "select id, sum(k) over (partition by flag order by id) from facts",
    "select id, sum(k) over (order by id rows between 3 preceding and 1 following) from facts",
    "select id, count(*) over (partition by k order by id range between 200 preceding and current row)
        from facts",
    "select id, avg(v) over (partition by grp), max(v) over () from facts",
    "select id, rank() over (order by k), dense_rank() over (order by k),
        percent_rank() over (order by k), cume_dist() over (order by k) from facts",
    "select id, ntile(7) over (partition by grp order by id) from facts",
    "select id, first_value(txt) over w, last_value(txt) over w, nth_value(txt, 3) over w
        from facts window w as (partition by flag order by id)",
    "select grp, id, rn from (
        select grp, id, row_number() over (partition by grp order by id desc) as rn from facts)
        where rn <= 3 order by grp, rn",
    "select grp, sum(c) over (order by grp) from (select grp, count(*) as c from facts group by grp)",
    "select k, sum(v), rank() over (order by sum(v) desc, k) from facts group by k",
    "select id, sum(v) over (partition by k order by id),
        sum(v) over (partition by grp order by id) from facts",
    "select id, row_number() over (partition by k order by id) from skewed",
    "select id, sum(n) over (partition by k) from skewed",
    "select k, row_number() over (order by k) from no_rows",
    "select f.id, count(*) over (partition by d.name) from facts f join dims d on f.k = d.k",
    "select id, lag(day) over (order by id), day - lag(day) over (order by id) from facts",
    "select id, count(*) over (order by at range between interval '1 day' preceding and current row)
        from facts",
    // Nulls that are passed over.
    "select id, last_value(v) ignore nulls over (order by id rows between unbounded preceding and current row),
        first_value(txt) ignore nulls over (partition by k order by id) from facts",
    // `lead` that passes over nulls is wrong in plain DataFusion (apache/datafusion#25471).
    "select id, lag(v) ignore nulls over (order by id), lag(v, 2) ignore nulls over (partition by k order by id desc)
        from facts",
    "select id, last_value(v) ignore nulls over (order by id), first_value(v) ignore nulls over (order by id
        rows between current row and unbounded following) from facts",
    // Windows that go both ways through one sort.
    "select id, lag(v) over (order by id), lag(v) over (order by id desc), lead(k) over (order by id desc)
        from facts",
    "select id, nth_value(v, 2) over (order by id rows between unbounded preceding and current row),
        nth_value(v, 2) over (order by id desc rows between unbounded preceding and current row) from facts",
    "select id, last_value(v) ignore nulls over (order by id), last_value(v) ignore nulls over (order by id desc)
        from facts",
];

/// Windows over everything run in one task, those with partitions in the tasks of their keys.
#[test]
fn windows() -> Result<()> {
    check(WINDOWS)
}

/// The same with small batches, whose edges cut through the frames.
#[test]
fn windows_over_small_batches() -> Result<()> {
    check_with(&["datafusion.execution.batch_size = 50"], WINDOWS)
}
