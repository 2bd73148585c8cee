//! Shapes of graphs as they come from arrays, frames and functions, and how many partitions the order of their tasks
//! holds at once, beside the smallest number that any order holds.
//!
//! The shapes are those that the tests of `dask.order` name (dask/tests/test_order.py), described anew and small enough
//! that all orders can be examined.

use super::order::{Shape, run};
use std::collections::HashMap;

/// The largest number of tasks of which all orders are examined.
const TASKS_MAX: usize = 18;

/// The smallest peak of any order: over all sets of tasks that can have run, whatever the order before.
fn smallest_peak(shape: &Shape) -> usize {
    assert!(shape.len() <= TASKS_MAX);
    let readers: Vec<u32> = (0..shape.len() as u32)
        .map(|task| {
            let reads = |(_, inputs): &(usize, &Vec<u32>)| inputs.contains(&task);
            shape.iter().enumerate().filter(reads).fold(0, |mask, (reader, _)| mask | 1 << reader)
        })
        .collect();
    // What nobody reads is an output, which stays.
    let held = |done: u32| {
        let is_held = |task: &usize| {
            done >> task & 1 == 1 && (readers[*task] == 0 || readers[*task] & !done != 0)
        };
        (0..shape.len()).filter(is_held).count()
    };
    let mut peaks = HashMap::from([(0_u32, 0)]);
    for _ in 0..shape.len() {
        let mut next: HashMap<u32, usize> = HashMap::new();
        for (done, peak) in peaks {
            let running = peak.max(held(done) + 1);
            for (task, inputs) in shape.iter().enumerate() {
                let is_ready = inputs.iter().all(|input| done >> input & 1 == 1);
                if done >> task & 1 == 0 && is_ready {
                    let best = next.entry(done | 1 << task).or_insert(usize::MAX);
                    *best = running.min(*best);
                }
            }
        }
        peaks = next;
    }
    peaks.into_values().max().unwrap_or(0)
}

/// Builds a shape task by task.
#[derive(Default)]
struct Graph(Shape);

impl Graph {
    fn task(&mut self, inputs: &[u32]) -> u32 {
        self.0.push(inputs.to_vec());
        self.0.len() as u32 - 1
    }

    fn sources(&mut self, count: usize) -> Vec<u32> {
        (0..count).map(|_| self.task(&[])).collect()
    }

    /// One task for each input.
    fn map(&mut self, inputs: &[u32]) -> Vec<u32> {
        inputs.iter().map(|input| self.task(&[*input])).collect()
    }

    /// One task for each pair of inputs.
    fn zip(&mut self, left: &[u32], right: &[u32]) -> Vec<u32> {
        left.iter().zip(right).map(|(left, right)| self.task(&[*left, *right])).collect()
    }

    /// A tree that reduces `ways` at a time.
    fn reduce(&mut self, inputs: &[u32], ways: usize) -> u32 {
        let mut level = inputs.to_vec();
        while level.len() > 1 {
            level = level.chunks(ways).map(|part| self.task(part)).collect();
        }
        level[0]
    }
}

fn shape(build: impl FnOnce(&mut Graph)) -> Shape {
    let mut graph = Graph::default();
    build(&mut graph);
    graph.0
}

/// Each shape, and how many partitions more than the smallest number its order may hold.
fn shapes() -> Vec<(&'static str, Shape, usize)> {
    vec![
        (
            "groups stay together",
            shape(|g| {
                let (a, b) = (g.sources(3), g.sources(3));
                g.zip(&a, &b);
            }),
            0,
        ),
        (
            "a broker is left for later",
            shape(|g| {
                let (a, b) = (g.task(&[]), g.task(&[]));
                g.task(&[a]);
                g.map(&[b, b, b]);
            }),
            0,
        ),
        (
            "the base of a reduction",
            shape(|g| {
                let top = g.task(&[]);
                let leaves = g.map(&[top, top, top]);
                let others = g.sources(3);
                let pairs = g.zip(&leaves, &others);
                g.reduce(&pairs, 3);
            }),
            0,
        ),
        (
            "branches that lead upwards",
            shape(|g| {
                let a = g.sources(2);
                let b = g.task(&[a[0], a[1]]);
                let c = g.task(&[b]);
                let d = g.task(&[]);
                g.task(&[c, d]);
                g.task(&[d]);
            }),
            0,
        ),
        (
            "deep bases before their dependents",
            shape(|g| {
                let base = g.task(&[]);
                let deep = g.task(&[]);
                let deep = g.task(&[deep]);
                let deep = g.task(&[deep]);
                g.task(&[base, deep]);
                g.task(&[base]);
            }),
            0,
        ),
        (
            "a deep chain beside a shallow one",
            shape(|g| {
                let one = g.task(&[]);
                let (one, two) = (g.task(&[one]), g.task(&[]));
                let one = g.task(&[one]);
                g.task(&[one, two]);
            }),
            0,
        ),
        (
            "a long chain",
            shape(|g| {
                let mut last = g.task(&[]);
                (0..16).for_each(|_| last = g.task(&[last]));
            }),
            0,
        ),
        (
            "many sources, one reader each",
            shape(|g| {
                let sources = g.sources(8);
                g.map(&sources);
            }),
            0,
        ),
        (
            "short dependents first",
            shape(|g| {
                let (a, e) = (g.task(&[]), g.task(&[]));
                let b = g.task(&[a]);
                let c = g.task(&[b]);
                g.task(&[c]);
                g.task(&[a, e]);
            }),
            1,
        ),
        (
            "small sections before a large one",
            shape(|g| {
                let large = g.sources(4);
                let sum = g.reduce(&large, 4);
                let small = g.sources(2);
                let ends = g.map(&small);
                g.task(&[sum, ends[0]]);
                g.task(&[sum, ends[1]]);
            }),
            0,
        ),
        (
            "parents of a reduction near it",
            shape(|g| {
                let a = g.sources(3);
                let (b, c) = (g.map(&a), g.map(&a));
                let pairs = g.zip(&b, &c);
                g.reduce(&pairs, 3);
            }),
            0,
        ),
        (
            "nearest neighbours",
            shape(|g| {
                let a = g.sources(5);
                a.windows(2).for_each(|pair| {
                    g.task(pair);
                });
            }),
            0,
        ),
        (
            "nearest neighbours, three wide",
            shape(|g| {
                let a = g.sources(7);
                a.windows(3).for_each(|three| {
                    g.task(three);
                });
            }),
            0,
        ),
        (
            "a short narrow branch",
            shape(|g| {
                let (a, b) = (g.sources(2), g.sources(2));
                let c = g.zip(&a, &b);
                let d = g.task(&[c[0], c[1]]);
                g.task(&[d, a[0]]);
            }),
            1,
        ),
        (
            "a short ancestor",
            shape(|g| {
                let a = g.sources(3);
                let b = g.task(&[a[0]]);
                let c = g.task(&[b, a[1]]);
                let d = g.task(&[c, a[2]]);
                g.task(&[d]);
            }),
            0,
        ),
        (
            "overlaps",
            shape(|g| {
                let a = g.sources(5);
                let edges = g.map(&a);
                for (at, own) in a.iter().enumerate() {
                    let mut inputs = vec![*own];
                    inputs.extend(at.checked_sub(1).map(|left| edges[left]));
                    inputs.extend(edges.get(at + 1));
                    g.task(&inputs);
                }
            }),
            1,
        ),
        (
            "structure, not names",
            shape(|g| {
                let a = g.sources(6);
                let pairs: Vec<u32> = (0..3).map(|at| g.task(&[a[at], a[5 - at]])).collect();
                g.reduce(&pairs, 3);
            }),
            0,
        ),
        (
            "dependents of one source, not all at once",
            shape(|g| {
                let a = g.task(&[]);
                let b = g.map(&[a; 4]);
                let c = g.map(&b);
                g.reduce(&c, 4);
            }),
            0,
        ),
        (
            "many branches",
            shape(|g| {
                let a = g.task(&[]);
                for length in 1..4 {
                    let mut last = a;
                    (0..length).for_each(|_| last = g.task(&[last]));
                }
            }),
            0,
        ),
        (
            "dependents that take turns",
            shape(|g| {
                let a = g.sources(4);
                let left = g.map(&a);
                let right = g.map(&a);
                g.reduce(&left, 4);
                g.reduce(&right, 4);
            }),
            0,
        ),
        (
            "equal dependents",
            shape(|g| {
                let a = g.task(&[]);
                let b = g.map(&[a, a, a]);
                let other = g.task(&[]);
                b.iter().for_each(|b| {
                    g.task(&[*b, other]);
                });
            }),
            0,
        ),
        (
            "a terminal node between",
            shape(|g| {
                let a = g.sources(3);
                let b = g.task(&[a[0], a[1]]);
                g.task(&[a[1]]);
                let c = g.task(&[a[2], b]);
                g.task(&[c]);
            }),
            0,
        ),
        (
            "a store at the end",
            shape(|g| {
                let a = g.sources(4);
                let computed = g.map(&a);
                let stored = g.map(&computed);
                g.reduce(&stored, 4);
            }),
            0,
        ),
        (
            "a parent that can be freed",
            shape(|g| {
                let a = g.task(&[]);
                let b = g.task(&[a]);
                let c = g.task(&[b]);
                let d = g.task(&[a]);
                let e = g.task(&[c, d]);
                g.map(&[e, e]);
            }),
            0,
        ),
        (
            "a reduction as of xarray",
            shape(|g| {
                let a = g.sources(4);
                let b = g.map(&a);
                let c = g.map(&b);
                g.reduce(&c, 2);
            }),
            0,
        ),
        (
            "an anomaly: a value less the mean of all",
            shape(|g| {
                let a = g.sources(4);
                let mean = g.reduce(&a, 2);
                a.iter().for_each(|a| {
                    g.task(&[*a, mean]);
                });
            }),
            0,
        ),
        (
            "a mean by group",
            shape(|g| {
                let a = g.sources(6);
                let (even, odd): (Vec<u32>, Vec<u32>) = a.iter().partition(|a| *a % 2 == 0);
                g.reduce(&even, 3);
                g.reduce(&odd, 3);
            }),
            0,
        ),
        (
            "common dependents of a reduction",
            shape(|g| {
                let a = g.sources(2);
                let b = g.map(&[a[0], a[0], a[1], a[1]]);
                let c = g.map(&b);
                g.reduce(&c, 4);
            }),
            0,
        ),
        (
            "two differences",
            shape(|g| {
                let a = g.sources(4);
                let first: Vec<u32> = a.windows(2).map(|pair| g.task(pair)).collect();
                let second: Vec<u32> = first.windows(2).map(|pair| g.task(pair)).collect();
                g.reduce(&second, 2);
            }),
            0,
        ),
        (
            "slices of each block",
            shape(|g| {
                let a = g.sources(3);
                let slices = g.map(&[a[0], a[0], a[1], a[1], a[2], a[2]]);
                let (left, right): (Vec<u32>, Vec<u32>) = slices.iter().partition(|s| *s % 2 == 1);
                g.reduce(&left, 3);
                g.reduce(&right, 3);
            }),
            0,
        ),
        (
            "products of two arrays, summed",
            shape(|g| {
                let (u, v) = (g.sources(3), g.sources(3));
                let products = g.zip(&u, &v);
                let squares = g.zip(&u, &u);
                g.reduce(&products, 3);
                g.reduce(&squares, 3);
            }),
            0,
        ),
        (
            "a matrix product",
            shape(|g| {
                let (a, b) = (g.sources(4), g.sources(4));
                for row in 0..2 {
                    for column in 0..2 {
                        let inputs = [a[2 * row], a[2 * row + 1], b[column], b[2 + column]];
                        g.task(&inputs);
                    }
                }
            }),
            0,
        ),
        (
            "a shuffle of three by three",
            shape(|g| {
                let a = g.sources(3);
                // Those of each source lie side by side.
                let splits: Vec<u32> = a.iter().flat_map(|a| g.map(&[*a; 3])).collect();
                let first = splits[0];
                (first..first + 3).for_each(|to| {
                    g.task(&[to, to + 3, to + 6]);
                });
            }),
            1,
        ),
        (
            "roots that a later task connects",
            shape(|g| {
                let a = g.sources(4);
                let b = g.map(&a);
                let first = g.task(&[b[0], b[1]]);
                let second = g.task(&[b[2], b[3]]);
                g.task(&[first, second, a[0]]);
            }),
            0,
        ),
        (
            "a mosaic: several images in each tile",
            shape(|g| {
                let images = g.sources(4);
                let tiles = [&images[..2], &images[1..3], &images[2..]];
                let tiles: Vec<u32> = tiles.iter().map(|tile| g.task(tile)).collect();
                g.reduce(&tiles, 3);
            }),
            0,
        ),
        (
            "a fit: the same data in each step",
            shape(|g| {
                let data = g.sources(3);
                let mut model = g.task(&[]);
                for _ in 0..3 {
                    let parts: Vec<u32> = data.iter().map(|data| g.task(&[*data, model])).collect();
                    model = g.task(&parts);
                }
            }),
            0,
        ),
        (
            "a cumulative sum",
            shape(|g| {
                let a = g.sources(4);
                let sums = g.map(&a);
                let mut last = sums[0];
                for at in 1..4 {
                    g.task(&[a[at], last]);
                    last = g.task(&[last, sums[at]]);
                }
            }),
            0,
        ),
        (
            "a tree by threes",
            shape(|g| {
                let a = g.sources(9);
                g.reduce(&a, 3);
            }),
            0,
        ),
        (
            "one input for two trees",
            shape(|g| {
                let a = g.sources(4);
                g.reduce(&a, 2);
                g.reduce(&a, 2);
            }),
            0,
        ),
        (
            "a ladder",
            shape(|g| {
                let (mut left, mut right) = (g.task(&[]), g.task(&[]));
                for _ in 0..6 {
                    (left, right) = (g.task(&[left, right]), g.task(&[right]));
                }
            }),
            0,
        ),
        (
            "a sparse column of readers",
            shape(|g| {
                let a = g.sources(6);
                g.task(&[a[0], a[3]]);
                g.task(&[a[1], a[4]]);
                g.task(&[a[2], a[5]]);
            }),
            0,
        ),
        (
            "writes that one task waits for",
            shape(|g| {
                let a = g.sources(5);
                let b = g.map(&a);
                g.reduce(&b, 5);
            }),
            0,
        ),
        (
            "a lock-step pair of chains",
            shape(|g| {
                let (mut a, mut b) = (g.task(&[]), g.task(&[]));
                for _ in 0..4 {
                    (a, b) = (g.task(&[a]), g.task(&[b]));
                }
                g.task(&[a, b]);
            }),
            0,
        ),
        (
            "a constant that all read",
            shape(|g| {
                let constant = g.task(&[]);
                let a = g.sources(5);
                let b: Vec<u32> = a.iter().map(|a| g.task(&[*a, constant])).collect();
                g.reduce(&b, 5);
            }),
            0,
        ),
    ]
}

/// The order of each shape holds as few partitions as any order does, or one more where that is said.
#[test]
fn orders_hold_few_partitions() {
    let mut found = Vec::new();
    for (name, shape, more) in shapes() {
        let (smallest, (peak, order)) = (smallest_peak(&shape), run(&shape));
        if peak != smallest + more {
            found.push(format!("{name}: {peak}, not {smallest} + {more}: {order:?}"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
