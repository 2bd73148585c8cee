//! Plans of nodes: meaning, refusals, sharing, and the growth of the work of planning.

use super::lower::{Leaf, leaves, lower};
use super::shared::{analyzed, physical_plan};
use super::{Expression, Id, JoinKind, Key, Plan, PlanCommand, Relation};
use crate::cut::cut;
use crate::logical::Purpose;
use crate::session::planning_context;
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::OptimizerConfig;
use datafusion::optimizer::optimizer::{ApplyOrder, OptimizerRule};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A plan that is written node by node.
#[derive(Default)]
struct Builder {
    expressions: Vec<Expression>,
    relations: Vec<Relation>,
}

impl Builder {
    fn expr(&mut self, expression: Expression) -> Id {
        self.expressions.push(expression);
        self.expressions.len() as Id - 1
    }

    fn column(&mut self, name: &str) -> Id {
        self.expr(Expression::Column(name.to_string()))
    }

    fn int(&mut self, value: i64) -> Id {
        self.expr(Expression::Literal(0, json!(value)))
    }

    fn call(&mut self, name: &str, arguments: &[Id]) -> Id {
        self.expr(Expression::Call(name.to_string(), arguments.to_vec()))
    }

    fn aggregate(&mut self, function: &str, argument: Id) -> Id {
        self.expr(Expression::Aggregate {
            function: function.to_string(),
            arguments: vec![argument],
            order: Vec::new(),
            condition: None,
            distinct: false,
        })
    }

    fn relation(&mut self, relation: Relation) -> Id {
        self.relations.push(relation);
        self.relations.len() as Id - 1
    }

    fn table(&mut self) -> Id {
        self.relation(Relation::Table("t".to_string()))
    }

    fn plan(self) -> Plan {
        let (expressions, relations) = (self.expressions, self.relations);
        Plan { types: vec!["Int64".to_string()], expressions, relations }
    }
}

/// A session with a table `t` of two columns, `k` and `v`.
fn session() -> SessionContext {
    let context = planning_context();
    let column = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
    let columns = [("k", column(vec![1, 2, 1])), ("v", column(vec![10, 20, 30]))];
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    context.register_batch("t", batch).expect("a table");
    context
}

async fn lowered(plan: &Plan, context: &SessionContext) -> Result<LogicalPlan> {
    let mut plans = HashMap::new();
    for (id, leaf) in leaves(plan) {
        let frame = match leaf {
            Leaf::Table(name) => context.table(name).await?,
            Leaf::Query(sql) => context.sql(sql).await?,
        };
        plans.insert(id, frame.into_unoptimized_plan());
    }
    lower(plan, &plans, &context.state())
}

/// The rows of a plan that shares nothing.
async fn rows(plan: &Plan) -> String {
    let context = session();
    let logical = lowered(plan, &context).await.expect("a plan");
    let frame = context.execute_logical_plan(logical).await.expect("a frame");
    let batches = frame.collect().await.expect("rows");
    pretty_format_batches(&batches).expect("a table").to_string()
}

async fn error(plan: &Plan) -> String {
    lowered(plan, &session()).await.expect_err("an error").to_string()
}

/// Keys, expressions over aggregates, conditions of both, a window over them, an order and a limit.
#[tokio::test]
async fn steps_have_the_meaning_of_their_queries() {
    let mut made = Builder::default();
    let table = made.table();
    let (k, v, one) = (made.column("k"), made.column("v"), made.int(1));
    let (sum, count) = (made.aggregate("sum", v), made.aggregate("count", v));
    let mean = made.call("divide", &[sum, count]);
    let more = made.call("add", &[k, one]);
    let named = |name: &str, id: Id| (name.to_string(), id);
    let keys = vec![named("key", more)];
    let cells = vec![named("mean", mean), named("again", sum)];
    let groups = made.relation(Relation::Group(table, keys, cells));
    let (key, again) = (made.column("key"), made.column("again"));
    let running = made.expr(Expression::Window {
        function: "sum".to_string(),
        arguments: vec![again],
        partition: Vec::new(),
        order: vec![Key(key, false, false)],
        frame: Some((None, Some(0))),
        skips_missing: false,
    });
    let mean = made.column("mean");
    let columns = vec![named("key", key), named("mean", mean), named("running", running)];
    let windows = made.relation(Relation::Project(groups, columns));
    made.relation(Relation::Sort(windows, vec![Key(key, true, false)], Some(2)));
    let shown = "\
+-----+------+---------+
| key | mean | running |
+-----+------+---------+
| 3   | 20   | 60      |
| 2   | 20   | 40      |
+-----+------+---------+";
    assert_eq!(rows(&made.plan()).await, shown);
}

/// Missing keys equal each other in joins, and a row that two joins read is planned once.
#[tokio::test]
async fn joins_and_shared_rows() {
    let mut made = Builder::default();
    let table = made.table();
    let (k, v) = (made.column("k"), made.column("v"));
    let named = |name: &str, id: Id| (name.to_string(), id);
    let (two, none) = (made.int(2), made.expr(Expression::Literal(0, json!(null))));
    let is_two = made.call("eq", &[k, two]);
    let hidden = made.expr(Expression::Case {
        operand: None,
        branches: vec![(is_two, none)],
        otherwise: Some(k),
    });
    let left = made.relation(Relation::Project(table, vec![named("a", hidden), named("x", v)]));
    let right = made.relation(Relation::Values(vec!["b".into()], vec![vec![none]]));
    let (a, b, x) = (made.column("a"), made.column("b"), made.column("x"));
    let join = made.relation(Relation::Join(left, right, JoinKind::Inner, vec![(a, b)]));
    let most = made.aggregate("max", v);
    let largest = made.relation(Relation::Group(table, vec![], vec![named("m", most)]));
    let m = made.column("m");
    let again = made.relation(Relation::Project(largest, vec![named("n", m)]));
    let one = made.relation(Relation::Join(largest, join, JoinKind::Cross, vec![]));
    let both = made.relation(Relation::Join(again, one, JoinKind::Cross, vec![]));
    let n = made.column("n");
    let columns = vec![named("x", x), named("m", m), named("n", n)];
    made.relation(Relation::Project(both, columns));
    let context = session();
    let logical = lowered(&made.plan(), &context).await.expect("a plan");
    let plan = physical(&context, &logical).await;
    assert!(cut(plan.expect("a physical plan")).expect("stages").len() > 1);
    assert!(logical.display_indent().to_string().contains("step_"), "{}", logical.display_indent());
}

async fn physical(
    context: &SessionContext,
    logical: &LogicalPlan,
) -> Result<Arc<dyn ExecutionPlan>> {
    let state = context.state();
    let analyzed = analyzed(&state, logical.clone())?;
    physical_plan(&state, &analyzed, &|plan| Ok(plan.clone())).await
}

/// What no client of ours sends is refused, not planned.
#[tokio::test]
async fn malformed_plans_are_refused() {
    let with = |change: &dyn Fn(&mut Builder, Id)| {
        let mut made = Builder::default();
        let table = made.table();
        change(&mut made, table);
        made.plan()
    };
    let refused = |expression: Expression| {
        with(&|made, table| {
            let id = made.expr(expression.clone());
            made.relation(Relation::Project(table, vec![("x".to_string(), id)]));
        })
    };
    for (plan, wanted) in [
        (refused(Expression::Column("z".to_string())), "no column \"z\""),
        (refused(Expression::Call("nothing".to_string(), vec![])), "no function \"nothing\""),
        (refused(Expression::Call("add".to_string(), vec![])), "no operands"),
        (refused(Expression::Call("not".to_string(), vec![0])), "uses a later one"),
        (refused(Expression::Literal(7, json!(1))), "no such type"),
        (refused(Expression::Literal(0, json!("x"))), "Cannot cast"),
        (refused(Expression::Literal(0, json!([1]))), "is not a value of type"),
        (
            with(&|made, _| {
                made.relation(Relation::Distinct(5));
            }),
            "no such relation",
        ),
        (
            with(&|made, _| {
                made.relation(Relation::Distinct(1));
            }),
            "reads a later one",
        ),
        (
            with(&|made, table| {
                made.relation(Relation::Filter(table, vec![9]));
            }),
            "no such expr",
        ),
        (Builder::default().plan(), "no relations"),
    ] {
        let found = error(&plan).await;
        assert!(found.contains(wanted), "{wanted}: {found}");
    }
    let deep = with(&|made, table| {
        let mut last = made.column("k");
        for _ in 0..1000 {
            last = made.call("negate", &[last]);
        }
        made.relation(Relation::Project(table, vec![("x".to_string(), last)]));
    });
    assert!(error(&deep).await.contains("more than 500 levels; persist"));
    let doubled = with(&|made, table| {
        let mut last = made.column("k");
        for _ in 0..60 {
            last = made.call("add", &[last, last]);
        }
        made.relation(Relation::Project(table, vec![("x".to_string(), last)]));
    });
    assert!(error(&doubled).await.contains("more than 500000 parts; persist"));
}

/// A view counts with all that it reads: one that reads another one twice doubles it.
#[tokio::test]
async fn views_count_with_their_size() {
    let context = session();
    let mut view = "t".to_string();
    for level in 0..13 {
        let next = format!("v{level}");
        let twice = format!("select * from {view} union all select * from {view}");
        context.sql(&format!("create view {next} as {twice}")).await.expect("a view");
        view = next;
    }
    let mut made = Builder::default();
    let parts = (0..2).map(|_| made.relation(Relation::Table(view.clone()))).collect();
    made.relation(Relation::Union(parts));
    let found = lowered(&made.plan(), &context).await.expect_err("a plan that is too large");
    assert!(found.to_string().contains("more than 20000 steps in total"), "{found}");
}

/// A command comes out of its wire form as it went in; other bytes are not taken for one.
#[test]
fn commands_are_read() {
    let mut made = Builder::default();
    made.table();
    let command =
        PlanCommand { text: "t".to_string(), plan: made.plan(), purpose: Purpose::Explain };
    let bytes = command.to_bytes().expect("bytes");
    assert_eq!(PlanCommand::read(&bytes).expect("readable"), Some(command));
    assert_eq!(PlanCommand::read(b"select 1").expect("readable"), None);
}

/// Counts the operators that the optimiser visits.
#[derive(Debug, Default)]
struct Counting(Arc<AtomicUsize>);

impl OptimizerRule for Counting {
    fn name(&self) -> &str {
        "counting"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let size = plan.expressions().iter().map(|one| one.to_string().len()).sum::<usize>();
        self.0.fetch_add(1 + size, Ordering::Relaxed);
        Ok(Transformed::no(plan))
    }
}

/// Operators that the optimiser visits for a plan, with the lengths of their expressions, and stages.
async fn work(plan: Plan) -> (usize, usize) {
    let context = session();
    let counting = Counting::default();
    let count = Arc::clone(&counting.0);
    context.add_optimizer_rule(Arc::new(counting));
    let logical = lowered(&plan, &context).await.expect("a plan");
    let physical = physical(&context, &logical).await;
    let stages = cut(physical.expect("a physical plan")).expect("stages").len();
    (count.load(Ordering::Relaxed), stages)
}

/// Joins of a relation with itself, again and again.
fn self_joins(count: usize) -> Plan {
    let mut made = Builder::default();
    let table = made.table();
    let k = made.column("k");
    let (a, b) = (made.column("a"), made.column("b"));
    let mut last = made.relation(Relation::Project(table, vec![("k".to_string(), k)]));
    for _ in 0..count {
        let left = made.relation(Relation::Project(last, vec![("a".to_string(), k)]));
        let right = made.relation(Relation::Project(last, vec![("b".to_string(), k)]));
        let join = made.relation(Relation::Join(left, right, JoinKind::Inner, vec![(a, b)]));
        last = made.relation(Relation::Project(join, vec![("k".to_string(), a)]));
    }
    made.plan()
}

/// A projection for each operation, of which each uses the one before.
fn chain(count: usize) -> Plan {
    let mut made = Builder::default();
    let mut last = made.table();
    let (k, one) = (made.column("k"), made.int(1));
    let mut next = k;
    for at in 1..=count {
        next = made.call("add", &[next, one]);
        if at % 10 == 0 {
            last = made.relation(Relation::Project(last, vec![("k".to_string(), next)]));
            next = k;
        }
    }
    made.plan()
}

/// Joins with one small relation, again and again.
fn joins(count: usize) -> Plan {
    let mut made = Builder::default();
    let (mut last, small) = (made.table(), made.table());
    let (k, v) = (made.column("k"), made.column("v"));
    for at in 0..count {
        let (key, value) = (format!("k{at}"), format!("v{at}"));
        let columns = vec![(key.clone(), k), (value, v)];
        let right = made.relation(Relation::Project(small, columns));
        let key = made.column(&key);
        let join = made.relation(Relation::Join(last, right, JoinKind::Left, vec![(k, key)]));
        last = made.relation(Relation::Project(join, vec![("k".into(), k), ("v".into(), v)]));
    }
    made.plan()
}

/// Planning takes work that is proportional to the number of nodes, whatever they share.
#[tokio::test]
async fn the_work_of_planning_is_linear() {
    for (name, made, size) in [
        ("self joins", self_joins as fn(usize) -> Plan, 20),
        ("a chain", chain, 200),
        ("joins", joins, 25),
    ] {
        let (once, _) = work(made(size)).await;
        let (twice, _) = work(made(2 * size)).await;
        assert!(twice < 5 * once / 2, "{name}: {once} for {size} steps, {twice} for twice as many");
    }
}

/// What several relations read runs in one stage.
#[tokio::test]
async fn what_is_shared_runs_once() {
    let (_, one) = work(self_joins(2)).await;
    let (_, more) = work(self_joins(4)).await;
    assert!(more <= 2 * one + 1, "{one} stages, {more} for twice as many joins");
}
