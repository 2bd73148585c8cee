//! The stages of a job as a drawing: what reads what, and how far each is.

use super::layout::{Layout, Sizes, layout};
use crate::components::parts::{Panel, Same, Status, icon_path};
use crate::format::{NONE, duration_us, grouped, middle, percent};
use crate::live::Live;
use crate::route::{Route, TaskFilter};
use partita_observe::frame::Topic;
use partita_observe::view::{JobView, StageView};
use partita_shared::ids::JobId;
use std::rc::Rc;
use yew::prelude::*;

/// Maximum number of stages that are drawn; a larger job shows only its table.
pub const STAGES_DRAWN_MAX: usize = 300;

/// Edges whose exchange is written beside them: more would cover each other.
const EDGES_NAMED_MAX: usize = 60;

/// Characters of a name in its node.
const NAME_CHARS_MAX: usize = 24;

/// Sizes of the drawing, in pixels.
const SIZES: Sizes = Sizes { node_width: 208.0, node_height: 56.0, gap: 32.0, layer_gap: 44.0 };

/// What the drawing shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// The job.
    pub id: JobId,
}

/// The stages of a job as a drawing.
#[component]
pub fn Graph(props: &Props) -> Html {
    let (live, id) = (&props.live, props.id);
    let text = live.job_texts.get(&id).cloned().flatten();
    let stages = text.as_ref().map_or(0, |text| text.stages.len());
    let status = match (live.has(Topic::Job(id)), stages) {
        (false, 0) => Status::Loading,
        (_, 0) => Status::Empty("This job has no stages.".into()),
        (_, many) if many > STAGES_DRAWN_MAX => Status::Empty(
            format!(
                "{} stages are too many to draw. They are in the table.",
                grouped(stages as u64)
            )
            .into(),
        ),
        _ => Status::Ready,
    };
    html! {
        <Panel title="Stages" id="graph" {status} note="each stage reads those above it; click one to see its tasks">
            if let Some(text) = text {
                <div class="scroll graph-scroll" role="group" aria-label="Stages" tabindex="0">
                    <Drawing text={Same(text)} stages={live.stages.get(&id).map(Same::of)} />
                </div>
            }
        </Panel>
    }
}

#[derive(PartialEq, Properties)]
struct DrawingProps {
    text: Same<JobView>,
    stages: Option<Same<std::collections::BTreeMap<u32, Rc<StageView>>>>,
}

/// The edges of a job: from what is read to what reads, and how.
fn edges(text: &JobView) -> Vec<(usize, usize, &str)> {
    let of = |(reader, stage)| {
        let stage: &partita_observe::view::StageText = stage;
        stage
            .inputs
            .iter()
            .map(move |input| (input.stage as usize, reader, input.exchange.as_str()))
    };
    text.stages.iter().enumerate().flat_map(of).collect()
}

#[component]
fn Drawing(props: &DrawingProps) -> Html {
    // The layout does not change while a job runs: its figures do.
    let drawn = use_memo(props.text.clone(), |text| {
        let pairs: Vec<(usize, usize)> =
            edges(text).iter().map(|(from, to, _)| (*from, *to)).collect();
        layout(text.stages.len(), &pairs, SIZES)
    });
    let size = |length: f64| (length.ceil() as u32).to_string();
    let (width, height) = (size(drawn.width), size(drawn.height));
    let edges = edges(&props.text);
    let is_named = edges.len() <= EDGES_NAMED_MAX;
    html! {
        <svg class="graph" width={width.clone()} height={height.clone()}
            viewBox={format!("0 0 {width} {height}")} role="group" aria-label="Stages of the job">
            { for edges.iter().zip(&drawn.edges).map(|((from, to, exchange), points)| {
                edge((*from, *to), exchange, points, is_named)
            }) }
            { for props.text.stages.iter().enumerate().map(|(index, stage)| {
                let figures = props.stages.as_ref().and_then(|all| all.get(&(index as u32)));
                html! {
                    <Node key={index} job={props.text.id} index={index as u32}
                        name={stage.name.clone()} stage={figures.map(Same::of)}
                        x={corner(&drawn, index).0} y={corner(&drawn, index).1} />
                }
            }) }
        </svg>
    }
}

/// The upper left corner of a node, in whole pixels: text is sharper there.
fn corner(drawn: &Layout, index: usize) -> (i32, i32) {
    let (x, y) = drawn.nodes.get(index).copied().unwrap_or_default();
    ((x - SIZES.node_width / 2.0).round() as i32, (y - SIZES.node_height / 2.0).round() as i32)
}

/// A point of a path, in whole pixels.
fn place((x, y): (f64, f64)) -> String {
    format!("{} {}", x.round() as i32, y.round() as i32)
}

fn edge(ends: (usize, usize), exchange: &str, points: &[(f64, f64)], is_named: bool) -> Html {
    let [first, rest @ ..] = points else { return Html::default() };
    let mut path = format!("M{}", place(*first));
    let mut before = first;
    for point in rest {
        let bend = (point.1 - before.1) / 2.0;
        let (from, to) = ((before.0, before.1 + bend), (point.0, point.1 - bend));
        path.push_str(&format!("C{} {} {}", place(from), place(to), place(*point)));
        before = point;
    }
    // In the middle of the first stretch, where edges from one node have parted.
    let label = rest.first().filter(|_| is_named).map(|next| {
        let (x, y) = ((first.0 + next.0) / 2.0, (first.1 + next.1) / 2.0 + 4.0);
        html! {
            <text class="exchange" x={(x.round() as i32).to_string()} y={(y.round() as i32).to_string()}>
                { exchange.to_string() }
            </text>
        }
    });
    html! {
        <g key={format!("{}-{}", ends.0, ends.1)}>
            <path class="edge" d={path}>
                <title>{ format!("{exchange}: stage {} reads stage {}", ends.1, ends.0) }</title>
            </path>
            { for label }
        </g>
    }
}

#[derive(PartialEq, Properties)]
struct NodeProps {
    job: JobId,
    index: u32,
    name: String,
    stage: Option<Same<StageView>>,
    x: i32,
    y: i32,
}

/// The class and glyph of a stage as a whole.
fn state_of(stage: Option<&StageView>) -> (&'static str, &'static str) {
    let Some(stage) = stage else { return ("waiting", "○") };
    let tasks = &stage.tasks;
    if tasks.failed > 0 {
        ("failed", "✖\u{fe0e}")
    } else if tasks.running > 0 {
        ("running", "▶\u{fe0e}")
    } else if tasks.ready > 0 {
        ("ready", "◔")
    } else if tasks.total() > 0 && tasks.done == tasks.total() {
        ("done", "✔\u{fe0e}")
    } else {
        ("waiting", "○")
    }
}

#[component]
fn Node(props: &NodeProps) -> Html {
    const PAD: i32 = 10;
    let (width, height) = (SIZES.node_width as i32, SIZES.node_height as i32);
    let stage = props.stage.as_deref();
    let (class, glyph) = state_of(stage);
    let (sign_class, sign) = icon_path(glyph);
    let (done, total) = stage.map_or((0, 0), |stage| (stage.tasks.done, stage.tasks.total()));
    let time = match stage {
        Some(stage) if stage.time_us.max > 0 => duration_us(stage.time_us.median),
        _ => NONE.to_string(),
    };
    let progress = format!("{} / {}", grouped(done), grouped(total));
    let label = format!(
        "Stage {}, {}: {done} of {total} tasks done; half of them took up to {time}",
        props.index, props.name
    );
    let filter = TaskFilter { job: Some(props.job), stage: Some(props.index), state: None };
    let bar = (width - 2 * PAD) as u64;
    let filled = bar * percent(done, total) / 100;
    html! {
        <a href={Route::Tasks(filter).to_string()}>
            <g class={classes!("node", class)}
                transform={format!("translate({} {})", props.x, props.y)}>
                <title>{ label }</title>
                <rect class="frame" width={width.to_string()} height={height.to_string()} rx="6" />
                <g class={classes!("glyph", sign_class)} transform={format!("translate({PAD} 10)")}>{ sign }</g>
                // A box of its own, which cuts what is wider than letters are on the mean.
                <svg x={(PAD + 18).to_string()} width={(width - 2 * PAD - 18).to_string()} height="28">
                    <text class="name" y="20">{ middle(&props.name, NAME_CHARS_MAX) }</text>
                </svg>
                <text class="figure" x={PAD.to_string()} y="38">{ progress }</text>
                <text class="figure end" x={(width - PAD).to_string()} y="38">{ time }</text>
                <rect class="track" x={PAD.to_string()} y="45" height="4" width={bar.to_string()} />
                <rect class="done" x={PAD.to_string()} y="45" height="4" width={filled.to_string()} />
            </g>
        </a>
    }
}
