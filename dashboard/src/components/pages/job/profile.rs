//! Where the calls of Python functions spend their time: a flame graph of sampled call stacks.

use crate::components::parts::{Panel, Status};
use crate::format::{counted, duration_us, percent};
use crate::live::{Live, use_answer};
use partita_observe::frame::{Answer, Question};
use partita_shared::ids::JobId;
use partita_shared::model::{Profile as Samples, StageProfile};
use web_sys::HtmlSelectElement;
use yew::prelude::*;

/// How often the page asks again, in milliseconds.
const REFRESH_MS: u32 = 3_000;
/// The height of a frame, in pixels.
const FRAME_PX: usize = 20;
/// The width of the whole, in the units of frames: thousandths of a percent.
const WHOLE: u64 = 100_000;
/// Frames of at least this width are drawn.
const DRAWN_MIN: u64 = 200;
/// Frames that are drawn at most.
const DRAWN_MAX: usize = 600;
/// Colors of frames: those of one file have the same.
const COLORS: usize = 3;

/// What the panel shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// The job.
    pub id: JobId,
}

/// A frame as it is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Drawn {
    /// The node.
    node: usize,
    /// Its left edge and its width, in parts of [`WHOLE`].
    left: u64,
    width: u64,
    /// How many frames are above it.
    depth: usize,
}

/// Where the calls of a job spend their time; nothing for jobs without calls that were sampled.
#[component]
pub fn Profile(props: &Props) -> Html {
    let question = Question::Profiles { job: props.id, stage: None };
    let answer = use_answer(&props.live, Some(question), REFRESH_MS);
    let chosen = use_state(|| None::<u32>);
    let root = use_state(|| None::<(u32, usize)>);
    let Some(Answer::Profiles(profiles)) = answer.as_deref() else { return Html::default() };
    let is_chosen = |one: &&StageProfile| Some(one.stage.index) == *chosen;
    let Some(profile) = profiles.iter().find(is_chosen).or_else(|| profiles.first()) else {
        return Html::default();
    };
    let stage = profile.stage.index;
    let on_stage = {
        let (chosen, root) = (chosen.clone(), root.clone());
        Callback::from(move |event: Event| {
            let select: HtmlSelectElement = event.target_unchecked_into();
            chosen.set(select.value().parse().ok());
            root.set(None);
        })
    };
    let zoomed = (*root).filter(|(of, _)| *of == stage).map(|(_, node)| node);
    let on_frame = {
        let root = root.clone();
        Callback::from(move |node: Option<usize>| root.set(node.map(|node| (stage, node))))
    };
    let samples = profile.profile.samples();
    let time = duration_us(samples.saturating_mul(profile.interval_ms).saturating_mul(1000));
    let note = format!("{time} of running calls, {}", counted(samples, "sample", "samples"));
    let tools = html! {
        <>
            if zoomed.is_some() {
                <button onclick={on_frame.reform(|_| None)}>{ "whole" }</button>
            }
            if profiles.len() > 1 {
                <select aria-label="Function" onchange={on_stage}>
                    { for profiles.iter().map(|one| html! {
                        <option key={one.stage.index} value={one.stage.index.to_string()}
                            selected={one.stage == profile.stage}>
                            { one.name.clone() }
                        </option>
                    }) }
                </select>
            }
        </>
    };
    html! {
        <Panel title="Where the functions spend their time" id="profile" status={Status::Ready} {note} {tools}>
            <div class="flame-scroll" role="group" aria-label="Flame graph" tabindex="0">
                { flame(&profile.profile, zoomed, &on_frame) }
            </div>
            <p class="details pad">
                { "Each function is below the one that called it, as wide as its part of the samples. \
                   A click shows one frame and what it called." }
            </p>
        </Panel>
    }
}

fn flame(profile: &Samples, zoomed: Option<usize>, on_frame: &Callback<Option<usize>>) -> Html {
    let totals = profile.totals();
    let drawn = layout(profile, &totals, zoomed);
    let height = FRAME_PX * (1 + drawn.iter().map(|one| one.depth).max().unwrap_or(0));
    let samples = profile.samples();
    html! {
        <svg class="flame" width="100%" height={height.to_string()} role="group">
            { for drawn.iter().map(|one| frame(profile, *one, totals[one.node], samples, on_frame)) }
        </svg>
    }
}

/// A frame: a drawing of its own, which cuts off what does not fit.
fn frame(
    profile: &Samples,
    drawn: Drawn,
    total: u64,
    samples: u64,
    on_frame: &Callback<Option<usize>>,
) -> Html {
    let frame = profile.frames.get(profile.nodes[drawn.node].frame as usize);
    let Some(frame) = frame else { return Html::default() };
    let color = frame.file.bytes().map(usize::from).sum::<usize>() % COLORS;
    let place = format!("{}:{}", frame.file, frame.line);
    let share = format!("{} %, {}", percent(total, samples), counted(total, "sample", "samples"));
    let (x, width) = (as_percent(drawn.left), as_percent(drawn.width));
    let onclick = {
        let node = drawn.node;
        on_frame.reform(move |_: MouseEvent| Some(node))
    };
    html! {
        <svg key={drawn.node} {x} y={(drawn.depth * FRAME_PX).to_string()} {width}
            height={(FRAME_PX - 1).to_string()} {onclick}>
            <title>{ format!("{} ({place}): {share}", frame.function) }</title>
            <rect class={classes!("flame-frame", format!("flame-{color}"))} width="100%" height="100%" />
            <text x="4" y="14">{ frame.function.clone() }</text>
        </svg>
    }
}

/// Parts of the whole in percent, for a drawing.
fn as_percent(parts: u64) -> String {
    format!("{}.{:03}%", parts / 1000, parts % 1000)
}

/// Where frames are drawn, callers before what they called: all of them, or one with what it called below those that
/// called it.
fn layout(profile: &Samples, totals: &[u64], zoomed: Option<usize>) -> Vec<Drawn> {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); profile.nodes.len()];
    let mut outermost = Vec::new();
    for (at, node) in profile.nodes.iter().enumerate() {
        match node.parent.and_then(|parent| children.get_mut(parent as usize)) {
            Some(siblings) => siblings.push(at),
            None => outermost.push(at),
        }
    }
    let mut drawn = Vec::new();
    let zoomed = zoomed.filter(|node| *node < profile.nodes.len());
    let (whole, first, depth) = match zoomed {
        None => (profile.samples(), outermost, 0),
        Some(node) => {
            let mut callers = Vec::new();
            let mut at = profile.nodes[node].parent;
            while let Some(caller) = at {
                callers.push(caller as usize);
                at = profile.nodes[caller as usize].parent;
            }
            callers.reverse();
            let above = callers.len();
            let all = callers.into_iter().enumerate();
            drawn.extend(all.map(|(depth, node)| Drawn { node, left: 0, width: WHOLE, depth }));
            (totals[node], vec![node], above)
        }
    };
    let whole = whole.max(1);
    let mut open = vec![(first, 0_u64, depth)];
    while let Some((mut siblings, mut left, depth)) = open.pop() {
        siblings.sort_by_key(|node| std::cmp::Reverse(totals[*node]));
        for node in siblings {
            let total = totals[node];
            let part = |samples: u64| samples.saturating_mul(WHOLE) / whole;
            if part(total) < DRAWN_MIN || drawn.len() >= DRAWN_MAX {
                continue;
            }
            drawn.push(Drawn { node, left: part(left), width: part(total), depth });
            open.push((std::mem::take(&mut children[node]), left, depth + 1));
            left += total;
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use partita_shared::model::StackFrame;
    use partita_shared::profile::ProfileTree;

    fn frame(name: &str) -> StackFrame {
        StackFrame { function: name.to_string(), file: "a.py".to_string(), line: 3 }
    }

    fn profile() -> Samples {
        let mut tree = ProfileTree::default();
        tree.add(&[frame("f"), frame("g")], 25);
        tree.add(&[frame("f"), frame("h"), frame("i")], 50);
        tree.add(&[frame("f")], 24);
        tree.add(&[frame("k")], 1);
        tree.into_profile()
    }

    fn shown(profile: &Samples, zoomed: Option<usize>) -> Vec<(String, u64, u64, usize)> {
        let drawn = layout(profile, &profile.totals(), zoomed);
        let name = |one: &Drawn| {
            let frame = profile.nodes[one.node].frame as usize;
            profile.frames[frame].function.clone()
        };
        drawn.iter().map(|one| (name(one), one.left, one.width, one.depth)).collect()
    }

    /// Frames are as wide as their parts, the longest first, below the ones that called them.
    #[test]
    fn frames_lie_below_their_callers() {
        let expected = [
            ("f", 0, 99_000, 0),
            ("k", 99_000, 1_000, 0),
            ("h", 0, 50_000, 1),
            ("g", 50_000, 25_000, 1),
            ("i", 0, 50_000, 2),
        ];
        let mut found = shown(&profile(), None);
        found.sort_by_key(|one| (one.3, one.1));
        let found: Vec<_> = found.iter().map(|one| (one.0.as_str(), one.1, one.2, one.3)).collect();
        assert_eq!(found, expected);
    }

    /// A frame that was chosen has the whole width, with those that called it.
    #[test]
    fn one_frame_is_shown_with_its_callers() {
        let profile = profile();
        let of = |name: &str| {
            let is_it = |node: &partita_shared::model::ProfileNode| {
                profile.frames[node.frame as usize].function == name
            };
            profile.nodes.iter().position(is_it)
        };
        let found = shown(&profile, of("h"));
        let found: Vec<_> = found.iter().map(|one| (one.0.as_str(), one.1, one.2, one.3)).collect();
        assert_eq!(found, [("f", 0, WHOLE, 0), ("h", 0, WHOLE, 1), ("i", 0, WHOLE, 2)]);
        assert_eq!(shown(&profile, Some(99)).len(), 5);
    }
}
