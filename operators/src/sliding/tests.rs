//! Windows by columns against DataFusion's own operators, on the same rows.

use super::with_sliding_windows;
use crate::testing::planning_context;
use datafusion::arrow::array::{Array, ArrayRef, Float64Array, RecordBatch};
use datafusion::arrow::compute::{cast, concat_batches};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use std::sync::Arc;

/// Rows in the order of `n` and of `at`, of which several have the same; values with gaps, and numbers
/// that are none.
const ROWS: &str = "select value as n, value / 3 as third,
        case when value % 50 = 7 then null else value * 7919 % 1009 - 500 end as k,
        case when value % 11 = 3 then null when value % 997 = 5 then 'NaN'::double
            else sin(value) * 1000 end as v,
        arrow_cast(value / 5 * 60, 'Timestamp(Second, None)') as at,
        case when value < 40 then null else value / 4 end as gap,
        cast(value as varchar) as txt
    from generate_series(0, 30000)";

/// A plan of these windows over the rows in this order, which is not sorted again.
async fn planned(windows: &str, order: &str) -> Arc<dyn ExecutionPlan> {
    let context = planning_context();
    let state = context.state_ref();
    state.write().config_mut().options_mut().execution.target_partitions = 1;
    let sql = format!("select n, {windows} from (select * from ({ROWS}) order by {order})");
    context.sql(&sql).await.expect("sql").create_physical_plan().await.expect("a plan")
}

async fn run(plan: &Arc<dyn ExecutionPlan>) -> RecordBatch {
    let context = planning_context().task_ctx();
    let batches = collect(Arc::clone(plan), context).await.expect("rows");
    concat_batches(&plan.schema(), &batches).expect("one batch")
}

/// Floating-point numbers may differ by what another order of adding gives.
fn same(one: &ArrayRef, other: &ArrayRef) -> bool {
    if *one.data_type() != DataType::Float64 {
        return one == other;
    }
    let float = |array: &ArrayRef| {
        let array = cast(array, &DataType::Float64).expect("numbers");
        array.as_any().downcast_ref::<Float64Array>().expect("numbers").clone()
    };
    let close =
        |a: f64, b: f64| a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-6 * (1.0 + a.abs());
    float(one).iter().zip(float(other).iter()).all(|pair| match pair {
        (Some(one), Some(other)) => close(one, other),
        (one, other) => one.is_none() && other.is_none(),
    })
}

async fn check(windows: &str, order: &str) {
    let plan = planned(windows, order).await;
    let faster = with_sliding_windows(Arc::clone(&plan)).expect("a plan");
    let text = displayable(faster.as_ref()).indent(false).to_string();
    assert!(text.contains("SlidingWindowExec"), "{windows}\n{text}");
    let (theirs, ours) = (run(&plan).await, run(&faster).await);
    assert_eq!(theirs.num_rows(), ours.num_rows(), "{windows}");
    assert_eq!(theirs.schema(), ours.schema(), "{windows}");
    for column in 0..theirs.num_columns() {
        if same(theirs.column(column), ours.column(column)) {
            continue;
        }
        let differs = |row: &usize| {
            let one = theirs.column(column).slice(*row, 1);
            !same(&one, &ours.column(column).slice(*row, 1))
        };
        let row = (0..theirs.num_rows()).find(differs).unwrap_or(0);
        let shown = |batch: &RecordBatch| {
            let rows = batch.slice(row.saturating_sub(2), 5.min(batch.num_rows() - row));
            pretty_format_batches(&[rows]).expect("text").to_string()
        };
        panic!("{windows}, row {row}\n{}\n{}", shown(&theirs), shown(&ours));
    }
}

/// Each function over windows of rows before, around, after, and apart from their row.
#[tokio::test]
async fn windows_of_rows() {
    let frames = [
        "0 preceding and current row",
        "6 preceding and current row",
        "100 preceding and 20 following",
        "3 following and 9 following",
        "40 preceding and 30 preceding",
        "9000 preceding and 9000 following",
        "40000 preceding and 40000 following",
        "unbounded preceding and current row",
        "unbounded preceding and 5 preceding",
        "unbounded preceding and 10 following",
        "current row and 8500 following",
    ];
    for frame in frames {
        let over = format!("over (order by n rows between {frame})");
        let windows = format!(
            "count(v) {over}, count(*) {over}, count(txt) {over}, sum(k) {over}, min(k) {over},
             max(v) {over}, min(at) {over}"
        );
        check(&windows, "n").await;
    }
}

/// Sums of floating-point numbers and functions based on them, for values without NaN: DataFusion's
/// running sums never lose a NaN again.
#[tokio::test]
async fn sums_of_floats() {
    let v = "case when v = 'NaN'::double then 1 else v end";
    for frame in ["6 preceding and 2 following", "9000 preceding and current row"] {
        let over = format!("over (order by n rows between {frame})");
        let windows = format!(
            "sum({v}) {over}, avg({v}) {over}, avg(k) {over}, stddev({v}) {over},
             var_pop({v}) {over}, stddev_pop({v}) {over}, var_samp({v}) {over}"
        );
        check(&windows, "n").await;
    }
    let over = "over (order by n rows between unbounded preceding and current row)";
    check(&format!("sum({v}) {over}, avg({v}) {over}, var_samp({v}) {over}"), "n").await;
}

/// Windows by the key: numbers and times, rising and falling, with missing keys at either end.
#[tokio::test]
async fn windows_of_keys() {
    for (order, range) in [
        ("third", "between 10 preceding and current row"),
        ("third", "between unbounded preceding and current row"),
        ("third", "between current row and current row"),
        ("third desc", "between 10 preceding and current row"),
        ("at", "between interval '7 minutes' preceding and current row"),
        ("at desc", "between interval '2 days' preceding and current row"),
        ("gap", "between 3 preceding and current row"),
        ("gap nulls first", "between 3 preceding and current row"),
        ("gap desc nulls last", "between unbounded preceding and current row"),
        ("gap desc", "between 5000 preceding and current row"),
    ] {
        let over = format!("over (order by {order} range {range})");
        check(&format!("count(v) {over}, sum(k) {over}, max(k) {over}"), order).await;
    }
}

/// Values of rows before and after, and numbers of rows.
#[tokio::test]
async fn other_rows() {
    let over = "over (order by n)";
    for by in [0, 1, -1, 7, 9000, -9000, 40000, -40000] {
        let windows = format!(
            "lag(txt, {by}) {over}, lead(k, {by}) {over}, row_number() {over},
             sum(k) over (order by n rows between 3 preceding and current row)"
        );
        check(&windows, "n").await;
    }
}

/// Windows that have no typed form stay what they are.
#[tokio::test]
async fn other_windows_stay() {
    for window in [
        "sum(k) over (partition by third order by n)",
        "count(distinct k) over (order by n rows between 3 preceding and current row)",
        "sum(k) filter (where k > 0) over (order by n)",
        "rank() over (order by third)",
        "lag(k, 1, 0) over (order by n)",
        "max(txt) over (order by n)",
        "sum(k) over (order by n rows between current row and unbounded following)",
        "sum(k) over (order by at range between interval '1 month' preceding and current row)",
    ] {
        let plan = planned(window, "n").await;
        let faster = with_sliding_windows(plan).expect("a plan");
        let text = displayable(faster.as_ref()).indent(false).to_string();
        assert!(!text.contains("SlidingWindowExec"), "{window}\n{text}");
    }
}

/// NaN leaves a window with its row.
#[tokio::test]
async fn sums_forget_what_is_no_number() {
    let plan = planned("sum(v) over (order by n rows between 2 preceding and current row)", "n");
    let faster = with_sliding_windows(plan.await).expect("a plan");
    let sums = run(&faster).await;
    let sums = sums.column(1).as_any().downcast_ref::<Float64Array>().expect("sums").clone();
    let wrong = sums.iter().flatten().filter(|sum| sum.is_nan()).count();
    // This many rows are NaN, each in three windows.
    assert_eq!(wrong, 28 * 3);
}
