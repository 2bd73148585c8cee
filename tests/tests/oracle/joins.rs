//! Joins of every type, by every way of joining that the planner knows.

use crate::fixture::{check, check_with, fixture};
use anyhow::Result;

/// Joins by equal keys. `facts` and `events` lie in several partitions, `dims` and `tiny` in one;
/// keys are null, missing on either side, and there many times.
const EQUAL: &[&str] = &[
    "select f.id, e.eid from facts f join events e on f.k = e.k where f.id < 900 and e.eid < 300",
    "select f.id, e.eid from facts f left join events e on f.k = e.k and e.eid < 40",
    "select f.id, e.eid from facts f right join events e on f.k = e.k and f.id < 40",
    "select f.id, e.eid from (select * from facts where id < 200) f
        full join (select * from events where eid < 200) e on f.k = e.k",
    "select d.k, d.name, f.id from dims d left join facts f on d.k = f.k and f.id < 300",
    "select d.k, d.name, f.id from dims d right join facts f on d.k = f.k",
    "select d.k, d.name, f.id from dims d full join facts f on d.k = f.k and f.id % 3 = 0",
    "select t.label, f.id from facts f full join tiny t on f.k = t.k",
    "select t.label, f.id from tiny t full join facts f on f.k = t.k and f.v > 100",
    "select f.id from facts f left semi join events e on f.k = e.k",
    "select f.id from facts f left anti join events e on f.k = e.k",
    "select d.* from dims d left semi join facts f on d.k = f.k",
    "select d.* from dims d left anti join facts f on d.k = f.k",
    "select e.* from facts f right semi join events e on f.k = e.k",
    "select e.* from facts f right anti join events e on f.k = e.k",
    "select d.k from facts f right semi join dims d on f.k = d.k and f.id > 5000",
    "select id from facts f where exists (select 1 from events e where e.k = f.k)",
    "select id from facts f where not exists (select 1 from events e where e.k = f.k)",
    "select id from facts where k in (select k from events)",
    "select id from facts where k in (select k from events where k is not null and kind = 'open')",
    "select id from facts where k not in (select k from events)",
    "select id from facts where k not in (select k from events where k is not null)",
    "select id from facts where k not in (select k from tiny where k < 50)",
    "select id from facts where k not in (select k from no_rows)",
    "select k from tiny where k not in (select k from facts where k is not null)",
    // A mark join: the subquery's answer is one of several conditions.
    "select id from facts f
        where id < 10 or exists (select 1 from events e where e.k = f.k and e.amount > 490)",
    "select id from facts where k in (select k from events where amount > 450) is not true",
    "select k from dims d where weight < 3 or k in (select k from facts where v > 120)",
    "select f.id, e.eid from facts f join events e on f.k = e.k and f.grp = e.kind",
    "select f.id, e.eid from facts f join events e
        on f.k = e.k and f.id + e.eid > 9000 and f.v < e.amount",
    "select f.id, e.eid from facts f left join events e on f.k = e.k and f.id * 2 < e.eid + 30",
    "select a.id, b.id from facts a join facts b on a.id = b.id + 5000",
    // The columns of the second condition are not selected.
    "select f.k, e.k from facts f join events e on f.k = e.k and f.id < e.eid",
    "select distinct f.k, e.k from facts f left join events e on f.k = e.k and f.id * 9 < e.eid
        where e.k > 100 or f.k is distinct from e.k",
    "select f.id, d.name, t.label, e.eid from facts f
        join dims d on f.k = d.k join events e on e.k = d.k left join tiny t on t.k = f.k
        where f.id < 500 and e.eid < 500",
    "select count(*), sum(a.n), sum(b.n) from skewed a join skewed b on a.k = b.k and b.id < 50",
    "select a.id, b.id from skewed a left join skewed b on a.k = b.k and b.id = 2000 - a.id",
    "select f.id, o.label from facts f join one_row o on f.k = o.k",
    "select f.id, o.label from one_row o left join facts f on f.k = o.k and f.id < 0",
    "select f.id, n.label from facts f left join no_rows n on f.k = n.k where f.id < 50",
    "select f.id, n.label from facts f right join no_rows n on f.k = n.k",
    "select f.id, n.label from no_rows n full join facts f on f.k = n.k where f.id < 50",
    "select f.id, n.label from facts f join no_rows n on f.k = n.k",
    "select f.dict, count(*) from facts f join facts g on f.dict = g.dict and g.id < 9 group by 1",
    "select f.id, g.id from facts f join facts g on f.day = g.day and f.flag = g.flag
        where g.id < 300 and f.id > 5700",
    "select f.id, g.id from facts f join facts g on f.price = g.price and f.id < g.id",
    "select count(*) from facts f join facts g on f.at = g.at",
    "select f.id, t.label from facts f join tiny t on f.k is not distinct from t.k
        where f.id < 400",
    "select f.id, e.eid from facts f, events e where f.k = e.k and f.id in (1, 2, 3, 4)",
    // The join gives rows in the order in which the first ones are wanted.
    "select k from dims where k in (select k from tiny) order by k limit 2",
    "select d.k from dims d join tiny t on d.k = t.k order by d.k desc limit 2",
    "select distinct k from facts where k not in (select k from dims where k < 9) order by k limit 5",
    "select t.k, t.label from dims d right anti join tiny t on d.k = t.k order by t.k limit 1",
    "select * from tiny natural join one_row",
    "select k, f.id, e.eid from facts f join events e using (k) where f.id < 100 and e.eid < 100",
];

/// The small side goes whole to every task: the planner's choice for tables of this size.
#[test]
fn equal_keys_by_broadcast() -> Result<()> {
    check(EQUAL)
}

/// Both sides are split by their keys.
#[test]
fn equal_keys_by_partition() -> Result<()> {
    let never = [
        "datafusion.optimizer.hash_join_single_partition_threshold = 0",
        "datafusion.optimizer.hash_join_single_partition_threshold_rows = 0",
    ];
    check_with(&never, EQUAL)
}

/// Both sides are split by their keys, sorted and merged.
#[test]
fn equal_keys_by_sorting() -> Result<()> {
    check_with(&["datafusion.optimizer.prefer_hash_join = false"], EQUAL)
}

/// Joins by anything but equal keys, of every type: the whole of one side must be seen by each
/// task, and where rows without a match are wanted, only by one task.
#[test]
fn other_conditions() -> Result<()> {
    check(&[
        "select f.id, t.label from facts f join tiny t on f.k < t.k where f.id < 100",
        "select f.id, t.label from facts f left join tiny t on f.k > t.k and t.k > 50",
        "select f.id, t.label from facts f right join tiny t on f.id < t.k and f.id > 990",
        "select f.id, t.label from facts f full join tiny t on f.id + 5990 < t.k",
        "select t.label, f.id from tiny t left join facts f on f.id < t.k and f.id > 950",
        "select t.label, f.id from tiny t full join facts f on f.id < t.k and f.id > 950",
        "select t.label from tiny t where exists (select 1 from facts f where f.id < t.k)",
        "select t.label from tiny t where not exists (select 1 from facts f where f.id < t.k)",
        "select f.id from facts f where exists (select 1 from tiny t where f.id < t.k)",
        "select f.id from facts f where not exists (select 1 from tiny t where f.id > t.k * 9)",
        "select f.id from facts f
            where f.id = 5 or exists (select 1 from tiny t where f.id > t.k + 5000)",
        "select f.id, e.eid from facts f join events e
            on f.id between e.eid and e.eid + 1 where e.amount < 20",
        "select f.id, e.eid from facts f left join events e on f.v > e.amount * 50",
        "select f.id, n.k from facts f left join no_rows n on f.k < n.k where f.id < 20",
        "select f.id, n.k from no_rows n left join facts f on f.k < n.k",
        "select f.id, n.k from no_rows n full join facts f on f.k < n.k where f.id < 20",
        "select d.k, x.k from dims d left join dims x on d.k < x.k - 100",
    ])
}

/// Comparisons of one pair of columns, joined by merging sorted rows. It is an experiment of
/// DataFusion's, in which rows without a match are lost: only types that have none are asked.
#[test]
fn comparisons_by_piecewise_merge() -> Result<()> {
    check_with(
        &["datafusion.optimizer.enable_piecewise_merge_join = true"],
        &[
            "select f.id, t.label from facts f join tiny t on f.k < t.k where f.id < 100",
            "select t.label, f.id from tiny t join facts f on t.k >= f.id",
            "select count(*) from facts f join events e on f.id < e.eid",
        ],
    )
}

/// Rows without a match, found by a null of the other side. A single node of DataFusion 55 loses
/// rows here, since both sides have a column of the same name: the numbers are from the data.
#[test]
fn rows_without_a_match() -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        for (sql, rows) in [
            (
                "select a.weight, b.weight, b.k from dims a right join dims b on a.k = b.parent
                    where a.weight is null",
                11,
            ),
            (
                "select * from (select a.weight as x, b.weight as y from dims a
                    right join dims b on a.k = b.parent) where x is null",
                11,
            ),
            ("select b.k from tiny a right join dims b on a.k = b.k where a.label is null", 118),
        ] {
            assert_eq!(oracle.cluster(sql).await?.rows(), rows, "{sql}");
        }
        Ok(())
    })
}

/// Every row with every row.
#[test]
fn cross_products() -> Result<()> {
    check(&[
        "select t.label, o.label from tiny t cross join one_row o",
        "select f.id, t.label from facts f cross join tiny t where f.id < 100",
        "select count(*) from facts, tiny, dims where facts.id < 60",
        "select f.id, n.k from facts f cross join no_rows n",
        "select count(*) from (select 1 from facts cross join tiny)",
        "select a.label, b.label from tiny a, tiny b order by a.label, b.label",
        "select sum(f.id * e.eid) from (select id from facts where id < 30) f
            cross join (select eid from events where eid < 30) e",
    ])
}
