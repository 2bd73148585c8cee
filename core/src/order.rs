//! Ranks: the order in which the tasks of a graph should run, so that few partitions are held.
//!
//! The order is depth first from the outputs. Of the inputs of a task, the one that needs most held
//! partitions of its own comes first, as in register allocation (R. Sethi and J. D. Ullman, The
//! Generation of Optimal Code for Arithmetic Expressions, Journal of the ACM 17, 1970), which is exact
//! for trees. Where tasks share inputs it is a heuristic. Outputs follow one another along shared
//! inputs: the next output is one whose inputs were just used, if there is one.

use crate::event::TaskRange;
use crate::exchange::{is_read, is_whole, visit_needed};
use crate::state::Stage;
use std::collections::BTreeMap;

/// A task by its number in the graph: ranges of tasks one after the other.
type Node = usize;

/// The graph of tasks that are ranked: those of some ranges, each of which reads only tasks before it.
struct Graph<'a> {
    stages: &'a [Stage],
    ranges: &'a [TaskRange],
    /// The number of the first task of each range.
    first: Vec<Node>,
    /// Each range by its stage and first task.
    by_task: BTreeMap<(usize, u32), usize>,
}

impl Graph<'_> {
    fn of(&self, node: Node) -> (usize, u32) {
        let at = self.first.partition_point(|first| *first <= node) - 1;
        (self.ranges[at].stage as usize, self.ranges[at].first + (node - self.first[at]) as u32)
    }

    /// The number of a task, if it is ranked now.
    fn node(&self, stage: usize, index: u32) -> Option<Node> {
        let (_, at) = self.by_task.range(..=(stage, index)).next_back()?;
        let range = &self.ranges[*at];
        let inside = range.stage as usize == stage && index - range.first < range.count;
        inside.then(|| self.first[*at] + (index - range.first) as usize)
    }

    /// The inputs of a task that are ranked now, each once, in order.
    fn inputs(&self, node: Node) -> Vec<Node> {
        let (stage, index) = self.of(node);
        let mut inputs = Vec::new();
        for input in self.stages[stage].inputs().iter().filter(|input| is_read(input, index)) {
            let from = input.stage as usize;
            let partitions = self.stages[from].tasks.len();
            let add = |partition| inputs.extend(self.node(from, partition));
            visit_needed(input, index, partitions, add);
        }
        inputs.sort_unstable();
        inputs.dedup();
        inputs
    }

    fn readers(&self, node: Node) -> Vec<Node> {
        let (stage, index) = self.of(node);
        let mut readers = Vec::new();
        for consumer in &self.stages[stage].consumers {
            let number = consumer.stage as usize;
            let reader = &self.stages[number];
            let input = &reader.inputs()[consumer.input as usize];
            if is_whole(&input.exchange) {
                let all = input.first..input.first + input.count;
                readers.extend(all.filter_map(|task| self.node(number, task)));
            }
            reader.readers[consumer.input as usize]
                .visit(index, |task| readers.extend(self.node(number, task)));
        }
        readers.sort_unstable();
        readers.dedup();
        readers
    }
}

/// Gives tasks their ranks, from `next_rank` on. The tasks of each range read only tasks before them.
pub(crate) fn rank(stages: &mut [Stage], ranges: &[TaskRange], next_rank: &mut u32) {
    let mut first = Vec::with_capacity(ranges.len());
    let mut nodes = 0;
    for range in ranges {
        first.push(nodes);
        nodes += range.count as usize;
    }
    let key = |range: &TaskRange| (range.stage as usize, range.first);
    let by_task = ranges.iter().map(key).zip(0..).collect();
    let graph = Graph { stages, ranges, first, by_task };
    let needs = needs(&graph, nodes);
    let mut ranks = vec![u32::MAX; nodes];
    let mut roots: Vec<Node> = Vec::new();
    for output in (0..nodes).filter(|node| graph.readers(*node).is_empty()) {
        roots.push(output);
        while let Some(root) = roots.pop() {
            visit(&graph, root, &needs, &mut ranks, next_rank, &mut roots);
        }
    }
    let mut ranks = ranks.into_iter();
    for range in ranges {
        let tasks = &mut stages[range.stage as usize].tasks[range.first as usize..];
        for (task, rank) in tasks.iter_mut().take(range.count as usize).zip(ranks.by_ref()) {
            task.rank = rank;
        }
    }
}

/// How many partitions must be held at once to compute each task, if no task shares inputs.
fn needs(graph: &Graph<'_>, nodes: usize) -> Vec<u32> {
    let mut needs: Vec<u32> = Vec::with_capacity(nodes);
    // Tasks read only tasks before them.
    for node in 0..nodes {
        let mut of_inputs: Vec<u32> =
            graph.inputs(node).into_iter().map(|input| needs[input]).collect();
        of_inputs.sort_unstable_by(|a, b| b.cmp(a));
        let held = (0..).zip(&of_inputs).map(|(held, need)| held + need).max().unwrap_or(0);
        needs.push(held.max(of_inputs.len() as u32 + 1));
    }
    needs
}

/// Ranks an output and all that it needs. Outputs that need only what is ranked by then, or that read
/// what was ranked now, follow: they are appended to `roots`, the next one last.
fn visit(
    graph: &Graph<'_>,
    root: Node,
    needs: &[u32],
    ranks: &mut [u32],
    next: &mut u32,
    roots: &mut Vec<Node>,
) {
    // (task, whether its inputs are on the stack already)
    let mut stack = vec![(root, false)];
    while let Some((node, opened)) = stack.pop() {
        if ranks[node] != u32::MAX {
            continue;
        }
        if opened {
            ranks[node] = *next;
            *next += 1;
            let mut readers = graph.readers(node);
            readers
                .retain(|reader| ranks[*reader] == u32::MAX && graph.readers(*reader).is_empty());
            roots.extend(readers.into_iter().rev());
            continue;
        }
        stack.push((node, true));
        let mut inputs = graph.inputs(node);
        inputs.retain(|input| ranks[*input] == u32::MAX);
        // The last one on the stack is visited first.
        inputs.sort_by_key(|input| (needs[*input], std::cmp::Reverse(*input)));
        stack.extend(inputs.into_iter().map(|input| (input, false)));
    }
}
