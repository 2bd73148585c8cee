//! Cutting a plan into stages at its exchanges.
//!
//! A plan is walked from its root. Where rows must change partitions, the part below becomes a
//! stage of its own and an [`ExchangeExec`] takes its place:
//!
//! | operator | below it | in its place |
//! |---|---|---|
//! | `RepartitionExec` | split into buckets | one bucket of every partition |
//! | `CoalescePartitionsExec` | kept whole | every partition |
//! | `SortPreservingMergeExec` | kept whole, sorted | the partitions, one by one, merged by it |
//! | the collected side of a join | kept whole | every partition, for every task |
//! | `PersistedExec` | stands for a persisted result | its partitions, one for each task |
//! | `SharedExec` of several readers | its relation, kept whole, once for all | its partitions, one for each task |
//! | `RangedWindowExec` | its edges, or what its windows found | those of the partitions that it needs |
//!
//! Unions need no cut: a task of a union runs one partition of one of its inputs, and
//! [`InputSpec::first`] says which tasks those are.

mod windows;

use crate::exchange::{ExchangeExec, Reading};
use crate::nodes::shared::{Readers, SharedExec};
use crate::persisted::{PersistedExec, PersistedResult};
use crate::ranged::RangedWindowExec;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::JoinType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, PartitionMode, PiecewiseMergeJoinExec,
    SortMergeJoinExec,
};
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::memory::LazyMemoryExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{
    ExecutionPlan, ExecutionPlanProperties, Partitioning, displayable,
};
use partita_shared::message::{Exchange, InputSpec};
use std::collections::HashMap;
use std::sync::Arc;

/// One stage of a plan that was cut.
#[derive(Debug)]
pub struct PlanStage {
    /// What its tasks run: task `i` runs partition `i`.
    pub plan: Arc<dyn ExecutionPlan>,
    /// How many tasks it has.
    pub tasks: u32,
    /// What they read, in the order in which the plan's exchanges are numbered.
    pub inputs: Vec<InputSpec>,
    /// The persisted result that it stands for, if it does: then nothing of it runs.
    pub persisted: Option<Arc<PersistedResult>>,
}

impl PlanStage {
    /// The plan, one operator a line.
    pub fn text(&self) -> String {
        displayable(self.plan.as_ref()).indent(false).to_string()
    }

    /// What the stage does, in a few words: its leaves and its most telling operator.
    pub fn name(&self) -> String {
        let mut words = Vec::new();
        describe(&self.plan, &mut words);
        words.dedup();
        words.truncate(4);
        if words.is_empty() { "read".to_string() } else { words.join(", ") }
    }
}

fn describe(plan: &Arc<dyn ExecutionPlan>, words: &mut Vec<&'static str>) {
    let word = match plan.name() {
        "DataSourceExec" => "scan",
        "AggregateExec" => "aggregate",
        "HashJoinExec" | "SortMergeJoinExec" | "NestedLoopJoinExec" | "CrossJoinExec" => "join",
        "SortExec" => "sort",
        "SortPreservingMergeExec" => "merge",
        "WindowAggExec" | "BoundedWindowAggExec" => "window",
        "RepartitionExec" => "shuffle",
        "DataSinkExec" => "write",
        "UnionExec" => "union",
        "UnnestExec" => "unnest",
        "PersistedExec" => "persisted",
        "EdgeExec" => "edges",
        "PrefixExec" => "prefixes",
        "CarryExec" => "carry",
        "GlobalLimitExec" | "LocalLimitExec" => "limit",
        _ => "",
    };
    plan.children().into_iter().for_each(|child| describe(child, words));
    if !word.is_empty() && words.last() != Some(&word) {
        words.push(word);
    }
}

/// Cuts a plan into stages, each reading earlier ones. The last one's output is the result.
///
/// # Errors
/// If the plan has a form that cannot be cut.
pub fn cut(plan: Arc<dyn ExecutionPlan>) -> Result<Vec<PlanStage>> {
    let mut cutter = Cutter::default();
    cutter.add_made_stage(&plan)?;
    Ok(cutter.stages)
}

/// The stages of a plan that one task runs as it is: those of the persisted results that it reads, and its own.
/// Operators stay together that [`cut`] would take apart, which a recursive query needs: its recursive part
/// reads a table that only this process has, once for each round.
///
/// # Errors
/// If the plan cannot be put together again.
pub fn whole(plan: Arc<dyn ExecutionPlan>) -> Result<Vec<PlanStage>> {
    let (mut cutter, mut sources) = (Cutter::default(), Sources::new());
    let replaced = plan.transform_up(|node| {
        if node.is::<SharedExec>() {
            let error = "rows that several steps read run in stages of their own";
            return Err(DataFusionError::NotImplemented(error.to_string()));
        }
        let Some(persisted) = node.downcast_ref::<PersistedExec>() else {
            return Ok(Transformed::no(node));
        };
        let stage = cutter.add_persisted(&node, persisted);
        let read = leaf(&mut sources, stage, Reading::All, &node);
        if let (Some(source), Some(selected)) = (sources.last_mut(), persisted.selected()) {
            source.lists = Some(vec![selected.to_vec()]);
        }
        // The partitions come one after the other: whoever merged them relied on the order of each.
        Ok(Transformed::yes(match node.output_ordering() {
            Some(ordering) => Arc::new(SortExec::new(ordering.clone(), read)),
            None => read,
        }))
    })?;
    let mut plan = replaced.data;
    if plan.output_partitioning().partition_count() != 1 {
        plan = Arc::new(CoalescePartitionsExec::new(plan));
    }
    cutter.push_with_tasks(plan, 1, &sources)?;
    Ok(cutter.stages)
}

#[derive(Default)]
struct Cutter {
    stages: Vec<PlanStage>,
    /// The stages of shared relations, by their numbers.
    shared: HashMap<u32, u32>,
}

/// What an exchange of the fragment at hand reads.
struct Source {
    stage: u32,
    /// The partitions that each task reads, where it is not the one of its own number.
    lists: Option<Vec<Vec<u32>>>,
}

/// What the exchanges of the fragment at hand read, by their numbers.
type Sources = Vec<Source>;

impl Cutter {
    /// Makes a stage of a plan, after the stages that it reads, and returns its index. A persisted result
    /// is read where it lies.
    fn add_stage(&mut self, plan: &Arc<dyn ExecutionPlan>) -> Result<u32> {
        if let Some(leaf) = plan.downcast_ref::<SharedExec>() {
            return match leaf.readers() {
                Readers::One => self.add_stage(leaf.input()),
                Readers::Several => self.add_shared(leaf),
            };
        }
        match plan.downcast_ref::<PersistedExec>() {
            Some(leaf) if leaf.selected().is_none() => Ok(self.add_persisted(plan, leaf)),
            Some(_) | None => self.add_made_stage(plan),
        }
    }

    /// Makes the stage of a shared relation for its first reader, and returns it to all.
    fn add_shared(&mut self, leaf: &SharedExec) -> Result<u32> {
        if let Some(stage) = self.shared.get(&leaf.id()) {
            return Ok(*stage);
        }
        let stage = self.add_stage(leaf.input())?;
        self.shared.insert(leaf.id(), stage);
        Ok(stage)
    }

    /// Makes a stage that stands for a persisted result.
    fn add_persisted(&mut self, plan: &Arc<dyn ExecutionPlan>, leaf: &PersistedExec) -> u32 {
        let persisted = Some(Arc::clone(leaf.persisted()));
        let tasks = leaf.persisted().partitions.len() as u32;
        self.stages.push(PlanStage {
            plan: Arc::clone(plan),
            tasks,
            inputs: Vec::new(),
            persisted,
        });
        self.stages.len() as u32 - 1
    }

    /// Makes a stage of a plan whose tasks make its rows.
    fn add_made_stage(&mut self, plan: &Arc<dyn ExecutionPlan>) -> Result<u32> {
        let mut sources = Sources::new();
        let plan = self.visit(plan, &mut sources)?;
        self.push(plan, &sources)
    }

    /// Makes a stage whose output is split into the buckets of a partitioning.
    fn add_split_stage(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        partitioning: Partitioning,
    ) -> Result<u32> {
        let mut sources = Sources::new();
        let plan = self.visit(plan, &mut sources)?;
        let tasks = plan.output_partitioning().partition_count();
        let plan: Arc<dyn ExecutionPlan> = Arc::new(RepartitionExec::try_new(plan, partitioning)?);
        self.push_with_tasks(plan, tasks, &sources)
    }

    fn push(&mut self, plan: Arc<dyn ExecutionPlan>, sources: &Sources) -> Result<u32> {
        let tasks = plan.output_partitioning().partition_count();
        self.push_with_tasks(plan, tasks, sources)
    }

    fn push_with_tasks(
        &mut self,
        plan: Arc<dyn ExecutionPlan>,
        tasks: usize,
        sources: &Sources,
    ) -> Result<u32> {
        let mut inputs = vec![None; sources.len()];
        // A split is not run as an operator: its tasks are those of what is below it.
        let below = match plan.downcast_ref::<RepartitionExec>() {
            Some(split) => Arc::clone(split.input()),
            None => Arc::clone(&plan),
        };
        let range = Range { first: 0, count: tasks as u32, all: tasks as u32 };
        find_inputs(&below, range, sources, &mut inputs)?;
        let inputs = inputs.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| {
            DataFusionError::Internal("an exchange of a fragment does not occur in it".to_string())
        })?;
        self.stages.push(PlanStage { plan, tasks: tasks as u32, inputs, persisted: None });
        Ok(self.stages.len() as u32 - 1)
    }

    /// Replaces the exchanges in a plan, from its root down.
    fn visit(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        sources: &mut Sources,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self.replaced(plan, sources)?;
        if gives_many(&plan) {
            // An operator that makes many batches of one looks up between them: only there can a
            // task be stopped, and what is above may take all that comes without looking up.
            return Ok(Arc::new(CooperativeExec::new(plan)));
        }
        Ok(plan)
    }

    fn replaced(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        sources: &mut Sources,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if let Some(node) = plan.downcast_ref::<PersistedExec>() {
            let stage = self.add_persisted(plan, node);
            let read = leaf(sources, stage, Reading::Own, plan);
            if let (Some(source), Some(selected)) = (sources.last_mut(), node.selected()) {
                source.lists = Some(selected.iter().map(|partition| vec![*partition]).collect());
            }
            return Ok(read);
        }
        if let Some(node) = plan.downcast_ref::<SharedExec>() {
            if node.readers() == Readers::One {
                return self.visit(node.input(), sources);
            }
            let stage = self.add_shared(node)?;
            return Ok(leaf(sources, stage, Reading::Own, plan));
        }
        if let Some(node) = plan.downcast_ref::<RangedWindowExec>() {
            return self.visit_windows(node, sources);
        }
        if let Some(node) = plan.downcast_ref::<RepartitionExec>() {
            return self.visit_repartition(plan, node, sources);
        }
        if let Some(node) = plan.downcast_ref::<CoalescePartitionsExec>() {
            return self.visit_coalesce(plan, node, sources);
        }
        if let Some(node) = plan.downcast_ref::<SortPreservingMergeExec>() {
            let partitions = node.input().output_partitioning().partition_count();
            if partitions > 1 {
                let stage = self.add_stage(node.input())?;
                let leaf = leaf(sources, stage, Reading::Partition, node.input());
                return replace_children_if_necessary(Arc::clone(plan), vec![leaf]);
            }
        }
        if let Some(node) = plan.downcast_ref::<HashJoinExec>()
            && *node.partition_mode() != PartitionMode::Partitioned
        {
            return self.visit_collected_hash_join(plan, node, sources);
        }
        if plan.is::<NestedLoopJoinExec>()
            || plan.is::<CrossJoinExec>()
            || plan.is::<PiecewiseMergeJoinExec>()
        {
            return self.visit_collected_join(plan, sources);
        }
        if plan.name() == "RecursiveQueryExec" || plan.name() == "ScalarSubqueryExec" {
            let error = format!("{} runs in one process", plan.name());
            return Err(DataFusionError::NotImplemented(error));
        }
        if let Some(node) = plan.downcast_ref::<LazyMemoryExec>()
            && plan.schema().fields().is_empty()
        {
            return counted(node);
        }
        let mut children = Vec::new();
        for child in plan.children() {
            children.push(self.visit(child, sources)?);
        }
        if children.is_empty() {
            return Ok(Arc::clone(plan));
        }
        replace_children_if_necessary(Arc::clone(plan), children)
    }

    fn visit_repartition(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        node: &RepartitionExec,
        sources: &mut Sources,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let stage = self.add_split_stage(node.input(), node.partitioning().clone())?;
        let leaf = leaf(sources, stage, Reading::Bucket, plan);
        if !node.preserve_order() {
            return Ok(leaf);
        }
        // Buckets of several sorted partitions come one after the other: sorted again, since the
        // operators above rely on it. The optimiser makes such plans only for endless inputs.
        match plan.output_ordering() {
            Some(ordering) => {
                Ok(Arc::new(SortExec::new(ordering.clone(), leaf).with_preserve_partitioning(true)))
            }
            None => Ok(leaf),
        }
    }

    fn visit_coalesce(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        node: &CoalescePartitionsExec,
        sources: &mut Sources,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = node.input();
        let fetch = plan.fetch();
        let below = if input.output_partitioning().partition_count() == 1 {
            self.visit(input, sources)?
        } else {
            let limited: Arc<dyn ExecutionPlan> = match fetch {
                Some(fetch) => Arc::new(LocalLimitExec::new(Arc::clone(input), fetch)),
                None => Arc::clone(input),
            };
            let stage = self.add_stage(&limited)?;
            leaf(sources, stage, Reading::All, plan)
        };
        Ok(match fetch {
            Some(fetch) => Arc::new(GlobalLimitExec::new(below, 0, Some(fetch))),
            None => below,
        })
    }

    /// A hash join whose left side is read whole by every task. Where the join must also give the
    /// left rows that matched nothing, no task alone can know which those are: such a join is
    /// partitioned instead, or, if it must see every right row, run as one task.
    fn visit_collected_hash_join(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        node: &HashJoinExec,
        sources: &mut Sources,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let tasks = node.right().output_partitioning().partition_count();
        if tasks == 1 || !gives_left_rows(*node.join_type()) {
            return self.visit_collected_join(plan, sources);
        }
        if node.null_aware {
            let right = Arc::new(CoalescePartitionsExec::new(Arc::clone(node.right())));
            let children = vec![Arc::clone(node.left()), right as Arc<dyn ExecutionPlan>];
            let single = replace_children_if_necessary(Arc::clone(plan), children)?;
            return self.visit_collected_join(&single, sources);
        }
        let (left_keys, right_keys) = node.on().iter().cloned().unzip();
        let left = Arc::new(RepartitionExec::try_new(
            uncollected(node.left()),
            Partitioning::Hash(left_keys, tasks),
        )?);
        let right = Arc::new(RepartitionExec::try_new(
            Arc::clone(node.right()),
            Partitioning::Hash(right_keys, tasks),
        )?);
        let join = node
            .builder()
            .with_partition_mode(PartitionMode::Partitioned)
            .with_new_children(vec![left, right])?
            .recompute_properties()
            .build_exec()?;
        self.visit(&join, sources)
    }

    /// A join whose left side is read whole by every task.
    fn visit_collected_join(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        sources: &mut Sources,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let children = plan.children();
        let [left, right] = children.as_slice() else {
            return Err(DataFusionError::Internal(format!(
                "{} does not have two inputs",
                plan.name()
            )));
        };
        let must_see_all = match (
            plan.downcast_ref::<NestedLoopJoinExec>(),
            plan.downcast_ref::<PiecewiseMergeJoinExec>(),
        ) {
            (Some(join), _) => gives_left_rows(*join.join_type()),
            (_, Some(join)) => gives_left_rows(join.join_type()),
            (None, None) => false,
        };
        let many = right.output_partitioning().partition_count() > 1;
        let right: Arc<dyn ExecutionPlan> = if must_see_all && many {
            Arc::new(CoalescePartitionsExec::new(Arc::clone(right)))
        } else {
            Arc::clone(right)
        };
        let left = self.visit_collected(left, sources)?;
        let right = self.visit(&right, sources)?;
        replace_children_if_necessary(Arc::clone(plan), vec![left, right])
    }

    /// The side of a join that every task reads whole: made once, read by all.
    fn visit_collected(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        sources: &mut Sources,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if plan.is::<EmptyExec>() || plan.is::<PlaceholderRowExec>() {
            return Ok(Arc::clone(plan));
        }
        let stage = self.add_stage(&uncollected(plan))?;
        Ok(leaf(sources, stage, Reading::All, plan))
    }
}

/// Whether an operator may give any number of batches for one that it takes.
fn gives_many(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<CrossJoinExec>()
        || plan.is::<NestedLoopJoinExec>()
        || plan.is::<PiecewiseMergeJoinExec>()
        || plan.is::<HashJoinExec>()
        || plan.is::<SortMergeJoinExec>()
        || plan.is::<UnnestExec>()
}

/// Whether a join gives rows of its left side that depend on all of its right side.
fn gives_left_rows(join: JoinType) -> bool {
    match join {
        JoinType::Left
        | JoinType::Full
        | JoinType::LeftSemi
        | JoinType::LeftAnti
        | JoinType::LeftMark => true,
        JoinType::Inner
        | JoinType::Right
        | JoinType::RightSemi
        | JoinType::RightAnti
        | JoinType::RightMark => false,
    }
}

/// A generated series of which only the number of rows is wanted. DataFusion's wire form does not
/// carry that nothing of it is read, so its column is sent and dropped on the other side.
fn counted(node: &LazyMemoryExec) -> Result<Arc<dyn ExecutionPlan>> {
    let generators = node.generators().clone();
    let mut schema = Arc::new(Schema::new(vec![Field::new("value", DataType::Int64, false)]));
    if let Some(generator) = generators.first() {
        let fresh = generator.read().reset_state();
        if let Some(batch) = fresh.write().generate_next_batch()? {
            schema = batch.schema();
        }
    }
    let whole: Arc<dyn ExecutionPlan> = Arc::new(LazyMemoryExec::try_new(schema, generators)?);
    // The optimiser is through, which would have seen to it that it can be stopped.
    let whole: Arc<dyn ExecutionPlan> = Arc::new(CooperativeExec::new(whole));
    let nothing: Vec<(Arc<dyn PhysicalExpr>, String)> = Vec::new();
    Ok(Arc::new(ProjectionExec::try_new(nothing, whole)?))
}

/// What is below a plain collection of partitions.
fn uncollected(plan: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    match plan.downcast_ref::<CoalescePartitionsExec>() {
        Some(node) if plan.fetch().is_none() => Arc::clone(node.input()),
        _ => Arc::clone(plan),
    }
}

/// A leaf that reads a stage in the place of `replaced`.
fn leaf(
    sources: &mut Sources,
    stage: u32,
    reading: Reading,
    replaced: &Arc<dyn ExecutionPlan>,
) -> Arc<dyn ExecutionPlan> {
    let number = sources.len() as u32;
    sources.push(Source { stage, lists: None });
    let partitions = match reading {
        Reading::All => 1,
        Reading::Bucket | Reading::Partition | Reading::Own => {
            replaced.output_partitioning().partition_count() as u32
        }
    };
    let leaf = ExchangeExec::new(number, reading, partitions, replaced.schema());
    if replaced.output_partitioning().partition_count() == partitions as usize {
        return Arc::new(leaf.with_properties(Arc::clone(replaced.properties())));
    }
    Arc::new(leaf)
}

/// Which tasks run an operator: task `first + i` runs its partition `i`, of `all` tasks.
#[derive(Clone, Copy)]
struct Range {
    first: u32,
    count: u32,
    all: u32,
}

/// Finds the exchanges of a fragment and what each of its tasks reads through them.
fn find_inputs(
    plan: &Arc<dyn ExecutionPlan>,
    range: Range,
    sources: &Sources,
    inputs: &mut [Option<InputSpec>],
) -> Result<()> {
    if let Some(leaf) = plan.downcast_ref::<ExchangeExec>() {
        let number = leaf.input() as usize;
        let (Some(slot), Some(source)) = (inputs.get_mut(number), sources.get(number)) else {
            return Err(DataFusionError::Internal(format!("unknown exchange {number}")));
        };
        let lists = source.lists.clone();
        let listed = lists.map(|lists| Exchange::Explicit(Arc::new(lists.into_iter().collect())));
        let exchange = listed.unwrap_or(match leaf.reading() {
            Reading::Own => Exchange::OneToOne,
            Reading::Bucket if leaf.partitions() == range.count => Exchange::Shuffle,
            // One bucket that several tasks read, or several buckets that one task reads.
            Reading::Bucket | Reading::Partition | Reading::All => {
                if range.all == 1 {
                    Exchange::Gather
                } else {
                    Exchange::Broadcast
                }
            }
        });
        *slot = Some(InputSpec {
            stage: source.stage,
            exchange,
            first: range.first,
            count: range.count,
        });
        return Ok(());
    }
    let mut first = range.first;
    for child in plan.children() {
        let mut below = range;
        if plan.is::<UnionExec>() {
            below.first = first;
            below.count = child.output_partitioning().partition_count() as u32;
            first += below.count;
        }
        find_inputs(child, below, sources, inputs)?;
    }
    Ok(())
}
