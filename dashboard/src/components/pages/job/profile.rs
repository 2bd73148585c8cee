//! Where the calls of Python functions spend their time: flame graphs of sampled call stacks.

use crate::components::parts::{Panel, Status};
use crate::format::{counted, percent};
use crate::live::{Live, use_answer};
use partita_observe::frame::{Answer, Question};
use partita_shared::ids::JobId;
use partita_shared::model::{Profile as Samples, StageProfile};
use yew::prelude::*;

/// How often the page asks again, in milliseconds.
const REFRESH_MS: u32 = 3_000;
/// Functions that are shown: those with the most samples.
const FUNCTIONS_MAX: usize = 4;
/// The height of a frame, in pixels.
const FRAME_PX: usize = 20;
/// The width of the whole, in the units of frames: thousandths of a percent.
const WHOLE: u64 = 100_000;
/// Frames of at least this width are drawn.
const DRAWN_MIN: u64 = 1_000;
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
    let Some(Answer::Profiles(profiles)) = answer.as_deref() else { return Html::default() };
    if profiles.is_empty() {
        return Html::default();
    }
    html! {
        <Panel title="Where the functions spend their time" id="profile" status={Status::Ready}
            note="each function is below its caller; its width is its share of the samples">
            { for profiles.iter().take(FUNCTIONS_MAX).map(flame) }
        </Panel>
    }
}

fn flame(found: &StageProfile) -> Html {
    let profile = &found.profile;
    let (drawn, samples) = (layout(profile), profile.samples());
    let height = FRAME_PX * (1 + drawn.iter().map(|one| one.depth).max().unwrap_or(0));
    // No time: a process that is costly to read is read less often than the interval says.
    let heading = format!("{}: {}", found.name, counted(samples, "sample", "samples"));
    html! {
        <div key={found.stage.index} class="flame-scroll" role="group" tabindex="0" aria-label={found.name.clone()}>
            <h3>{ heading }</h3>
            <svg class="flame" width="100%" height={height.to_string()}>
                { for drawn.iter().map(|one| frame(profile, *one)) }
            </svg>
        </div>
    }
}

/// A frame: a drawing of its own, which cuts off what does not fit.
fn frame(profile: &Samples, drawn: Drawn) -> Html {
    let frame = profile.frames.get(profile.nodes[drawn.node].frame as usize);
    let Some(frame) = frame else { return Html::default() };
    let color = frame.file.bytes().map(usize::from).sum::<usize>() % COLORS;
    let title = format!(
        "{} ({}:{}): {} %",
        frame.function,
        frame.file,
        frame.line,
        percent(drawn.width, WHOLE)
    );
    html! {
        <svg key={drawn.node} x={as_percent(drawn.left)} y={(drawn.depth * FRAME_PX).to_string()}
            width={as_percent(drawn.width)} height={(FRAME_PX - 1).to_string()}>
            <title>{ title }</title>
            <rect class={format!("flame-{color}")} width="100%" height="100%" />
            <text x="4" y="14">{ frame.function.clone() }</text>
        </svg>
    }
}

/// Parts of the whole in percent, for a drawing.
fn as_percent(parts: u64) -> String {
    format!("{}.{:03}%", parts / 1000, parts % 1000)
}

/// Where frames are drawn: those that are called by one are beside each other below it, in the order in which they were
/// first seen.
fn layout(profile: &Samples) -> Vec<Drawn> {
    let (totals, whole) = (profile.totals(), profile.samples().max(1));
    let part = |samples: u64| samples.saturating_mul(WHOLE) / whole;
    // Where the next frame below each node begins; the last entry is for the outermost ones.
    let mut next = vec![0; profile.nodes.len() + 1];
    let mut depths = vec![0; profile.nodes.len()];
    let mut drawn = Vec::new();
    // Callers come before what they called.
    for (node, at) in profile.nodes.iter().enumerate() {
        let caller = at.parent.map(|parent| parent as usize).filter(|caller| *caller < node);
        let place = caller.unwrap_or(profile.nodes.len());
        let left = next[place];
        next[place] = left + totals[node];
        next[node] = left;
        depths[node] = caller.map_or(0, |caller| depths[caller] + 1);
        let width = part(totals[node]);
        if width >= DRAWN_MIN {
            drawn.push(Drawn { node, left: part(left), width, depth: depths[node] });
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

    /// Frames are as wide as their parts, below the ones that called them; narrow ones are left out.
    #[test]
    fn frames_lie_below_their_callers() {
        let mut tree = ProfileTree::default();
        tree.add([&frame("f"), &frame("g")], 250);
        tree.add([&frame("f"), &frame("h"), &frame("i")], 500);
        tree.add([&frame("f")], 239);
        tree.add([&frame("narrow")], 1);
        tree.add([&frame("k")], 10);
        let profile = tree.into_profile();
        let name = |one: &Drawn| {
            let frame = profile.nodes[one.node].frame as usize;
            profile.frames[frame].function.as_str()
        };
        let drawn = layout(&profile);
        let found: Vec<_> =
            drawn.iter().map(|one| (name(one), one.left, one.width, one.depth)).collect();
        let expected = [
            ("f", 0, 98_900, 0),
            ("g", 0, 25_000, 1),
            ("h", 25_000, 50_000, 1),
            ("i", 25_000, 50_000, 2),
            ("k", 99_000, 1_000, 0),
        ];
        assert_eq!(found, expected);
    }
}
