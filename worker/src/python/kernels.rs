//! Calls over blocks of arrays that need no Python process: the client sent a program of kernels beside the function.
//!
//! The function says what a call means. Kernels run in its place where they have the same meaning for these inputs; if they
//! do not, or if there is no memory for the result now, the function is called.

use crate::python::runner::Input;
use crate::store::Store;
use datafusion::arrow::buffer::{Buffer, MutableBuffer};
use partita_array::{Plan, Program, Unsupported, pickle};
use partita_net::payload::{Header, Payload};
use std::sync::LazyLock;

/// The flag of the number of inputs in the arguments of a call that says: a program of kernels follows the places.
const HAS_KERNELS: u32 = 1 << 31;
/// Alignment of the first result in its buffer, in bytes.
const ALIGNMENT: usize = 64;
/// The variable of the environment that says whether kernels are used.
const VARIABLE: &str = "PARTITA_ARRAY_KERNELS";

/// Whether kernels are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// Where they can be.
    Auto,
    /// Never: every call is one of its function.
    Never,
    /// Always: a call with a program that cannot run is an error. For tests.
    Always,
}

static USE: LazyLock<Use> = LazyLock::new(|| match std::env::var(VARIABLE).as_deref() {
    Ok("off") => Use::Never,
    Ok("only") => Use::Always,
    _ => Use::Auto,
});

/// The places of the inputs of a call, by stage and index, and its program.
struct Sent<'a> {
    places: Vec<(u32, u32)>,
    program: &'a [u8],
}

/// What the arguments of a call begin with, if it has a program.
fn sent(arguments: &[u8]) -> Option<Sent<'_>> {
    let (head, mut rest) = arguments.split_first_chunk::<4>()?;
    let count = u32::from_le_bytes(*head);
    if count & HAS_KERNELS == 0 {
        return None;
    }
    let mut places = Vec::new();
    for _ in 0..count & !HAS_KERNELS {
        let (place, after) = rest.split_first_chunk::<8>()?;
        let [a, b, c, d, e, f, g, h] = *place;
        places.push((u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])));
        rest = after;
    }
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let program = rest.get(..u32::from_le_bytes(*length) as usize)?;
    Some(Sent { places, program })
}

/// Runs a call as kernels. None: its function is to be called.
///
/// # Errors
/// Only if functions may not be called: why this one would be.
pub(super) fn run(
    arguments: &[u8],
    inputs: &[Input],
    store: &Store,
) -> Result<Option<Payload>, Unsupported> {
    let Some(sent) = sent(arguments).filter(|_| *USE != Use::Never) else { return Ok(None) };
    match compute(&sent, inputs, store) {
        Ok(made) => Ok(Some(made)),
        Err(reason) if *USE == Use::Always => Err(reason),
        Err(reason) => {
            tracing::trace!(%reason, "a call is not run as kernels");
            Ok(None)
        }
    }
}

fn other(reason: impl ToString) -> Unsupported {
    Unsupported(reason.to_string())
}

fn compute(sent: &Sent<'_>, inputs: &[Input], store: &Store) -> Result<Payload, Unsupported> {
    let program: Program = serde_json::from_slice(sent.program).map_err(other)?;
    let blocks = sent.places.iter().map(|place| {
        let found = inputs.iter().find(|input| (input.stage, input.index) == *place);
        block(found.ok_or_else(|| other("an input is missing"))?)
    });
    let plan = Plan::new(&program, blocks.collect::<Result<_, _>>()?)?;
    let mut first = plan.pickle();
    // Zeros after a pickle are ignored.
    first.resize(first.len().next_multiple_of(ALIGNMENT), 0);
    let results = plan.result_bytes();
    let bytes = first.len() + results.iter().sum::<usize>();
    // Its result is counted by the store in a moment, what it needs meanwhile only here.
    let room = store.reservation();
    room.try_grow(bytes + plan.temporary_bytes()).map_err(other)?;
    let mut made = MutableBuffer::from_len_zeroed(bytes);
    let (pickle, mut rest) = made.as_slice_mut().split_at_mut(first.len());
    pickle.copy_from_slice(&first);
    let mut parts = Vec::with_capacity(results.len());
    for bytes in &results {
        let (part, after) = rest.split_at_mut(*bytes);
        parts.push(part);
        rest = after;
    }
    plan.run(&mut parts)?;
    if let [part] = parts.as_slice()
        && let Some(pickle) = plan.scalar_pickle(part)
    {
        let header = Header::Pickle { parts: vec![pickle.len() as u64] };
        return Payload::new(header, Buffer::from(pickle)).map_err(other);
    }
    let sizes = [first.len()].into_iter().chain(results).map(|bytes| bytes as u64);
    Payload::new(Header::Pickle { parts: sizes.collect() }, Buffer::from(made)).map_err(other)
}

/// An input as a block.
fn block(input: &Input) -> Result<partita_array::Input<'_>, Unsupported> {
    let bytes = input.value.bytes().as_slice();
    match input.value.header() {
        Header::Pickle { parts } if parts.len() == 2 => {
            let (first, rest) = bytes
                .split_at_checked(parts[0] as usize)
                .ok_or_else(|| other("an input is cut short"))?;
            Ok(partita_array::Input { array: pickle::read(first)?, bytes: rest })
        }
        _ => Err(other("an input that is not a plain array")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::execution::memory_pool::UnboundedMemoryPool;
    use std::sync::Arc;

    fn arguments(places: &[(u32, u32)], program: &str) -> Vec<u8> {
        let mut all = (places.len() as u32 | HAS_KERNELS).to_le_bytes().to_vec();
        for (stage, index) in places {
            all.extend([stage.to_le_bytes(), index.to_le_bytes()].concat());
        }
        all.extend((program.len() as u32).to_le_bytes());
        all.extend(program.as_bytes());
        all.extend(b"the pickle of the arguments");
        all
    }

    /// Arguments without a program, and those that are cut short, have none.
    #[test]
    fn only_what_was_sent_is_a_program() {
        let all = arguments(&[(1, 2), (3, 4)], "{}");
        let found = sent(&all).unwrap();
        assert_eq!((found.places, found.program), (vec![(1, 2), (3, 4)], &b"{}"[..]));
        assert!(sent(&2_u32.to_le_bytes()).is_none());
        for length in 0..all.len() - b"the pickle of the arguments".len() {
            assert!(sent(&all[..length]).is_none(), "{length}");
        }
    }

    /// The result of a program is a pickle that another program reads.
    #[test]
    fn a_program_reads_what_another_made() {
        let folder = tempfile::tempdir().unwrap();
        let pool = Arc::new(UnboundedMemoryPool::default());
        let store = Store::new(pool, usize::MAX, folder.path().to_path_buf());
        let name = "numpy._core.numeric";
        let written = pickle::Written { name: None, dtype: partita_array::Dtype::F64, shape: &[3] };
        let first = pickle::write(name, &[written]);
        let items: Vec<u8> =
            [1.0_f64, -2.0, 4.0].iter().flat_map(|item| item.to_le_bytes()).collect();
        let parts = vec![first.len() as u64, items.len() as u64];
        let bytes = Buffer::from([first, items].concat());
        let value = Payload::new(Header::Pickle { parts }, bytes).unwrap();
        let mut input = Input { stage: 0, index: 7, value, segment: None };
        let program = r#"{"arguments":[{"block":0}],"steps":[{"load":{"argument":0,"dtype":"<f8"}},
            {"unary":{"operation":"negative","of":0}}],"results":[[null,1]]}"#;
        for expected in [[-1.0, 2.0, -4.0], [1.0, -2.0, 4.0]] {
            let made = run(&arguments(&[(0, 7)], program), &[input], &store).unwrap().unwrap();
            let Header::Pickle { parts } = made.header().clone() else { panic!("no pickle") };
            let items = &made.bytes()[parts[0] as usize..];
            let items =
                items.chunks_exact(8).map(|item| f64::from_le_bytes(item.try_into().unwrap()));
            assert_eq!(items.collect::<Vec<_>>(), expected);
            input = Input { stage: 0, index: 7, value: made, segment: None };
        }
        let unknown = arguments(&[(0, 7)], r#"{"arguments":[],"steps":[],"results":[]}"#);
        assert!(run(&unknown, &[input], &store).unwrap().is_none());
    }
}
