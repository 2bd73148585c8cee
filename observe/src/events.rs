//! What happened, in few rows: like things are one event with a count.

use crate::event::{Level, Note};
use crate::table::Table;
use crate::view::{EVENT_WORKERS_MAX, EventKind, EventRow};
use partita_shared::ids::{JobId, TaskId, WorkerId};
use std::collections::{BTreeSet, HashMap};

/// Characters of an event's sentence.
pub const EVENT_TEXT_CHARS_MAX: usize = 500;

/// Workers that join, leave or are lost for like reasons within this time of each other are one
/// event, in milliseconds.
pub const LIKE_EVENTS_MS: u64 = 10_000;

/// Events in which the attempt that failed a job is looked for, the latest.
const JOINED_MAX: usize = 100;

/// What makes two things one event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    kind: EventKind,
    text: String,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Happening {
    /// What kind of thing it is.
    pub kind: EventKind,
    /// How much it matters.
    pub level: Level,
    /// What happened, in a sentence.
    pub text: String,
    /// Why, without what differs from case to case: like reasons make like events.
    pub reason: String,
    /// The worker that it is about.
    pub worker: Option<WorkerId>,
    /// The job that it is about.
    pub job: Option<JobId>,
    /// The task that it is about.
    pub task: Option<TaskId>,
}

impl From<Note> for Happening {
    fn from(note: Note) -> Self {
        Happening {
            kind: EventKind::Note,
            level: note.level,
            reason: note.text.clone(),
            text: note.text,
            worker: note.worker,
            job: note.job,
            task: None,
        }
    }
}

/// Events, the latest of them.
#[derive(Clone, Debug)]
pub struct Events {
    rows: Table<u32, EventRow>,
    max: usize,
    next: u32,
    /// By when they happened last: the first is forgotten first.
    order: BTreeSet<(u64, u32)>,
    keys: HashMap<Key, u32>,
    key_of: HashMap<u32, Key>,
}

impl Events {
    /// Knows none, and never more than `max`. Revisions begin at `revision`.
    pub fn new(max: usize, rows: Table<u32, EventRow>) -> Self {
        Events {
            rows,
            max: max.max(1),
            next: 1,
            order: BTreeSet::new(),
            keys: HashMap::new(),
            key_of: HashMap::new(),
        }
    }

    /// The rows.
    pub fn rows(&self) -> &Table<u32, EventRow> {
        &self.rows
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.rows.clear();
        (self.order, self.keys, self.key_of) = Default::default();
    }

    /// Adds an event that happened at this moment, in milliseconds since the epoch. If an equal
    /// event exists, its count is increased.
    pub fn add(&mut self, at_ms: u64, happening: Happening) {
        let mut happening = happening;
        if happening.kind == EventKind::JobFailed {
            self.join_attempt(&mut happening);
        }
        let key = Key { kind: happening.kind, text: error_kind(&happening.reason) };
        let apart_ms = match happening.kind {
            EventKind::AttemptFailed | EventKind::JobFailed | EventKind::Note => u64::MAX,
            EventKind::WorkerJoined | EventKind::WorkerLeft | EventKind::WorkerLost => {
                LIKE_EVENTS_MS
            }
            EventKind::JobCancelled => 0,
        };
        let text: String = happening.text.chars().take(EVENT_TEXT_CHARS_MAX).collect();
        let like = self.keys.get(&key).copied().filter(|id| {
            let last = self.rows.get(*id).map(|row| row.last_ms);
            apart_ms > 0 && last.is_some_and(|last| at_ms.saturating_sub(last) <= apart_ms)
        });
        let Some(id) = like else {
            self.insert(
                key,
                EventRow {
                    id: self.next,
                    level: happening.level,
                    kind: happening.kind,
                    text,
                    worker: happening.worker,
                    job: happening.job,
                    task: happening.task,
                    count: 1,
                    first_ms: at_ms,
                    last_ms: at_ms,
                    workers: happening.worker.into_iter().collect(),
                },
            );
            return;
        };
        let order = &mut self.order;
        self.rows.edit(id, |row| {
            order.remove(&(row.last_ms, id));
            row.text = text;
            row.level = row.level.max(happening.level);
            row.worker = happening.worker.or(row.worker);
            row.job = happening.job.or(row.job);
            row.task = happening.task.or(row.task);
            row.count = row.count.saturating_add(1);
            row.last_ms = row.last_ms.max(at_ms);
            if let Some(worker) = happening.worker
                && row.workers.len() < EVENT_WORKERS_MAX
                && !row.workers.contains(&worker)
            {
                row.workers.push(worker);
            }
            order.insert((row.last_ms, id));
            true
        });
    }

    /// A job failed because an attempt did: both are one event, which names the task and the worker.
    fn join_attempt(&mut self, happening: &mut Happening) {
        let failed = error_kind(&happening.reason);
        let is_its_cause = |(id, row): &(u32, &EventRow)| {
            row.kind == EventKind::AttemptFailed
                && row.job == happening.job
                && self.key_of.get(id).is_some_and(|key| failed.contains(&key.text))
        };
        let latest = self.order.iter().rev().take(JOINED_MAX);
        let mut latest = latest.filter_map(|(_, id)| Some((*id, self.rows.get(*id)?)));
        let Some((id, row)) = latest.find(is_its_cause) else { return };
        (happening.task, happening.worker) = (row.task, row.worker);
        if row.count > 1 {
            return;
        }
        self.order.remove(&(row.last_ms, id));
        self.rows.remove(id);
        if let Some(key) = self.key_of.remove(&id)
            && self.keys.get(&key) == Some(&id)
        {
            self.keys.remove(&key);
        }
    }

    /// Puts an event in that another model had.
    pub fn restore(&mut self, row: EventRow, reason: &str) {
        let key = Key { kind: row.kind, text: reason.to_string() };
        if let Some(old) = self.rows.get(row.id) {
            self.order.remove(&(old.last_ms, row.id));
        }
        self.insert(key, row);
    }

    /// The reason of an event, as [`Events::restore`] takes it.
    pub fn reason(&self, id: u32) -> &str {
        self.key_of.get(&id).map_or("", |key| &key.text)
    }

    fn insert(&mut self, key: Key, row: EventRow) {
        self.next = self.next.max(row.id.saturating_add(1));
        self.order.insert((row.last_ms, row.id));
        self.keys.insert(key.clone(), row.id);
        self.key_of.insert(row.id, key);
        self.rows.set(row.id, row);
        while self.rows.len() > self.max {
            let Some((_, oldest)) = self.order.pop_first() else { return };
            self.rows.remove(oldest);
            if let Some(key) = self.key_of.remove(&oldest)
                && self.keys.get(&key) == Some(&oldest)
            {
                self.keys.remove(&key);
            }
        }
    }

    /// The cause of a worker's end was learnt later: the sentence about it is replaced.
    pub fn amend(&mut self, worker: WorkerId, text: &str) {
        let is_its_end = |row: &EventRow| {
            matches!(row.kind, EventKind::WorkerLost | EventKind::WorkerLeft)
                && row.worker == Some(worker)
        };
        let found = self.rows.iter().rev().find(|(_, row)| is_its_end(row)).map(|(id, _)| id);
        if let Some(id) = found {
            self.rows.edit(id, |row| {
                let text: String = text.chars().take(EVENT_TEXT_CHARS_MAX).collect();
                std::mem::replace(&mut row.text, text.clone()) != text
            });
        }
    }
}

/// A text with `#` for every number in it, cut: what is the same in like errors.
pub fn without_numbers(text: &str) -> String {
    let mut short = String::new();
    let mut is_number = false;
    for letter in text.chars().take(EVENT_TEXT_CHARS_MAX) {
        let digit = letter.is_ascii_digit();
        if !digit {
            short.push(letter);
        } else if !is_number {
            short.push('#');
        }
        is_number = digit;
    }
    short
}

/// Letters of a word with a digit in it that is a value, such as a hash, rather than a name.
const VALUE_CHARS_MIN: usize = 4;

/// What is the same in like errors: the text with `#` for every number, and for every longer word with a digit.
pub fn error_kind(text: &str) -> String {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let text: String = text.chars().take(EVENT_TEXT_CHARS_MAX).collect();
    let (mut kind, mut rest) = (String::new(), text.as_str());
    while !rest.is_empty() {
        let (word, after) =
            rest.split_at(rest.find(|letter| !is_word(letter)).unwrap_or(rest.len()));
        let is_value =
            word.len() >= VALUE_CHARS_MIN && word.contains(|letter: char| letter.is_ascii_digit());
        kind.push_str(&if is_value { "#".to_string() } else { without_numbers(word) });
        let (between, next) = after.split_at(after.find(is_word).unwrap_or(after.len()));
        kind.push_str(between);
        rest = next;
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;
    use partita_shared::ids::StageId;

    /// Values in errors make no other errors: numbers, hashes, names of nodes. Short names do.
    #[test]
    fn errors_are_alike_whatever_values_they_name() {
        let one = error_kind("cannot cast 'row-1500a9c1' to Int64 (task job-8.0.3 on node2)");
        assert_eq!(
            one,
            error_kind("cannot cast 'row-77beef01' to Int64 (task job-91.12.0 on node17)")
        );
        assert_eq!(one, "cannot cast 'row-#' to # (task job-#.#.# on #)");
        assert_ne!(error_kind("no column x1"), error_kind("no column y1"));
        assert_eq!(error_kind("é1é2 …"), "# …");
    }

    fn failed(stage: u32, index: u32, error: &str) -> Happening {
        let stage = StageId { job: JobId(1), index: stage };
        Happening {
            kind: EventKind::AttemptFailed,
            level: Level::Error,
            text: error.into(),
            reason: error.into(),
            worker: Some(WorkerId(index % 20)),
            job: Some(stage.job),
            task: Some(TaskId { stage, index }),
        }
    }

    fn events(max: usize) -> Events {
        Events::new(max, Table::new())
    }

    /// Failures that differ only in numbers are one event, over stages and jobs, which names the
    /// latest and a bounded number of workers.
    #[test]
    fn like_failures_are_one_event() {
        let mut events = events(10);
        for index in 0..100 {
            let error = format!("cannot read row {index} of part-{index}.parquet");
            events.add(u64::from(index), failed(index % 2, index, &error));
        }
        events.add(200, failed(0, 7, "division by zero"));
        let rows: Vec<&EventRow> = events.rows().iter().map(|(_, row)| row).collect();
        assert_eq!(rows.iter().map(|row| row.count).collect::<Vec<_>>(), [100, 1]);
        assert_eq!(rows[0].text, "cannot read row 99 of part-99.parquet");
        assert_eq!((rows[0].first_ms, rows[0].last_ms, rows[0].workers.len()), (0, 99, 16));
        assert_eq!(rows[0].task.map(|task| task.index), Some(99));
    }

    /// Three jobs that fail alike, each because a task of it did, are one event with a count of
    /// three, not six.
    #[test]
    fn a_failed_job_is_one_event_with_the_attempt_that_failed_it() {
        let mut events = events(10);
        for job in 1..=3 {
            let mut attempt = failed(0, 4, "division by zero in row 7");
            attempt.job = Some(JobId(job));
            events.add(u64::from(job), attempt);
            let error = format!("task {job}.0.4 failed: division by zero in row {job}");
            let ended = Happening {
                kind: EventKind::JobFailed,
                level: Level::Error,
                text: format!("job-{job} failed: {error}"),
                reason: error,
                worker: None,
                job: Some(JobId(job)),
                task: None,
            };
            events.add(u64::from(job), ended);
        }
        let rows: Vec<&EventRow> = events.rows().iter().map(|(_, row)| row).collect();
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0].kind, rows[0].count, rows[0].job),
            (EventKind::JobFailed, 3, Some(JobId(3)))
        );
        assert!(rows[0].task.is_some() && rows[0].worker.is_some());
    }

    /// What happened last the longest ago is forgotten first, and an event that goes on is not.
    #[test]
    fn events_are_bounded_and_those_that_go_on_stay() {
        let mut events = events(5);
        for at in 0..100 {
            events.add(at, failed(0, 1, "again"));
            let word: String = (0..=at).map(|_| 'x').collect();
            events.add(at, failed(0, 1, &word));
        }
        assert_eq!(events.rows().len(), 5);
        assert_eq!((events.keys.len(), events.key_of.len(), events.order.len()), (5, 5, 5));
        assert_eq!(events.rows().get(1).map(|row| row.count), Some(100));
    }

    /// Workers that join together are one event; one that joins much later is another. A cause that
    /// is learnt later takes the place of what was thought first.
    #[test]
    fn workers_come_together_and_causes_are_amended() {
        let mut events = events(10);
        let joined = |worker: u32| Happening {
            kind: EventKind::WorkerJoined,
            level: Level::Info,
            text: format!("w{worker} joined"),
            reason: String::new(),
            worker: Some(WorkerId(worker)),
            job: None,
            task: None,
        };
        (0..50).for_each(|worker| events.add(u64::from(worker) * 100, joined(worker)));
        events.add(60_000, joined(50));
        let counts: Vec<u32> = events.rows().iter().map(|(_, row)| row.count).collect();
        assert_eq!(counts, [50, 1]);
        let lost = Happening { kind: EventKind::WorkerLost, level: Level::Warning, ..joined(50) };
        events.add(61_000, lost);
        events.amend(WorkerId(50), "out of memory");
        assert_eq!(events.rows().get(3).map(|row| row.text.as_str()), Some("out of memory"));
        assert_eq!(events.rows().get(2).map(|row| row.text.as_str()), Some("w50 joined"));
    }
}
