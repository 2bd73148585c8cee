//! Trees of sampled call stacks.

use crate::limits::{
    FRAME_TEXT_BYTES_MAX, PROFILE_NODES_MAX, SAMPLED_CALLS_MAX, SAMPLED_STAGES_MAX,
    STACK_FRAMES_MAX,
};
use crate::model::{Profile, ProfileNode, Samples, StackFrame};

/// A tree of call stacks that grows.
#[derive(Clone, Debug, Default)]
pub struct ProfileTree {
    profile: Profile,
    /// For each node, the last of those below it and the one before it below the same parent.
    links: Vec<Links>,
    /// The last of the outermost nodes.
    last: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Links {
    last_child: Option<u32>,
    before: Option<u32>,
}

impl ProfileTree {
    /// The tree.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The tree, which does not grow any more.
    pub fn into_profile(self) -> Profile {
        self.profile
    }

    /// Whether it has no sample.
    pub fn is_empty(&self) -> bool {
        self.profile.nodes.is_empty()
    }

    /// Adds a stack that was seen in a number of samples, the outermost frame first. Frames for which there is no room are left
    /// out: their samples count for the frame that called them.
    pub fn add<'a>(&mut self, stack: impl IntoIterator<Item = &'a StackFrame>, samples: u64) {
        let mut node = None;
        for frame in stack {
            match self.child(node, frame) {
                Some(child) => node = Some(child),
                None => break,
            }
        }
        if let Some(node) = node {
            let samples = self.profile.nodes[node as usize].samples.saturating_add(samples);
            self.profile.nodes[node as usize].samples = samples;
        }
    }

    /// Adds the stacks of another tree.
    pub fn merge(&mut self, other: &Profile) {
        // Where the nodes of the other tree are in this one.
        let mut places: Vec<Option<u32>> = Vec::with_capacity(other.nodes.len());
        for node in &other.nodes {
            let parent = node.parent.and_then(|parent| places.get(parent as usize).copied());
            let frame = other.frames.get(node.frame as usize);
            let place = match (parent, node.parent, frame) {
                (_, None, Some(frame)) => self.child(None, frame),
                // Where its parent had no room, it counts for the one above.
                (Some(Some(parent)), _, Some(frame)) => {
                    self.child(Some(parent), frame).or(Some(parent))
                }
                _ => None,
            };
            if let Some(place) = place {
                let own = &mut self.profile.nodes[place as usize].samples;
                *own = own.saturating_add(node.samples);
            }
            places.push(place);
        }
    }

    /// The node of a frame below another; a new one if there is room for it.
    fn child(&mut self, parent: Option<u32>, frame: &StackFrame) -> Option<u32> {
        let last = parent.map_or(self.last, |parent| self.links[parent as usize].last_child);
        // Few functions call many others from one line.
        let mut at = last;
        while let Some(node) = at {
            if self.frame_of(node) == frame {
                return Some(node);
            }
            at = self.links[node as usize].before;
        }
        if self.profile.nodes.len() >= PROFILE_NODES_MAX {
            return None;
        }
        let known = self.profile.frames.iter().position(|known| known == frame);
        let number = known.unwrap_or_else(|| {
            self.profile.frames.push(frame.clone());
            self.profile.frames.len() - 1
        });
        let node = self.profile.nodes.len() as u32;
        self.profile.nodes.push(ProfileNode { parent, frame: number as u32, samples: 0 });
        self.links.push(Links { last_child: None, before: last });
        match parent {
            Some(parent) => self.links[parent as usize].last_child = Some(node),
            None => self.last = Some(node),
        }
        Some(node)
    }

    fn frame_of(&self, node: u32) -> &StackFrame {
        let frame = self.profile.nodes[node as usize].frame;
        &self.profile.frames[frame as usize]
    }
}

impl Profile {
    /// The samples of each node and of those below it.
    pub fn totals(&self) -> Vec<u64> {
        let mut totals: Vec<u64> = self.nodes.iter().map(|node| node.samples).collect();
        for at in (0..self.nodes.len()).rev() {
            let parent = self.nodes[at].parent.map(|parent| parent as usize);
            if let Some(parent) = parent.filter(|parent| *parent < at) {
                totals[parent] = totals[parent].saturating_add(totals[at]);
            }
        }
        totals
    }

    /// All samples.
    pub fn samples(&self) -> u64 {
        self.nodes.iter().fold(0, |sum, node| sum.saturating_add(node.samples))
    }

    /// Whether it has no more than it may, and its indices name what exists.
    fn is_valid(&self) -> bool {
        let is_node = |(at, node): (usize, &ProfileNode)| {
            node.parent.is_none_or(|parent| (parent as usize) < at)
                && (node.frame as usize) < self.frames.len()
        };
        self.nodes.len() <= PROFILE_NODES_MAX
            && self.frames.len() <= self.nodes.len()
            && self.nodes.iter().enumerate().all(is_node)
            && self.frames.iter().all(StackFrame::is_valid)
    }
}

impl StackFrame {
    fn is_valid(&self) -> bool {
        self.function.len() <= FRAME_TEXT_BYTES_MAX && self.file.len() <= FRAME_TEXT_BYTES_MAX
    }
}

impl Samples {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.profiles.is_empty() && self.stacks.is_empty()
    }

    /// Whether it has no more than it may, and its indices name what exists.
    pub fn is_valid(&self) -> bool {
        self.profiles.len() <= SAMPLED_STAGES_MAX
            && self.stacks.len() <= SAMPLED_CALLS_MAX
            && self.profiles.iter().all(|(_, profile)| profile.is_valid())
            && self.stacks.iter().all(|stack| {
                stack.frames.len() <= STACK_FRAMES_MAX
                    && stack.frames.iter().all(StackFrame::is_valid)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(name: &str) -> StackFrame {
        StackFrame { function: name.to_string(), file: "a.py".to_string(), line: 1 }
    }

    fn stack(names: &str) -> Vec<StackFrame> {
        names.chars().map(|name| frame(&name.to_string())).collect()
    }

    /// The stacks of a tree with their samples, as text.
    fn shown(profile: &Profile) -> Vec<String> {
        let mut paths: Vec<String> = Vec::new();
        for node in &profile.nodes {
            let above = node.parent.map_or(String::new(), |parent| paths[parent as usize].clone());
            paths.push(format!("{above}{}", profile.frames[node.frame as usize].function));
        }
        let nodes = paths.iter().zip(&profile.nodes).filter(|(_, node)| node.samples > 0);
        nodes.map(|(path, node)| format!("{path} {}", node.samples)).collect()
    }

    /// Equal stacks are one node; recursion and the same function below others are several.
    #[test]
    fn stacks_make_a_tree() {
        let mut tree = ProfileTree::default();
        for (names, samples) in [("ab", 2), ("ac", 1), ("ab", 3), ("b", 1), ("aaa", 1), ("a", 4)] {
            tree.add(&stack(names), samples);
        }
        assert_eq!(shown(tree.profile()), ["a 4", "ab 5", "ac 1", "b 1", "aaa 1"]);
        assert_eq!(tree.profile().totals(), [11, 5, 1, 1, 1, 1]);
        assert_eq!(tree.profile().samples(), 12);
        assert!(tree.profile().is_valid());
    }

    /// Merged trees have the stacks of both.
    #[test]
    fn trees_are_merged() {
        let (mut one, mut other) = (ProfileTree::default(), ProfileTree::default());
        one.add(&stack("ab"), 1);
        other.add(&stack("cb"), 2);
        other.add(&stack("ab"), 3);
        other.add(&stack("a"), 1);
        one.merge(other.profile());
        assert_eq!(shown(one.profile()), ["a 1", "ab 4", "cb 2"]);
    }

    /// However many stacks come, a tree has a limited number of nodes, and no sample is lost that has a place.
    #[test]
    fn trees_are_limited() {
        let (mut tree, mut all) = (ProfileTree::default(), ProfileTree::default());
        for number in 0..10_000 {
            tree.add(&[frame("root"), frame(&number.to_string())], 1);
        }
        assert!(tree.profile().is_valid());
        assert_eq!(
            (tree.profile().nodes.len(), tree.profile().samples()),
            (PROFILE_NODES_MAX, 10_000)
        );
        for number in 0..3 {
            let mut other = ProfileTree::default();
            (0..2000)
                .for_each(|at| other.add(&[frame("root"), frame(&format!("{number} {at}"))], 1));
            all.merge(other.profile());
        }
        assert_eq!(all.profile().samples(), 6000);
        assert!(all.profile().is_valid());
    }

    /// What names something that does not exist is refused.
    #[test]
    fn invalid_trees_are_found() {
        let node = |parent, frame| ProfileNode { parent, frame, samples: 1 };
        let with = |nodes: Vec<ProfileNode>| Profile { frames: vec![frame("a")], nodes };
        assert!(with(vec![node(None, 0), node(Some(0), 0)]).is_valid());
        assert!(!with(vec![node(None, 1)]).is_valid());
        assert!(!with(vec![node(Some(0), 0)]).is_valid());
        assert!(!with(vec![node(None, 0), node(Some(1), 0)]).is_valid());
        let long = StackFrame { file: "x".repeat(FRAME_TEXT_BYTES_MAX + 1), ..frame("a") };
        assert!(!Profile { frames: vec![long], nodes: vec![node(None, 0)] }.is_valid());
    }
}
