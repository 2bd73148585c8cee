//! The order of the tasks of a graph: how many partitions are held at once.
//!
//! Each case is a shape that occurs in graphs of arrays and frames, with the smallest peak that any
//! order has, counted by hand. One worker with one slot runs it, so that the order is the ranks'.

use super::fixture::{Cluster, JobBuilder, explicit, job};
use partita_core::Order;
use partita_shared::ids::JobId;
use partita_shared::model::TaskState;

/// Tasks, each with the tasks before it that it reads.
pub(crate) type Shape = Vec<Vec<u32>>;

/// A stage for each task, and one that reads the outputs, which nobody else reads.
fn graph(shape: &Shape) -> JobBuilder {
    let mut graph = job();
    graph.spec.order = Order::DepthFirst;
    for inputs in shape {
        graph = add(graph, inputs);
    }
    let is_read = |task: &u32| shape.iter().flatten().any(|input| input == task);
    let outputs: Vec<u32> = (0..shape.len() as u32).filter(|task| !is_read(task)).collect();
    add(graph, &outputs)
}

fn add(graph: JobBuilder, inputs: &[u32]) -> JobBuilder {
    let mut stage = graph.stage(1, []);
    let inputs = inputs.iter().map(|input| explicit(*input, &[&[0]])).collect();
    stage.spec.stages.last_mut().unwrap().inputs = inputs;
    stage
}

/// Runs a graph, and returns the largest number of partitions that were held while a task ran, its own
/// output included, and the order. The last task, which reads the remaining outputs, is not counted.
pub(crate) fn run(shape: &Shape) -> (usize, Vec<u32>) {
    let mut t = Cluster::with_workers(&["a"]);
    t.submit_quietly(graph(shape));
    let (mut peak, mut order) = (0, Vec::new());
    while order.len() < shape.len() {
        let running = t.running(1);
        let [task] = &running[..] else { panic!("{running:?} run at once") };
        let held = t.core.tasks(JobId(1), Some(TaskState::Done), None, usize::MAX).unwrap();
        peak = peak.max(held.iter().filter(|task| task.worker.is_some()).count() + 1);
        order.push(task.split('.').nth(1).unwrap().parse().unwrap());
        t.finish_quietly(&[task]);
    }
    (peak, order)
}

/// Chains that do not need each other: `width` of `length` tasks, side by side in the numbering.
fn chains(width: u32, length: u32) -> Shape {
    let input = |task: u32| if task < width { vec![] } else { vec![task - width] };
    (0..width * length).map(input).collect()
}

/// A reduction of `leaves` by twos.
fn tree(leaves: u32) -> Shape {
    let mut shape: Shape = vec![vec![]; leaves as usize];
    let mut level: Vec<u32> = (0..leaves).collect();
    while level.len() > 1 {
        let first = shape.len() as u32;
        shape.extend(level.chunks(2).map(<[u32]>::to_vec));
        level = (first..shape.len() as u32).collect();
    }
    shape
}

/// The peak of each shape is the smallest that is possible.
#[test]
fn few_partitions_are_held() {
    let one_input = |input: u32| vec![input];
    let cases: Vec<(&str, Shape, usize)> = vec![
        ("a chain", chains(1, 6), 2),
        // The outputs of the chains stay, one more for each that ends: the last has two of its own.
        ("eight chains", chains(8, 4), 9),
        // log2(16) + 1, and the output of the task that runs.
        ("a tree of 16 leaves", tree(16), 6),
        ("a tree of 64 leaves", tree(64), 8),
        // Chains of three under each leaf need no more than the leaves.
        (
            "a tree over chains",
            {
                let mut shape = chains(8, 3);
                let mut level: Vec<u32> = (16..24).collect();
                while level.len() > 1 {
                    let first = shape.len() as u32;
                    shape.extend(level.chunks(2).map(<[u32]>::to_vec));
                    level = (first..shape.len() as u32).collect();
                }
                shape
            },
            5,
        ),
        // x -> (a, b) -> c
        ("a diamond", vec![vec![], one_input(0), one_input(0), vec![1, 2]], 3),
        // The long branch first: its inner results are gone when the short one begins.
        ("a long and a short branch", vec![vec![], vec![], vec![0], vec![2], vec![3, 1]], 3),
        // Of (d + (c + (b + a))) the deepest sum first.
        (
            "a sum that leans to the right",
            vec![vec![], vec![], vec![], vec![], vec![2, 3], vec![1, 4], vec![0, 5]],
            3,
        ),
        // Neighbours: out[i] reads in[i - 1], in[i], in[i + 1]; three inputs and the outputs so far.
        (
            "an overlap",
            {
                let mut shape: Shape = vec![vec![]; 6];
                shape.extend(
                    (0..6)
                        .map(|i: u32| (i.saturating_sub(1)..(i + 2).min(6)).collect::<Vec<u32>>()),
                );
                shape
            },
            8,
        ),
        // One source that all read: it and the outputs so far.
        ("a shared source", [vec![vec![]], vec![one_input(0); 5]].concat(), 6),
    ];
    for (name, shape, best) in cases {
        let (peak, order) = run(&shape);
        assert_eq!(peak, best, "{name}: {order:?}");
    }
}

/// A worker continues with what it has: each chain is run to its end by the worker that began it, and
/// nothing moves.
#[test]
fn workers_stay_on_their_branches() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    t.submit_quietly(graph(&chains(6, 3)));
    let mut workers = vec![Vec::new(); 6];
    for _ in 0..18 {
        let task = t.running(1).first().unwrap().clone();
        let number: u32 = task.split('.').nth(1).unwrap().parse().unwrap();
        workers[number as usize % 6].push(t.attempt(&task).0);
        t.finish_quietly(&[&task]);
    }
    for of_chain in workers {
        assert!(of_chain.len() == 3 && of_chain.iter().all(|w| *w == of_chain[0]), "{of_chain:?}");
    }
}

/// Tasks that read nothing run where their neighbours in the order run, so that what reads them finds most of them on
/// one worker; a worker without tasks takes those of others.
#[test]
fn neighbours_run_on_one_worker() {
    let mut t = Cluster::with_workers(&["a", "b"]);
    let pairs: Vec<Vec<u32>> = (0..8).map(|pair| vec![2 * pair, 2 * pair + 1]).collect();
    let pairs: Vec<&[u32]> = pairs.iter().map(Vec::as_slice).collect();
    let mut graph = job().source(16).stage(8, [explicit(0, &pairs)]);
    graph.spec.order = Order::DepthFirst;
    t.submit_quietly(graph);
    let mut workers = vec![None; 16];
    while let Some(task) = t.running(1).first().cloned() {
        if let Some(index) = task.strip_prefix("1.0.") {
            workers[index.parse::<usize>().unwrap()] = Some(t.attempt(&task).0);
        }
        t.finish_quietly(&[&task]);
    }
    let together = workers.chunks(2).filter(|pair| pair[0] == pair[1]).count();
    assert_eq!(together, 8, "{workers:?}");
    t.take();
}
