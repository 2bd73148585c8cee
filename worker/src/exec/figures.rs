//! Figures of each operator of a plan that ran.
//!
//! DataFusion counts them in the plan, over all tasks of a stage here that share it. What they grew by is told now and then,
//! and when a stage has no more tasks here.

use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use partita_shared::limits::{OPERATOR_LINE_CHARS_MAX, STAGE_OPERATORS_MAX};
use partita_shared::model::OperatorRow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The shortest time between two tellings of one stage while tasks of it are left.
const TELL_INTERVAL_MIN: Duration = Duration::from_secs(1);
/// The longest one: it grows with the time that the stage has run.
const TELL_INTERVAL_MAX: Duration = Duration::from_secs(30);
/// The part of the time that a stage has run between two tellings.
const TELL_PART: u32 = 4;
/// The shortest time between two tellings when no task of the stage is left for the moment.
const TELL_LAST_MIN: Duration = Duration::from_millis(250);

/// The operators of a plan, in its order, with what each did.
pub(crate) fn operators(plan: &Arc<dyn ExecutionPlan>) -> Vec<OperatorRow> {
    let mut rows = Vec::new();
    add(plan, 0, &mut rows);
    rows
}

fn add(plan: &Arc<dyn ExecutionPlan>, depth: usize, rows: &mut Vec<OperatorRow>) {
    if rows.len() >= STAGE_OPERATORS_MAX {
        return;
    }
    // Operators that count nothing only hand rows on, and their figures would be untrue: one shows what is below them.
    if plan.metrics().is_none()
        && let [child] = plan.children()[..]
    {
        return add(child, depth, rows);
    }
    let one_line = displayable(plan.as_ref()).one_line().to_string();
    let line = format!("{}{}", "  ".repeat(depth), one_line.trim_end());
    let line = line.chars().take(OPERATOR_LINE_CHARS_MAX).collect();
    let mut row = OperatorRow { line, ..OperatorRow::default() };
    if let Some(metrics) = plan.metrics() {
        row.rows = rows_of(plan).unwrap_or(0) as u64;
        row.elapsed_ns = metrics.elapsed_compute().unwrap_or(0) as u64;
        row.spilled_bytes = metrics.spilled_bytes().unwrap_or(0) as u64;
    }
    rows.push(row);
    plan.children().into_iter().for_each(|child| add(child, depth + 1, rows));
}

/// The rows that an operator gave. A repartition at the root of a stage never runs: the rows of its input are split into the
/// buckets of the output instead.
fn rows_of(plan: &Arc<dyn ExecutionPlan>) -> Option<usize> {
    let metrics = plan.metrics();
    let own = metrics.as_ref().and_then(|metrics| metrics.output_rows());
    own.or_else(|| match plan.children()[..] {
        [child] if metrics.is_none() || plan.is::<RepartitionExec>() => rows_of(child),
        _ => None,
    })
}

/// How much of the work of the operators of a stage was told.
#[derive(Debug)]
pub(super) struct Tellings {
    began: Instant,
    last: Option<Instant>,
    /// Whether a task ended since.
    has_news: bool,
    /// The figures of the shared plan that were told.
    told: Vec<OperatorRow>,
    /// Those of attempts with a plan of their own that were not.
    own: Vec<OperatorRow>,
}

impl Default for Tellings {
    fn default() -> Self {
        let (told, own) = Default::default();
        Tellings { began: Instant::now(), last: None, has_news: false, told, own }
    }
}

impl Tellings {
    /// A task ended, which had a plan of its own or the shared one.
    pub(super) fn ended(&mut self, own: Option<&Arc<dyn ExecutionPlan>>) {
        self.has_news = true;
        if let Some(plan) = own {
            OperatorRow::add_all(&mut self.own, operators(plan));
        }
    }

    /// Whether a task ended since.
    pub(super) fn has_news(&self) -> bool {
        self.has_news
    }

    /// Whether something is to be told now. `is_last`: no task of the stage is left here for the moment.
    pub(super) fn is_due(&self, is_last: impl FnOnce() -> bool) -> bool {
        if !self.has_news {
            return false;
        }
        let since = self.last.unwrap_or(self.began).elapsed();
        let pause = (self.began.elapsed() / TELL_PART).clamp(TELL_INTERVAL_MIN, TELL_INTERVAL_MAX);
        let is_soon = self.last.is_some() && since < TELL_LAST_MIN;
        since >= pause || (!is_soon && is_last())
    }

    /// What the operators did since it was told last. Lines are told once.
    pub(super) fn take(&mut self, shared: Option<&Arc<dyn ExecutionPlan>>) -> Vec<OperatorRow> {
        let is_first = self.last.is_none();
        (self.has_news, self.last) = (false, Some(Instant::now()));
        let now = shared.map(operators).unwrap_or_default();
        let mut news = std::mem::take(&mut self.own);
        OperatorRow::add_all(&mut news, grown(&now, &self.told));
        self.told = now;
        if !is_first {
            news.iter_mut().for_each(|row| row.line.clear());
        }
        news
    }
}

/// What figures grew by. A plan that was decoded anew begins with none.
fn grown(now: &[OperatorRow], before: &[OperatorRow]) -> Vec<OperatorRow> {
    let is_new = now.iter().zip(before).any(|(now, before)| {
        now.rows < before.rows || now.elapsed_ns < before.elapsed_ns || now.line != before.line
    });
    let before = if is_new { &[] } else { before };
    let row = |(at, row): (usize, &OperatorRow)| {
        let nothing = OperatorRow::default();
        let before = before.get(at).unwrap_or(&nothing);
        OperatorRow {
            line: row.line.clone(),
            rows: row.rows - before.rows,
            elapsed_ns: row.elapsed_ns - before.elapsed_ns,
            spilled_bytes: row.spilled_bytes.saturating_sub(before.spilled_bytes),
        }
    };
    now.iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{ArrayRef, Int32Array, RecordBatch};
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::datasource::memory::MemorySourceConfig;
    use datafusion::physical_expr::expressions::Column;
    use datafusion::physical_expr::{LexOrdering, Partitioning, PhysicalSortExpr};
    use datafusion::physical_plan::collect;
    use datafusion::physical_plan::coop::CooperativeExec;
    use datafusion::physical_plan::empty::EmptyExec;
    use datafusion::physical_plan::limit::GlobalLimitExec;
    use datafusion::physical_plan::sorts::sort::SortExec;

    fn row(line: &str, rows: u64) -> OperatorRow {
        OperatorRow { line: line.to_string(), rows, elapsed_ns: rows * 10, spilled_bytes: rows }
    }

    /// A repartition that never ran gave the rows of what is below it.
    #[tokio::test]
    async fn a_repartition_at_the_root_gives_all_rows() {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int32, false)]));
        let column = Arc::new(Int32Array::from(vec![3, 1, 2])) as ArrayRef;
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column]).unwrap();
        let rows = MemorySourceConfig::try_new_exec(&[vec![batch]], schema, None).unwrap();
        let key = PhysicalSortExpr::new_default(Arc::new(Column::new("a", 0)));
        let sort = Arc::new(SortExec::new(LexOrdering::new(vec![key]).unwrap(), rows));
        let sort = sort as Arc<dyn ExecutionPlan>;
        let parts = Partitioning::RoundRobinBatch(4);
        let root = Arc::new(RepartitionExec::try_new(Arc::clone(&sort), parts).unwrap());
        collect(sort, Arc::default()).await.unwrap();
        let found = operators(&(root as Arc<dyn ExecutionPlan>));
        assert_eq!(found.iter().map(|row| row.rows).collect::<Vec<_>>()[..2], [3, 3]);
    }

    /// An operator that counts nothing is left out, and what is below it takes its place.
    #[test]
    fn operators_that_count_nothing_are_left_out() {
        let scan = Arc::new(EmptyExec::new(Arc::new(Schema::empty())));
        let plan = Arc::new(GlobalLimitExec::new(Arc::new(CooperativeExec::new(scan)), 0, Some(1)));
        let rows = operators(&(plan as Arc<dyn ExecutionPlan>));
        let lines: Vec<&str> = rows.iter().map(|row| row.line.as_str()).collect();
        assert_eq!(lines, ["GlobalLimitExec: skip=0, fetch=1", "  EmptyExec"]);
    }

    /// Only what came since is told, and all of it if the plan was decoded anew.
    #[test]
    fn figures_grow() {
        let before = [row("Sort", 5), row("  Scan", 9)];
        let now = [row("Sort", 8), row("  Scan", 9)];
        assert_eq!(grown(&now, &before), [row("Sort", 3), row("  Scan", 0)]);
        let anew = [row("Sort", 2), row("  Scan", 10)];
        assert_eq!(grown(&anew, &before), anew);
        assert_eq!(grown(&now, &[]), now);
    }

    /// Nothing is told without news, the end of a stage is told at once, and not twice in a moment.
    #[test]
    fn the_end_is_told() {
        let mut tellings = Tellings::default();
        assert!(!tellings.is_due(|| true));
        tellings.ended(None);
        assert!(!tellings.is_due(|| false) && tellings.is_due(|| true));
        tellings.take(None);
        tellings.ended(None);
        assert!(!tellings.is_due(|| true));
    }
}
