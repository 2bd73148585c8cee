//! Bars of parts of a whole.

use crate::format::{grouped, part_of};
use partita_shared::model::TaskCounts;
use yew::prelude::*;

/// Steps of a bar's width. A step is less than a pixel of the widest bar.
const STEPS: u64 = 1_000;

/// The narrowest part, in steps: a single failed task of thousands is still seen.
const STEPS_MIN: u64 = 8;

/// One part of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// How it looks: a class of the style sheet. Some have a pattern too.
    pub class: &'static str,
    /// Its size, in the unit of the whole.
    pub size: u64,
}

/// What a bar shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The parts, from left to right.
    pub parts: Vec<Part>,
    /// What the whole width stands for.
    pub whole: u64,
    /// Where a tick stands, in the unit of the whole.
    #[prop_or_default]
    pub limit: Option<u64>,
    /// What it says, for those who do not see it.
    pub label: AttrValue,
}

/// A part of the whole, in steps.
fn steps_of(size: u64, whole: u64) -> u64 {
    part_of(size.min(whole), whole, STEPS)
}

/// Where each part begins and how wide it is, in steps. Ends are rounded, not widths, so that
/// parts neither overlap nor leave the bar.
fn extents(parts: &[Part], whole: u64) -> Vec<(u64, u64)> {
    let mut sum = 0_u64;
    let mut start = 0;
    let mut extents = Vec::with_capacity(parts.len());
    for part in parts {
        sum = sum.saturating_add(part.size);
        let least = if part.size > 0 && whole > 0 { start + STEPS_MIN } else { start };
        let end = steps_of(sum, whole).max(least).min(STEPS);
        extents.push((start, end - start));
        start = end;
    }
    extents
}

/// Steps as a share of the width.
fn share(steps: u64) -> String {
    format!("{}.{}%", steps / 10, steps % 10)
}

/// The pattern that lies over a part.
fn pattern(class: &str) -> Option<&'static str> {
    match class {
        "spilled" | "disk" => Some("url(#hatch-spilled)"),
        "failed" => Some("url(#hatch-failed)"),
        "transfer" => Some("url(#hatch-transfer)"),
        _ => None,
    }
}

/// A bar. Its widths are attributes of SVG: a style attribute would break the page's policy. They
/// are shares of the width, so that patterns are not stretched with it.
#[component]
pub fn Bar(props: &Props) -> Html {
    let extents = extents(&props.parts, props.whole);
    let parts = props.parts.iter().zip(extents).filter(|(_, (_, width))| *width > 0);
    html! {
        <svg class="bar" role="img" aria-label={&props.label}>
            <title>{ &props.label }</title>
            { for parts.map(|(part, (start, width))| {
                let (x, width) = (share(start), share(width));
                html! {
                    <g key={part.class}>
                        <rect class={part.class} x={x.clone()} width={width.clone()} height="100%" />
                        if let Some(fill) = pattern(part.class) {
                            <rect {fill} {x} {width} height="100%" />
                        }
                    </g>
                }
            }) }
            if let Some(limit) = props.limit {
                <rect class="tick" x={share(steps_of(limit, props.whole))} width="2" height="100%" />
            }
        </svg>
    }
}

/// What a bar of tasks shows.
#[derive(PartialEq, Properties)]
pub struct StateBarProps {
    /// The tasks.
    pub tasks: TaskCounts,
}

/// A bar of tasks by state: failed, done, running, ready; what waits is the empty rest.
#[component]
pub fn StateBar(props: &StateBarProps) -> Html {
    let tasks = &props.tasks;
    let parts = [
        // First, where no other part pushes it out.
        Part { class: "failed", size: tasks.failed },
        Part { class: "done", size: tasks.done },
        Part { class: "running", size: tasks.running },
        Part { class: "ready", size: tasks.ready },
    ];
    html! { <Bar parts={parts.to_vec()} whole={tasks.total()} label={in_words(tasks)} /> }
}

/// `88 of 90 tasks done, 2 running`: states that no task is in are left out.
fn in_words(tasks: &TaskCounts) -> String {
    let mut words = format!("{} of {} tasks done", grouped(tasks.done), grouped(tasks.total()));
    let others = [
        (tasks.failed, "failed"),
        (tasks.running, "running"),
        (tasks.ready, "ready"),
        (tasks.waiting, "waiting"),
    ];
    for (number, word) in others.into_iter().filter(|(number, _)| *number > 0) {
        words.push_str(&format!(", {} {word}", grouped(number)));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(size: u64) -> Part {
        Part { class: "done", size }
    }

    /// Parts join without gaps, fill the bar when they are the whole, and never leave it, even
    /// when they are more than the whole or the whole is nothing.
    #[test]
    fn parts_join_and_stay_inside() {
        assert_eq!(extents(&[part(1), part(1), part(1)], 3), [(0, 333), (333, 333), (666, 334)]);
        assert_eq!(extents(&[part(5), part(9)], 10), [(0, 500), (500, 500)]);
        assert_eq!(extents(&[part(5)], 0), [(0, 0)]);
        assert_eq!(extents(&[part(1), part(0), part(5_000)], 10_000), [(0, 8), (8, 0), (8, 492)]);
        assert_eq!(extents(&[part(u64::MAX), part(u64::MAX)], u64::MAX), [(0, 1000), (1000, 0)]);
        assert_eq!(share(333), "33.3%");
    }

    /// Those who do not see the bar hear what it says, and nothing beside it.
    #[test]
    fn a_bar_is_said_in_words() {
        let tasks = TaskCounts { done: 88, running: 2, ..TaskCounts::default() };
        assert_eq!(in_words(&tasks), "88 of 90 tasks done, 2 running");
    }
}
