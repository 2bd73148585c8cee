//! Where the stages of a job stand in its drawing.
//!
//! A layered layout: a stage stands below all that it reads (the longest path to it decides), those
//! of one layer are ordered by the middle of their neighbours so that few edges cross, and are then
//! moved towards them as far as there is room. Long edges run through a place of their own in each
//! layer between, so they pass nodes instead of crossing them.

use crate::order;

/// Sizes of a drawing, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    /// The width of a node.
    pub node_width: f64,
    /// The height of a node.
    pub node_height: f64,
    /// Room between two nodes of one layer.
    pub gap: f64,
    /// Room between two layers.
    pub layer_gap: f64,
}

/// A drawing: where things stand, in pixels from its upper left corner.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// The middle of each node.
    pub nodes: Vec<(f64, f64)>,
    /// The points of each edge, from the lower side of one node to the upper side of another.
    pub edges: Vec<Vec<(f64, f64)>>,
    /// The width of the drawing.
    pub width: f64,
    /// The height of the drawing.
    pub height: f64,
}

/// Turns in which the order of layers is made better.
const ORDER_TURNS: usize = 12;

/// Turns in which nodes are moved towards their neighbours.
const MOVE_TURNS: usize = 32;

/// How wide the place of a long edge is, of the width of a node.
const LANE_SHARE: f64 = 0.15;

/// Where nodes and edges stand. An edge goes from what is read to what reads. Edges that would make
/// a circle (there are none in a sound job), or name no node, are drawn as nothing.
pub fn layout(nodes: usize, edges: &[(usize, usize)], sizes: Sizes) -> Layout {
    if nodes == 0 {
        return Layout::default();
    }
    let layers = layers(nodes, edges);
    let mut graph = Graph::new(nodes, edges, &layers, sizes);
    graph.order();
    graph.place();
    graph.finish(nodes, sizes)
}

/// The layer of each node: below all that it reads. What reads nothing stands right above the first
/// that reads it, so that its edge is short.
fn layers(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut unread = vec![0_usize; nodes];
    let mut readers = vec![Vec::new(); nodes];
    for &(from, to) in edges.iter().filter(|(from, to)| *from < nodes && *to < nodes) {
        unread[to] += 1;
        readers[from].push(to);
    }
    let mut layers = vec![0_usize; nodes];
    let mut ready: Vec<usize> = (0..nodes).filter(|node| unread[*node] == 0).collect();
    while let Some(node) = ready.pop() {
        for &reader in &readers[node] {
            layers[reader] = layers[reader].max(layers[node] + 1);
            unread[reader] -= 1;
            if unread[reader] == 0 {
                ready.push(reader);
            }
        }
    }
    let reads = |node: usize| edges.iter().any(|(_, to)| *to == node);
    for node in (0..nodes).filter(|node| !reads(*node)) {
        if let Some(first) = readers[node].iter().map(|reader| layers[*reader]).min() {
            layers[node] = first.saturating_sub(1);
        }
    }
    layers
}

/// Nodes and the places of long edges (both are points here), layer by layer.
struct Graph {
    /// Points by layer, from left to right.
    layers: Vec<Vec<usize>>,
    /// The points above and below each point.
    above: Vec<Vec<usize>>,
    below: Vec<Vec<usize>>,
    /// Points of each edge.
    chains: Vec<Vec<usize>>,
    /// Each point's width, with the room that it wants.
    widths: Vec<f64>,
    /// Each point's middle.
    x: Vec<f64>,
}

impl Graph {
    fn new(nodes: usize, edges: &[(usize, usize)], layer_of: &[usize], sizes: Sizes) -> Self {
        let depth = layer_of.iter().max().map_or(0, |last| last + 1);
        let mut graph = Graph {
            layers: vec![Vec::new(); depth],
            above: vec![Vec::new(); nodes],
            below: vec![Vec::new(); nodes],
            chains: Vec::with_capacity(edges.len()),
            widths: vec![sizes.node_width + sizes.gap; nodes],
            x: Vec::new(),
        };
        for (node, layer) in layer_of.iter().enumerate() {
            graph.layers[*layer].push(node);
        }
        for &(from, to) in edges {
            let is_downward = from < nodes && to < nodes && layer_of[from] < layer_of[to];
            let chain = if is_downward {
                graph.chain(from, to, layer_of[from] + 1..layer_of[to], sizes)
            } else {
                Vec::new()
            };
            graph.chains.push(chain);
        }
        graph
    }

    fn chain(
        &mut self,
        from: usize,
        to: usize,
        between: std::ops::Range<usize>,
        sizes: Sizes,
    ) -> Vec<usize> {
        let mut chain = vec![from];
        for layer in between {
            let lane = self.widths.len();
            self.widths.push(sizes.node_width * LANE_SHARE + sizes.gap);
            self.above.push(Vec::new());
            self.below.push(Vec::new());
            self.layers[layer].push(lane);
            chain.push(lane);
        }
        chain.push(to);
        for pair in chain.windows(2) {
            self.below[pair[0]].push(pair[1]);
            self.above[pair[1]].push(pair[0]);
        }
        chain
    }

    /// Orders each layer by the middle of its neighbours, downwards and upwards in turn, and keeps
    /// the order with the fewest crossings.
    fn order(&mut self) {
        let mut best = self.layers.clone();
        let mut fewest = self.crossings();
        for turn in 0..ORDER_TURNS {
            if fewest == 0 {
                break;
            }
            let depth = self.layers.len();
            let downwards = turn % 2 == 0;
            for step in 1..depth {
                let layer = if downwards { step } else { depth - 1 - step };
                self.sort_layer(layer, downwards);
            }
            let crossings = self.crossings();
            if crossings < fewest {
                fewest = crossings;
                best.clone_from(&self.layers);
            }
        }
        self.layers = best;
    }

    fn sort_layer(&mut self, layer: usize, by_above: bool) {
        let other = if by_above { layer - 1 } else { layer + 1 };
        let places = places(&self.layers[other], self.widths.len());
        let neighbours = if by_above { &self.above } else { &self.below };
        let mut keyed: Vec<(f64, usize)> = self.layers[layer]
            .iter()
            .enumerate()
            .map(|(place, point)| {
                let middle = mean(neighbours[*point].iter().map(|n| places[*n] as f64));
                (middle.unwrap_or(place as f64), *point)
            })
            .collect();
        // The sort keeps the order of equals, so the same job is always drawn alike.
        order::sort_by(&mut keyed, |one, other| one.0.total_cmp(&other.0));
        self.layers[layer] = keyed.into_iter().map(|(_, point)| point).collect();
    }

    fn crossings(&self) -> usize {
        let mut sum = 0;
        for pair in self.layers.windows(2) {
            let places = places(&pair[1], self.widths.len());
            let mut seen: Vec<usize> = Vec::new();
            for point in &pair[0] {
                let ends = self.below[*point].iter().map(|below| places[*below]);
                // `seen` is sorted: those behind an end cross it. Edges of one point do not.
                sum += ends
                    .clone()
                    .map(|end| seen.len() - seen.partition_point(|other| *other <= end))
                    .sum::<usize>();
                for end in ends {
                    seen.insert(seen.partition_point(|other| *other <= end), end);
                }
            }
        }
        sum
    }

    /// Gives each point its place from left to right.
    fn place(&mut self) {
        self.x = vec![0.0; self.widths.len()];
        for layer in 0..self.layers.len() {
            let wanted = vec![(0.0, 1.0); self.layers[layer].len()];
            self.place_layer(layer, &wanted);
        }
        for turn in 0..MOVE_TURNS {
            let depth = self.layers.len();
            for step in 0..depth {
                let layer = if turn % 2 == 0 { step } else { depth - 1 - step };
                let wanted: Vec<(f64, f64)> = self.layers[layer]
                    .iter()
                    .map(|point| {
                        let neighbours = self.above[*point].iter().chain(&self.below[*point]);
                        let number = neighbours.clone().count().max(1) as f64;
                        let middle = mean(neighbours.map(|n| self.x[*n]));
                        (middle.unwrap_or(self.x[*point]), number)
                    })
                    .collect();
                self.place_layer(layer, &wanted);
            }
        }
    }

    /// Places a layer's points as near as possible to where they want to be, in their order and
    /// without overlap: the sum of the squares is the least, each times its weight. With the number
    /// of its edges as a point's weight that makes all edges shorter, so turn by turn the drawing
    /// comes to rest. With the room that they need taken out, it is a fit of a rising line:
    /// neighbours that would fall back are drawn together.
    fn place_layer(&mut self, layer: usize, wanted: &[(f64, f64)]) {
        let points = &self.layers[layer];
        let mut offsets = Vec::with_capacity(points.len());
        let mut offset = 0.0;
        for (at, point) in points.iter().enumerate() {
            if at > 0 {
                offset += (self.widths[points[at - 1]] + self.widths[*point]) / 2.0;
            }
            offsets.push(offset);
        }
        let mut blocks: Vec<Block> = Vec::with_capacity(points.len());
        for ((want, weight), offset) in wanted.iter().zip(&offsets) {
            let mut block = Block { mean: want - offset, weight: *weight, size: 1 };
            while let Some(before) = blocks.pop() {
                if before.mean <= block.mean {
                    blocks.push(before);
                    break;
                }
                block = before.join(block);
            }
            blocks.push(block);
        }
        let bases = blocks.iter().flat_map(|block| std::iter::repeat_n(block.mean, block.size));
        for ((point, base), offset) in points.iter().zip(bases).zip(&offsets) {
            self.x[*point] = base + offset;
        }
    }

    fn finish(&self, nodes: usize, sizes: Sizes) -> Layout {
        let left = |point: usize| self.x[point] - self.widths[point] / 2.0;
        let right = |point: usize| self.x[point] + self.widths[point] / 2.0;
        let points = 0..self.widths.len();
        let from = points.clone().map(left).fold(f64::INFINITY, f64::min);
        let to = points.map(right).fold(f64::NEG_INFINITY, f64::max);
        let pitch = sizes.node_height + sizes.layer_gap;
        let mut y = vec![0.0; self.widths.len()];
        for (layer, points) in self.layers.iter().enumerate() {
            for point in points {
                y[*point] = layer as f64 * pitch + sizes.node_height / 2.0 + sizes.gap / 2.0;
            }
        }
        let place = |point: usize| (self.x[point] - from, y[point]);
        let half = sizes.node_height / 2.0;
        let edge = |chain: &Vec<usize>| {
            let last = chain.len().saturating_sub(1);
            let at = |(step, point): (usize, &usize)| {
                let (x, y) = place(*point);
                // Beside nodes an edge is upright: it bends only between layers.
                let (above, below) = ((x, y - half), (x, y + half));
                let upper = (step > 0).then_some(above);
                let lower = (step < last).then_some(below);
                upper.into_iter().chain(lower)
            };
            chain.iter().enumerate().flat_map(at).collect()
        };
        Layout {
            nodes: (0..nodes).map(place).collect(),
            edges: self.chains.iter().map(edge).collect(),
            width: to - from,
            height: self.layers.len() as f64 * pitch - sizes.layer_gap + sizes.gap,
        }
    }
}

/// Points of a layer that are drawn together.
struct Block {
    mean: f64,
    weight: f64,
    size: usize,
}

impl Block {
    fn join(self, other: Block) -> Block {
        let weight = self.weight + other.weight;
        let mean = (self.mean * self.weight + other.mean * other.weight) / weight;
        Block { mean, weight, size: self.size + other.size }
    }
}

/// Each point's place in a layer, by point.
fn places(layer: &[usize], points: usize) -> Vec<usize> {
    let mut places = vec![0; points];
    for (place, point) in layer.iter().enumerate() {
        places[*point] = place;
    }
    places
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), v| (sum + v, count + 1));
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes { node_width: 168.0, node_height: 52.0, gap: 24.0, layer_gap: 48.0 };

    /// A plausible large job: scans, joins of two, a union of many, and long edges.
    fn large(nodes: usize) -> Vec<(usize, usize)> {
        let mut edges = Vec::new();
        let mut state = 7_usize;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for node in nodes / 3..nodes {
            for _ in 0..1 + random(3) {
                let from = random(node);
                if !edges.contains(&(from, node)) {
                    edges.push((from, node));
                }
            }
        }
        edges
    }

    fn check(nodes: usize, edges: &[(usize, usize)]) -> Layout {
        let drawn = layout(nodes, edges, SIZES);
        assert_eq!((drawn.nodes.len(), drawn.edges.len()), (nodes, edges.len()));
        for (at, (x, y)) in drawn.nodes.iter().enumerate() {
            assert!(*x >= SIZES.node_width / 2.0 && *x <= drawn.width - SIZES.node_width / 2.0);
            assert!(*y >= SIZES.node_height / 2.0 && *y <= drawn.height - SIZES.node_height / 2.0);
            for (other_x, other_y) in &drawn.nodes[..at] {
                let apart = (x - other_x).abs() >= SIZES.node_width + SIZES.gap / 2.0
                    || (y - other_y).abs() >= SIZES.node_height + SIZES.layer_gap / 2.0;
                assert!(apart, "two nodes at ({x}, {y}) and ({other_x}, {other_y})");
            }
        }
        for ((from, to), points) in edges.iter().zip(&drawn.edges) {
            assert!(points.windows(2).all(|pair| pair[0].1 < pair[1].1), "an edge goes up");
            let (first, last) = (points[0], points[points.len() - 1]);
            assert_eq!((first.0, last.0), (drawn.nodes[*from].0, drawn.nodes[*to].0));
        }
        drawn
    }

    /// Nodes never overlap, edges always go down, and the same job is always drawn alike.
    #[test]
    fn drawings_are_sound() {
        check(1, &[]);
        check(4, &[(0, 1), (1, 2), (2, 3)]);
        check(4, &[(0, 3), (1, 3), (2, 3)]);
        check(5, &[(0, 1), (1, 2), (2, 3), (0, 3), (0, 4)]);
        let edges = large(300);
        assert_eq!(check(300, &edges), check(300, &edges));
    }

    /// A chain is straight, and a reader of two stands between them.
    #[test]
    fn simple_jobs_are_drawn_simply() {
        let chain = check(3, &[(0, 1), (1, 2)]);
        assert!(chain.nodes.iter().all(|(x, _)| (x - chain.nodes[0].0).abs() < 0.5));
        let join = check(3, &[(0, 2), (1, 2)]);
        let middle = (join.nodes[0].0 + join.nodes[1].0) / 2.0;
        assert!((join.nodes[2].0 - middle).abs() < 0.5);
    }

    /// What hangs below a job's joins hangs straight: the drawing has come to rest.
    #[test]
    fn chains_below_joins_are_straight() {
        let drawn = check(7, &[(1, 3), (0, 3), (2, 4), (3, 4), (4, 5), (5, 6)]);
        assert!((drawn.nodes[4].0 - drawn.nodes[6].0).abs() < 2.0);
    }

    /// Edges that need not cross do not.
    #[test]
    fn crossings_are_taken_out() {
        let edges = [(0, 5), (1, 4), (2, 3)];
        let drawn = check(6, &edges);
        let mut pairs: Vec<(f64, f64)> =
            edges.iter().map(|(from, to)| (drawn.nodes[*from].0, drawn.nodes[*to].0)).collect();
        pairs.sort_by(|one, other| one.0.total_cmp(&other.0));
        assert!(pairs.windows(2).all(|pair| pair[0].1 < pair[1].1));
    }

    /// What no sound job has harms nothing.
    #[test]
    fn nonsense_is_drawn_somehow() {
        assert_eq!(layout(0, &[(0, 1)], SIZES), Layout::default());
        let circle = layout(3, &[(0, 1), (1, 0), (1, 1), (0, 9), (9, 0)], SIZES);
        assert_eq!((circle.nodes.len(), circle.edges.len()), (3, 5));
    }
}
