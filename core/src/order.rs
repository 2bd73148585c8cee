//! Ranks: the order in which the tasks of a graph should run, so that few partitions are held.
//!
//! The order is depth first from the outputs. Of the inputs of a task, the one that needs most held
//! partitions of its own comes first, as in register allocation (R. Sethi and J. D. Ullman, The
//! Generation of Optimal Code for Arithmetic Expressions, Journal of the ACM 17, 1970), which is exact
//! for trees. Where tasks share inputs it is a heuristic. Outputs follow one another along shared
//! inputs: the next output is one whose inputs were just used, if there is one.

use crate::exchange::{is_read, is_whole, visit_own};
use crate::state::Stage;

/// A task by its number in the graph: stages one after the other.
type Node = usize;

/// The graph of the tasks of a job.
struct Graph<'a> {
    stages: &'a [Stage],
    /// The number of the first task of each stage.
    first: Vec<Node>,
}

impl Graph<'_> {
    fn of(&self, node: Node) -> (usize, u32) {
        let stage = self.first.partition_point(|first| *first <= node) - 1;
        (stage, (node - self.first[stage]) as u32)
    }

    /// The inputs of a task, each once, in order.
    fn inputs(&self, node: Node) -> Vec<Node> {
        let (stage, index) = self.of(node);
        let mut inputs = Vec::new();
        for input in self.stages[stage].inputs().iter().filter(|input| is_read(input, index)) {
            let first = self.first[input.stage as usize];
            if is_whole(&input.exchange) {
                inputs
                    .extend((0..self.stages[input.stage as usize].tasks.len()).map(|i| first + i));
            } else {
                visit_own(input, index, |partition| inputs.push(first + partition as usize));
            }
        }
        inputs.sort_unstable();
        inputs.dedup();
        inputs
    }

    fn readers(&self, node: Node) -> Vec<Node> {
        let (stage, index) = self.of(node);
        let mut readers = Vec::new();
        for consumer in &self.stages[stage].consumers {
            let reader = &self.stages[consumer.stage as usize];
            let first = self.first[consumer.stage as usize];
            let input = &reader.inputs()[consumer.input as usize];
            if is_whole(&input.exchange) {
                readers
                    .extend((input.first..input.first + input.count).map(|i| first + i as usize));
            }
            reader.readers[consumer.input as usize]
                .visit(index, |task| readers.push(first + task as usize));
        }
        readers.sort_unstable();
        readers.dedup();
        readers
    }
}

/// Gives each task of a job its rank.
pub(crate) fn rank(stages: &mut [Stage]) {
    let mut first = Vec::with_capacity(stages.len());
    let mut nodes = 0;
    for stage in &*stages {
        first.push(nodes);
        nodes += stage.tasks.len();
    }
    let graph = Graph { stages, first };
    let needs = needs(&graph, nodes);
    let mut ranks = vec![u32::MAX; nodes];
    let mut next = 0;
    let mut roots: Vec<Node> = Vec::new();
    for output in (0..nodes).filter(|node| graph.readers(*node).is_empty()) {
        roots.push(output);
        while let Some(root) = roots.pop() {
            visit(&graph, root, &needs, &mut ranks, &mut next, &mut roots);
        }
    }
    let first = graph.first;
    for (stage, first) in stages.iter_mut().zip(first) {
        for (task, rank) in stage.tasks.iter_mut().zip(&ranks[first..]) {
            task.rank = *rank;
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
