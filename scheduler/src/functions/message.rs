//! What clients that call functions send, and what they are sent, in the form of [`crate::flight::exchange`].

use crate::flight::exchange::{Parts, header};
use crate::functions::sharing::Place;
use bytes::Bytes;
use partita_core::{Arguments, Growth, Origin, Requirement, StageGrowth, StageSpec, TaskRange};
use partita_shared::edges::EdgeList;
use partita_shared::ids::JobId;
use partita_shared::limits::FUNCTION_BYTES_MAX;
use partita_shared::message::{FunctionSpec, Work};
use partita_shared::units::format_bytes;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Messages of clients.
mod kind {
    pub(super) const OPEN: u8 = 0;
    pub(super) const SUBMIT: u8 = 1;
    pub(super) const RELEASE: u8 = 2;
    pub(super) const CANCEL: u8 = 3;
    pub(super) const RETRY: u8 = 4;
    pub(super) const WANT: u8 = 5;
    pub(super) const ADOPT: u8 = 6;
    pub(super) const DROP: u8 = 7;
    pub(super) const PLACE: u8 = 8;
    pub(super) const ARRANGE: u8 = 9;
}

/// Messages to clients.
pub(super) mod answer {
    pub(crate) const OPENED: u8 = 1;
    pub(crate) const SETTLED: u8 = 2;
    pub(crate) const REFUSED: u8 = 3;
    pub(crate) const ENDED: u8 = 4;
    pub(crate) const FOREIGN: u8 = 5;
    pub(crate) const PLACED: u8 = 6;
    pub(crate) const ARRANGED: u8 = 7;
}

/// What a client says.
#[derive(Debug)]
pub(super) enum FromClient {
    /// It begins.
    Open(Open),
    /// It calls functions.
    Submit { request: u64, growth: Growth },
    /// It does not want these results any more.
    Release(Vec<TaskRange>),
    /// These calls shall not run.
    Cancel { tasks: Vec<TaskRange>, reason: String },
    /// These calls shall be tried again.
    Retry(Vec<TaskRange>),
    /// It wants these results too. They may be the blocks of an array, in row-major order.
    Want { tasks: Vec<TaskRange>, array: Option<NewArray> },
    /// It needs these results of other jobs.
    Adopt(Vec<Place>),
    /// It does not need these any more, once for each time that it needed them.
    Drop(Vec<Place>),
    /// It asks which workers take the values that it will upload for calls that it has submitted.
    Place(PlaceValues),
    /// It wants several workers to hold results, of any client, or results to be moved to workers that hold less.
    Arrange(Arrange),
}

/// Results of calls: the job, the stage, the first and their number.
#[derive(Debug, Deserialize)]
pub(super) struct Results(Vec<(u32, u32, u32, u32)>);

impl Results {
    /// The jobs and the tasks.
    pub(super) fn ranges(&self) -> Vec<(JobId, TaskRange)> {
        let range = |(job, stage, first, count): &(u32, u32, u32, u32)| {
            (JobId(*job), TaskRange { stage: *stage, first: *first, count: *count })
        };
        self.0.iter().map(range).collect()
    }
}

/// A request for replicas, or to move results.
#[derive(Debug, Deserialize)]
pub(super) struct Arrange {
    /// The number of the request, which the answer has too.
    pub(super) request: u64,
    /// The results.
    pub(super) results: Results,
    /// The names of the workers that shall hold them; empty for all.
    #[serde(default)]
    pub(super) workers: BTreeSet<String>,
    /// How many workers shall hold each; results are only moved if it is not set.
    pub(super) replicas: Option<Replicas>,
}

/// How many workers shall hold results.
#[derive(Debug, Deserialize)]
pub(super) struct Replicas {
    /// How many of the workers; all if it is not set.
    pub(super) count: Option<u32>,
    /// How many workers may copy a result from the same worker at a time.
    pub(super) readers_max: u32,
}

/// A question for workers that take values.
#[derive(Debug, Deserialize)]
pub(super) struct PlaceValues {
    /// The number of the question, which the answer has too.
    pub(super) request: u64,
    /// The values.
    pub(super) count: u32,
    /// The names of the workers that may take them; empty for all.
    #[serde(default)]
    pub(super) workers: BTreeSet<String>,
}

/// An array that a client persisted.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct NewArray {
    /// What computed it, in a word.
    pub(super) name: String,
    /// Blocks along each axis.
    pub(super) grid: Vec<u32>,
}

/// The first message of a client.
#[derive(Debug, Deserialize)]
pub(super) struct Open {
    /// Its Python, for the workers.
    pub(super) environment: serde_json::Value,
}

#[derive(Deserialize)]
struct Submit {
    request: u64,
    #[serde(default)]
    stages: Vec<NewStage>,
    groups: Vec<Group>,
    #[serde(default)]
    wanted: Vec<(u32, u32, u32)>,
}

/// A function that is called for the first time.
#[derive(Deserialize)]
struct NewStage {
    name: String,
    function: usize,
    #[serde(default)]
    retries: u8,
    /// Calls of a higher priority run first.
    #[serde(default)]
    priority: i32,
    #[serde(default)]
    resources: BTreeMap<String, f64>,
    #[serde(default)]
    workers: Vec<String>,
    #[serde(default)]
    or_others: bool,
    /// Whether its results are values that the client uploads.
    #[serde(default)]
    is_upload: bool,
}

/// Calls of one function.
#[derive(Deserialize)]
struct Group {
    stage: u32,
    count: u32,
    /// New stages that it reads.
    #[serde(default)]
    inputs: Vec<u32>,
    /// Bytes of the arguments of all calls; none for values that are uploaded.
    arguments: Option<usize>,
    /// For each input of the stage, the number of edges.
    #[serde(default)]
    edges: Vec<usize>,
}

#[derive(Deserialize)]
struct Ranges {
    ranges: Vec<(u32, u32, u32)>,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    array: Option<NewArray>,
}

#[derive(Deserialize)]
struct Foreign {
    futures: Vec<Place>,
}

fn ranges(ranges: Vec<(u32, u32, u32)>) -> Vec<TaskRange> {
    let range = |(stage, first, count)| TaskRange { stage, first, count };
    ranges.into_iter().map(range).collect()
}

impl FromClient {
    /// Reads a message. `environment` is that of the client's functions.
    ///
    /// # Errors
    /// If it cannot be read, with the reason.
    pub(super) fn read(message: Bytes, environment: &Arc<str>) -> Result<Self, String> {
        let (kind, text, parts) = Parts::open(message)?;
        Ok(match kind {
            kind::OPEN => FromClient::Open(header(&text)?),
            kind::SUBMIT => submit(header(&text)?, parts, environment)?,
            kind::RELEASE => FromClient::Release(ranges(header::<Ranges>(&text)?.ranges)),
            kind::CANCEL => {
                let Ranges { ranges: tasks, reason, .. } = header(&text)?;
                FromClient::Cancel { tasks: ranges(tasks), reason }
            }
            kind::RETRY => FromClient::Retry(ranges(header::<Ranges>(&text)?.ranges)),
            kind::WANT => {
                let Ranges { ranges: tasks, array, .. } = header(&text)?;
                FromClient::Want { tasks: ranges(tasks), array }
            }
            kind::ADOPT => FromClient::Adopt(header::<Foreign>(&text)?.futures),
            kind::DROP => FromClient::Drop(header::<Foreign>(&text)?.futures),
            kind::PLACE => FromClient::Place(header(&text)?),
            kind::ARRANGE => FromClient::Arrange(header(&text)?),
            other => return Err(format!("kind {other} is not known")),
        })
    }
}

fn submit(submit: Submit, mut parts: Parts, environment: &Arc<str>) -> Result<FromClient, String> {
    let mut growth = Growth { wanted: ranges(submit.wanted), ..Growth::default() };
    for stage in submit.stages {
        let pickle = parts.take(stage.function)?;
        growth.stages.push(new_stage(stage, &pickle, environment)?);
    }
    for group in submit.groups {
        let arguments = group.arguments.map(|length| arguments(&mut parts, group.count, length));
        let arguments = arguments.transpose()?;
        let mut edges = Vec::with_capacity(group.edges.len());
        for count in group.edges {
            let offsets = parts.numbers((group.count as usize).saturating_add(1))?;
            let targets = parts.numbers(count)?;
            let list = EdgeList::new(offsets, targets).ok_or("its edges do not fit")?;
            edges.push(list);
        }
        growth.tasks.push(StageGrowth {
            stage: group.stage,
            count: group.count,
            inputs: group.inputs,
            edges,
            arguments,
        });
    }
    Ok(FromClient::Submit { request: submit.request, growth })
}

/// The arguments of a group of calls, which take this number of bytes.
fn arguments(parts: &mut Parts, calls: u32, length: usize) -> Result<Arguments, String> {
    let offsets = parts.numbers((calls as usize).saturating_add(1))?;
    let bytes: Arc<[u8]> = parts.take(length)?.as_ref().into();
    Arguments::new(offsets, bytes).ok_or_else(|| "its arguments do not fit".to_string())
}

fn new_stage(stage: NewStage, pickle: &[u8], environment: &Arc<str>) -> Result<StageSpec, String> {
    if pickle.len() > FUNCTION_BYTES_MAX {
        return Err(format!(
            "the function {} takes {} when it is pickled, with the values that it captured; it may take {}: pass large values as arguments",
            stage.name,
            format_bytes(pickle.len() as u64),
            format_bytes(FUNCTION_BYTES_MAX as u64)
        ));
    }
    if stage.is_upload {
        return Ok(StageSpec {
            name: stage.name,
            plan: "sent by the client".to_string(),
            origin: Origin::Upload,
            ..StageSpec::default()
        });
    }
    let mut resources = BTreeMap::new();
    for (name, amount) in stage.resources {
        if !(amount.is_finite() && amount >= 0.0) {
            return Err(format!("{amount} is not an amount of the resource {name}"));
        }
        // Less than a thousandth still is something.
        resources.insert(name, (amount * 1000.0).ceil() as u64);
    }
    let function = FunctionSpec {
        name: stage.name.clone(),
        pickle: pickle.into(),
        environment: Arc::clone(environment),
    };
    Ok(StageSpec {
        name: stage.name,
        work: Work::Function(Arc::new(function)),
        retries: stage.retries,
        priority: stage.priority,
        requirement: Requirement {
            resources,
            workers: stage.workers.into_iter().collect(),
            or_others: stage.or_others,
        },
        ..StageSpec::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(kind: u8, header: &str, body: &[u8]) -> Result<FromClient, String> {
        let length = (header.len() as u32).to_le_bytes();
        let bytes = [&[kind], &length[..], header.as_bytes(), body].concat();
        FromClient::read(bytes.into(), &"{}".into())
    }

    fn numbers(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    /// Calls come with their function, arguments and edges.
    #[test]
    fn calls_are_read() {
        let header = r#"{"request": 7, "stages": [{"name": "f", "function": 2, "resources": {"GPU": 0.5}}],
            "groups": [{"stage": 0, "count": 2, "inputs": [0], "arguments": 3, "edges": [1]}], "wanted": [[0, 1, 1]]}"#;
        let body = [
            b"fn".to_vec(),
            numbers(&[0, 1, 3]),
            b"abc".to_vec(),
            numbers(&[0, 0, 1]),
            numbers(&[0]),
        ]
        .concat();
        let Ok(FromClient::Submit { request: 7, growth }) = sent(1, header, &body) else {
            panic!()
        };
        let Work::Function(function) = &growth.stages[0].work else { panic!() };
        assert_eq!((function.name.as_str(), &function.pickle[..]), ("f", &b"fn"[..]));
        assert_eq!(growth.stages[0].requirement.resources["GPU"], 500);
        let group = &growth.tasks[0];
        assert_eq!(group.arguments.as_ref().unwrap().of(1), b"bc");
        assert_eq!((group.edges[0].row(0), group.edges[0].row(1)), (&[][..], &[0][..]));
        assert_eq!(growth.wanted, [TaskRange { stage: 0, first: 1, count: 1 }]);
    }

    /// Wanted results may be told as the blocks of an array; most are not.
    #[test]
    fn arrays_are_read() {
        let header = r#"{"ranges": [[2, 0, 6]], "array": {"name": "add", "grid": [2, 3]}}"#;
        let Ok(FromClient::Want { tasks, array }) = sent(5, header, b"") else { panic!() };
        assert_eq!(tasks, [TaskRange { stage: 2, first: 0, count: 6 }]);
        assert_eq!(array, Some(NewArray { name: "add".to_string(), grid: vec![2, 3] }));
        let plain = sent(5, r#"{"ranges": []}"#, b"");
        assert!(matches!(plain, Ok(FromClient::Want { array: None, .. })));
    }

    /// Requests for replicas name results of any jobs; those to move results say nothing of replicas.
    #[test]
    fn requests_for_replicas_are_read() {
        let read = |rest: &str| {
            let header = format!(r#"{{"request": 3, "results": [[7, 0, 2, 5]]{rest}}}"#);
            sent(9, &header, b"")
        };
        let replicas = r#", "workers": ["a"], "replicas": {"count": null, "readers_max": 2}"#;
        let Ok(FromClient::Arrange(wanted)) = read(replicas) else { panic!() };
        let Some(replicas) = wanted.replicas else { panic!() };
        assert_eq!((wanted.request, replicas.count, replicas.readers_max), (3, None, 2));
        let range = TaskRange { stage: 0, first: 2, count: 5 };
        assert_eq!(wanted.results.ranges(), [(JobId(7), range)]);
        let moves = read("");
        assert!(matches!(moves, Ok(FromClient::Arrange(Arrange { replicas: None, .. }))));
        assert!(read(r#", "replicas": {"count": -1, "readers_max": 2}"#).is_err());
    }

    /// Whatever is cut short or does not fit is refused.
    #[test]
    fn damaged_messages_are_refused() {
        let header = r#"{"request": 1, "groups": [{"stage": 0, "count": 1, "arguments": 2}]}"#;
        let good = [numbers(&[0, 2]), b"ab".to_vec()].concat();
        assert!(sent(1, header, &good).is_ok());
        for cut in 0..good.len() {
            assert!(sent(1, header, &good[..cut]).is_err(), "{cut}");
        }
        let beyond = [numbers(&[0, 3]), b"ab".to_vec()].concat();
        assert!(sent(1, header, &beyond).is_err());
        assert!(sent(9, "{}", b"").is_err() && sent(1, "{", b"").is_err());
        let many =
            r#"{"request": 1, "groups": [{"stage": 0, "count": 4294967295, "arguments": 0}]}"#;
        assert!(sent(1, many, b"").is_err());
    }
}
