//! The arrays that a client persisted: where each block is, and which are being computed.

use crate::charts::{HUE_CLASSES, swatch};
use crate::components::parts::{Panel, Same, look, worker_link, worker_name};
use crate::format::{bytes, counted, grouped};
use crate::live::{Live, use_answer};
use crate::order::sort_by_key;
use crate::route::task_key;
use gloo_timers::callback::Timeout;
use partita_observe::event::ArrayFacts;
use partita_observe::frame::{Answer, Question, TASKS_PAGE_MAX};
use partita_shared::ids::{JobId, StageId, TaskId, WorkerId};
use partita_shared::model::{TaskRow, TaskState};
use std::rc::Rc;
use yew::prelude::*;

/// How often all blocks are asked for again, in milliseconds.
const REFRESH_MS: u32 = 2_000;
/// Blocks that are drawn.
const BLOCKS_MAX: u64 = 2_500;
/// The width of a drawing, in pixels, and the largest and the smallest cell.
const WIDTH_PX: usize = 640;
const CELL_PX: (usize, usize) = (6, 24);

/// What the panel shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// The job.
    pub id: JobId,
}

/// The arrays that the client of a job persisted; nothing if there are none.
#[component]
pub fn Arrays(props: &Props) -> Html {
    let chosen = use_state(|| None::<ArrayFacts>);
    let text = props.live.job_texts.get(&props.id).and_then(Option::as_ref);
    let Some(arrays) = text.map(|text| &text.arrays).filter(|arrays| !arrays.is_empty()) else {
        return Html::default();
    };
    let is_chosen = |facts: &&ArrayFacts| chosen.as_ref() == Some(*facts);
    let shown = arrays.iter().find(is_chosen).unwrap_or(&arrays[0]);
    let choice = arrays.iter().map(|facts| {
        let (setter, own) = (chosen.setter(), facts.clone());
        let onclick = Callback::from(move |_: MouseEvent| setter.set(Some(own.clone())));
        html! {
            <button type="button" aria-pressed={(facts == shown).to_string()} {onclick}>
                { title(facts) }
            </button>
        }
    });
    html! {
        <Panel title="Persisted arrays" id="arrays" tools={html! { <div class="choice">{ for choice }</div> }}>
            <Blocks key={format!("{:?}", shown.blocks)} live={props.live.clone()}
                facts={Same(Rc::new(shown.clone()))} />
        </Panel>
    }
}

/// `add 8 × 6`.
fn title(facts: &ArrayFacts) -> String {
    let grid: Vec<String> = facts.grid.iter().map(u32::to_string).collect();
    format!("{} {}", facts.name, grid.join(" × "))
}

#[derive(PartialEq, Properties)]
struct BlocksProps {
    live: Live,
    facts: Same<ArrayFacts>,
}

/// The runs of tasks that are asked for one after the other: stage, first task, how many.
fn questions(blocks: &[(u32, u32, u32)]) -> Vec<(u32, u32, u32)> {
    let parts = |&(stage, first, count): &(u32, u32, u32)| {
        (0..count)
            .step_by(TASKS_PAGE_MAX as usize)
            .map(move |at| (stage, first.saturating_add(at), TASKS_PAGE_MAX.min(count - at)))
    };
    blocks.iter().flat_map(parts).collect()
}

/// The blocks of one array.
#[component]
fn Blocks(props: &BlocksProps) -> Html {
    let (live, facts) = (&props.live, &props.facts);
    let parts = use_memo((), |()| questions(&facts.blocks));
    let answers = use_mut_ref(|| vec![None::<Rc<Answer>>; parts.len()]);
    let at = use_state(|| 0);
    let total: u64 = facts.blocks.iter().map(|(_, _, count)| u64::from(*count)).sum();
    let wanted = parts.get(*at).filter(|_| total <= BLOCKS_MAX);
    let question = wanted.map(|&(stage, first, limit)| Question::Tasks {
        job: facts.job,
        stage: Some(stage),
        state: None,
        after: first.checked_sub(1).map(|before| (stage, before)),
        limit,
    });
    let answer = use_answer(live, question, REFRESH_MS);
    if let Some(place) = answers.borrow_mut().get_mut(*at) {
        *place = answer.clone().or(place.take());
    }
    let next = (*at + 1) % parts.len().max(1);
    let is_known = answers.borrow().get(next).is_some_and(Option::is_some);
    let setter = at.setter();
    // The first time at once, then again and again.
    use_effect_with((answer.as_ref().map(Same::of), next), move |(answer, next)| {
        let next = *next;
        let turn = answer
            .is_some()
            .then(|| Timeout::new(if is_known { REFRESH_MS } else { 0 }, move || setter.set(next)));
        move || drop(turn)
    });
    if total > BLOCKS_MAX {
        let text = format!("{} are too many to draw.", counted(total, "block", "blocks"));
        return html! { <p class="empty">{ text }</p> };
    }
    let rows = rows(facts, &parts, &answers.borrow());
    drawing(live, facts, &rows)
}

/// The task of each block, in row-major order, and its row once it has come.
fn rows(
    facts: &ArrayFacts,
    parts: &[(u32, u32, u32)],
    answers: &[Option<Rc<Answer>>],
) -> Vec<(TaskId, Option<TaskRow>)> {
    let mut all = Vec::new();
    for (&(stage, first, count), answer) in parts.iter().zip(answers) {
        let known: &[TaskRow] = match answer.as_deref() {
            Some(Answer::Tasks { rows, .. }) => rows,
            _ => &[],
        };
        for index in first..first.saturating_add(count) {
            let task = TaskId { stage: StageId { job: facts.job, index: stage }, index };
            // Rows are in the order of their tasks; those of forgotten tasks are missing.
            let found = known.binary_search_by_key(&index, |row| row.id.index).ok();
            all.push((task, found.map(|at| known[at].clone())));
        }
    }
    all
}

/// How blocks look that are alike, and how many there are.
struct Alike {
    /// The worker that has them, if one has.
    holder: Option<WorkerId>,
    class: &'static str,
    word: &'static str,
    blocks: u64,
    bytes: u64,
}

fn look_of(live: &Live, row: Option<&TaskRow>) -> Alike {
    let (holder, class, word) = match row.map(|row| (row.state, row.worker)) {
        None => (None, "free", "not known"),
        Some((TaskState::Done, None)) => (None, "free", "released or lost"),
        Some((TaskState::Done, Some(worker))) => {
            let place = live.workers.keys().position(|known| *known == worker).unwrap_or(0);
            (Some(worker), HUE_CLASSES[place % HUE_CLASSES.len()], "")
        }
        Some((state, _)) => (None, look::task(state).class, look::task(state).word),
    };
    Alike { holder, class, word, blocks: 1, bytes: row.map_or(0, |row| row.bytes) }
}

/// Where a block is drawn: the last axis goes to the right, the one before it down, and the planes of
/// the others are below each other.
fn place(at: usize, grid: &[u32]) -> (usize, usize) {
    let (columns, lines) = (size(grid, 0), size(grid, 1));
    let (line, plane) = (at / columns % lines, at / columns / lines);
    // A plane is as far from the next as a line is high.
    (at % columns, line + plane * (lines + 1))
}

/// Blocks along an axis, counted from the last.
fn size(grid: &[u32], from_end: usize) -> usize {
    grid.iter().rev().nth(from_end).map_or(1, |blocks| (*blocks).max(1) as usize)
}

fn drawing(live: &Live, facts: &ArrayFacts, rows: &[(TaskId, Option<TaskRow>)]) -> Html {
    let grid = &facts.grid;
    let cell = (WIDTH_PX / size(grid, 0)).clamp(CELL_PX.0, CELL_PX.1);
    let mut legend: Vec<Alike> = Vec::new();
    let mut cells = Vec::new();
    for (at, (task, row)) in rows.iter().enumerate() {
        let look = look_of(live, row.as_ref());
        let what = match look.holder {
            Some(worker) => format!("{} on {}", bytes(look.bytes), worker_name(live, worker)),
            None => look.word.to_string(),
        };
        let (x, y) = place(at, grid);
        let edge = (cell - 1).to_string();
        let title = format!("block {:?}, task {}: {what}", index(at, grid), task_key(*task));
        cells.push(html! {
            <svg key={at} class={look.class} x={(x * cell).to_string()} y={(y * cell).to_string()}
                width={edge.clone()} height={edge}>
                <title>{ title }</title>
                <rect width="100%" height="100%" />
            </svg>
        });
        let is_alike = |known: &&mut Alike| (known.holder, known.word) == (look.holder, look.word);
        match legend.iter_mut().find(is_alike) {
            Some(known) => {
                (known.blocks, known.bytes) = (known.blocks + 1, known.bytes + look.bytes)
            }
            None => legend.push(look),
        }
    }
    sort_by_key(&mut legend, |alike| (alike.holder.is_none(), alike.holder, alike.word));
    let last = place(rows.len().saturating_sub(1), grid).1 + 1;
    let blocks = counted(rows.len() as u64, "block", "blocks");
    html! {
        <div class="blocks">
            <div class="scroll pad" role="group" aria-label={title(facts)} tabindex="0">
                <svg width={(size(grid, 0) * cell).to_string()} height={(last * cell).to_string()}
                    role="img" aria-label={format!("{blocks}, by the worker that has them")}>
                    { for cells }
                </svg>
            </div>
            <ul class="tl-legend">
                <li>{ blocks }</li>
                { for legend.iter().map(|alike| html! {
                    <li key={format!("{:?}{}", alike.holder, alike.word)}>
                        { swatch(alike.class) }
                        { alike.holder.map_or(alike.word.into(), |worker| worker_link(live, worker)) }
                        { format!(" {}", grouped(alike.blocks)) }
                        if alike.holder.is_some() {
                            { format!(" · {}", bytes(alike.bytes)) }
                        }
                    </li>
                }) }
            </ul>
        </div>
    }
}

/// The index of a block along each axis.
fn index(at: usize, grid: &[u32]) -> Vec<usize> {
    let mut rest = at;
    let mut index: Vec<usize> = grid
        .iter()
        .rev()
        .map(|size| {
            let size = (*size).max(1) as usize;
            let here = rest % size;
            rest /= size;
            here
        })
        .collect();
    index.reverse();
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::work::tasks_answer;
    use crate::fixtures::{busy_updates, follower, live};
    use crate::live::Health;
    use crate::route::Route;
    use crate::testing::{assert_shows, draw_page};
    use partita_observe::frame::{Source, Update};

    /// Blocks have their index, and lie where it says.
    #[test]
    fn blocks_lie_where_their_index_says() {
        assert_eq!(index(7, &[2, 2, 3]), [1, 0, 1]);
        assert_eq!((place(7, &[2, 2, 3]), place(4, &[2, 2, 3])), ((1, 3), (1, 1)));
        assert_eq!((place(5, &[6]), index(0, &[])), ((5, 0), vec![]));
    }

    /// All tasks are asked for, no more than one answer may have at once.
    #[test]
    fn runs_are_asked_for_in_parts() {
        assert_eq!(
            questions(&[(2, 10, 450), (3, 0, 1)]),
            [(2, 10, 200), (2, 210, 200), (2, 410, 50), (3, 0, 1)]
        );
    }

    /// A job's page has a panel for its arrays: each block is where its task is.
    #[test]
    fn blocks_are_drawn_where_their_tasks_are() {
        let id = JobId(7);
        let array = |name: &str, grid: &[u32], blocks| ArrayFacts {
            job: id,
            name: name.into(),
            grid: grid.to_vec(),
            blocks,
        };
        let arrays =
            vec![array("add", &[6, 8], vec![(3, 0, 48)]), array("mean", &[8], vec![(4, 0, 8)])];
        let (topics, mut updates) = busy_updates();
        for update in &mut updates {
            if let Update::Job(JobId(7), Some(view)) = update {
                view.arrays = arrays.clone();
            }
        }
        let question =
            Question::Tasks { job: id, stage: Some(3), state: None, after: None, limit: 48 };
        let answers = vec![tasks_answer(question)];
        let live = live(follower(Source::Live, topics, updates), Health::Live, answers);
        let html = draw_page("job-arrays", &live, &Route::Job(id));
        assert_shows(
            &html,
            &[
                "Persisted arrays",
                "add 6 × 8",
                "mean 8",
                "48 blocks",
                "block [0, 3], task 7.3.3: 11.0 MiB on n0413-3",
                "block [3, 1], task 7.3.25: running",
                "not known 8",
            ],
        );
    }
}
