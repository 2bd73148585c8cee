//! A Python process that runs calls, one at a time.

use crate::exec::OwnSlot;
use crate::memory::{Segment, Segments};
use crate::python::PythonError;
use crate::python::descriptors;
use crate::python::frames::{self, Reader, from_runner, to_runner};
use crate::python::log::{Printed, Printing, follow};
use crate::python::texts::CallTexts;
use crate::python::zygote::{Exit, Forked, RUNNER_SOCKETS, Zygote};
use datafusion::arrow::buffer::Buffer;
use datafusion::execution::memory_pool::MemoryReservation;
use partita_net::payload::{Header, Payload};
use partita_shared::ids::{Attempt, JobId, TaskId};
use partita_shared::message::FunctionSpec;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

/// Functions that one process keeps.
const FUNCTIONS_MAX: usize = 900;
/// How long a process that ended its connection may take to end itself.
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Inputs and arguments up to this size are sent with the frame, in one write.
const JOINED_BYTES_MAX: usize = 64 << 10;
/// What failed when a call could not be sent.
const WRITE_FAILED: &str = "cannot write to a Python process";
/// Bytes that are read at once.
const READ_BYTES: usize = 64 << 10;

/// An input of a call.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) stage: u32,
    pub(super) index: u32,
    pub(super) value: Payload,
    /// Memory that has it, which the process maps.
    pub(super) segment: Option<Arc<Segment>>,
}

/// A call of a function.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// The task that it is; none if a query calls the function.
    pub(super) attempt: Option<(TaskId, Attempt)>,
    /// The number by which the processes of its environment know the function.
    pub(super) function: u32,
    pub(super) spec: &'a FunctionSpec,
    pub(super) arguments: &'a [u8],
    pub(super) inputs: &'a [Input],
}

/// A runner that a slot has for itself.
#[derive(Debug)]
pub(super) struct Runner {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    /// Carries descriptors in both directions.
    descriptors: UnixStream,
    segments: Arc<Segments>,
    has_mapped: bool,
    /// Room for the result that the process writes now.
    room: Option<MemoryReservation>,
    pub(super) number: u32,
    pub(super) pid: u32,
    /// The job whose functions it ran: it keeps that job's modules.
    pub(super) job: Option<JobId>,
    exit: watch::Receiver<Option<Exit>>,
    /// The functions that it has, the oldest first.
    functions: VecDeque<u32>,
    printed: Arc<Printed>,
    /// Why the worker killed it, if it did.
    pub(super) killed: Arc<Mutex<Option<String>>>,
    /// Calls that were sent, and those of them that were answered.
    tickets: u64,
    answered: u64,
}

impl Runner {
    /// Forks one, whose large results become segments.
    pub(super) async fn fork(
        zygote: &Zygote,
        segments: &Arc<Segments>,
        texts: &Arc<CallTexts>,
    ) -> Result<Self, PythonError> {
        let pair =
            || StdUnixStream::pair().map_err(PythonError::system("cannot make a pair of sockets"));
        let ((control, theirs), (output, printed_to)) = (pair()?, pair()?);
        let (descriptors, their_descriptors) = pair()?;
        let ends: [_; RUNNER_SOCKETS] = [theirs, printed_to, their_descriptors].map(OwnedFd::from);
        let Forked { number, pid, exit } = zygote.fork(ends).await?;
        let open = |stream: StdUnixStream| {
            let stream = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream));
            stream.map_err(PythonError::system("cannot use a socket"))
        };
        let printed = Printed::new(texts);
        tokio::spawn(follow(open(output)?, pid, Arc::clone(&printed)));
        let (reader, writer) = open(control)?.into_split();
        let mut runner = Runner {
            reader: BufReader::with_capacity(READ_BYTES, reader),
            writer,
            descriptors: open(descriptors)?,
            segments: Arc::clone(segments),
            has_mapped: false,
            room: None,
            number,
            pid,
            job: None,
            exit,
            functions: VecDeque::new(),
            printed,
            killed: Arc::default(),
            tickets: 0,
            answered: 0,
        };
        match frames::read(&mut runner.reader).await? {
            Some(frame) if frame.kind == from_runner::READY => Ok(runner),
            Some(frame) => Err(PythonError::Protocol(format!("a frame of kind {}", frame.kind))),
            None => Err(runner.ended().await),
        }
    }

    /// Whether its process is there.
    pub(super) fn is_alive(&self) -> bool {
        self.exit.borrow().is_none() && self.exit.has_changed().is_ok()
    }

    /// Whether it ever got an input that it maps.
    pub(super) fn has_mapped(&self) -> bool {
        self.has_mapped
    }

    /// Whether it has no call that it has not answered.
    pub(super) fn is_idle(&self) -> bool {
        self.answered == self.tickets
    }

    /// Sends calls that the process runs one after the other, with the function if it does not have it. Several must be
    /// small.
    pub(super) async fn send(&mut self, calls: &[Call<'_>]) -> Result<(), PythonError> {
        let name: Arc<str> = calls.first().map_or("", |call| call.spec.name.as_str()).into();
        let printing =
            |call: &Call<'_>| Printing { attempt: call.attempt, name: Arc::clone(&name) };
        self.printed.add_calls((self.tickets + 1..).zip(calls.iter().map(printing)));
        let sent = self.write(calls).await;
        match sent {
            Ok(()) => Ok(()),
            // The process may have ended, which says more.
            Err(PythonError::System { .. }) => Err(self.ended().await),
            Err(error) => Err(error),
        }
    }

    async fn write(&mut self, calls: &[Call<'_>]) -> Result<(), PythonError> {
        let mut small = Vec::new();
        for call in calls {
            self.add_function(call, &mut small);
            self.add_call(call, &mut small).await?;
        }
        self.write_all(&small).await
    }

    /// Adds the function of a call, if the process does not have it.
    fn add_function(&mut self, call: &Call<'_>, small: &mut Vec<u8>) {
        if self.functions.contains(&call.function) {
            return;
        }
        if self.functions.len() == FUNCTIONS_MAX
            && let Some(oldest) = self.functions.pop_front()
        {
            small.extend(frames::frame(to_runner::FORGET, &oldest.to_le_bytes()));
        }
        let (name, pickle) = (call.spec.name.as_bytes(), &call.spec.pickle);
        let length = 8 + name.len() + pickle.len();
        small.extend(frames::begin(to_runner::FUNCTION, length as u64));
        small.extend(call.function.to_le_bytes());
        small.extend((name.len() as u32).to_le_bytes());
        small.extend_from_slice(name);
        small.extend_from_slice(pickle);
        self.functions.push_back(call.function);
    }

    /// Adds a call. Large inputs are written, or their memory is sent, after all that was added before.
    async fn add_call(&mut self, call: &Call<'_>, small: &mut Vec<u8>) -> Result<(), PythonError> {
        let prefixes: Vec<Vec<u8>> = call
            .inputs
            .iter()
            .map(|input| frames::prefix(&input.value))
            .collect::<Result<_, _>>()?;
        let sent_bytes = |input: &Input| match input.segment {
            Some(_) => 0,
            None => input.value.bytes().len(),
        };
        let packed = |(input, prefix): (&Input, &Vec<u8>)| prefix.len() + sent_bytes(input);
        let sizes: Vec<usize> = call.inputs.iter().zip(&prefixes).map(packed).collect();
        let inputs: usize = sizes.iter().map(|size| 16 + size).sum();
        let length = 8 + 4 + 4 + call.arguments.len() + 4 + inputs;
        self.tickets += 1;
        small.extend(frames::begin(to_runner::RUN, length as u64));
        small.extend(self.tickets.to_le_bytes());
        small.extend(call.function.to_le_bytes());
        small.extend((call.arguments.len() as u32).to_le_bytes());
        small.extend_from_slice(call.arguments);
        small.extend((call.inputs.len() as u32).to_le_bytes());
        for ((input, prefix), size) in call.inputs.iter().zip(&prefixes).zip(&sizes) {
            let mapped = if input.segment.is_some() { frames::MAPPED_INPUT } else { 0 };
            small.extend(input.stage.to_le_bytes());
            small.extend(input.index.to_le_bytes());
            small.extend((*size as u64 | mapped).to_le_bytes());
            small.extend_from_slice(prefix);
            let bytes = input.value.bytes();
            if input.segment.is_none() && bytes.len() <= JOINED_BYTES_MAX {
                small.extend_from_slice(bytes);
                continue;
            }
            // Frames first: the process takes descriptors only when a frame speaks of one, and their socket holds few.
            self.write_all(small).await?;
            small.clear();
            match &input.segment {
                Some(segment) => {
                    self.has_mapped = true;
                    let sent = descriptors::send(&self.descriptors, segment.descriptor()).await;
                    sent.map_err(PythonError::system(WRITE_FAILED))?;
                }
                None => self.write_all(bytes).await?,
            }
        }
        Ok(())
    }

    async fn write_all(&mut self, bytes: &[u8]) -> Result<(), PythonError> {
        let written = self.writer.write_all(bytes).await;
        written.map_err(PythonError::system(WRITE_FAILED))
    }

    /// Waits for the answer to the next call that has none, which may give its slot back meanwhile. One that is stopped
    /// has no slot. `alone` is called before it gives the slot back: the process forgets the calls after it then.
    pub(super) async fn answer(
        &mut self,
        slot: Option<&OwnSlot>,
        mut alone: impl FnMut(),
    ) -> Result<Payload, PythonError> {
        let frame = loop {
            let Some(frame) = frames::read(&mut self.reader).await? else {
                return Err(self.ended().await);
            };
            if frame.kind == from_runner::ALLOCATE {
                self.room = self.segments.reserve(Reader(&frame.body).u64()?);
                if descriptors::answer(&self.descriptors, self.room.is_some()).await.is_err() {
                    return Err(self.ended().await);
                }
                continue;
            }
            let is_done = match (frame.kind, slot) {
                (from_runner::SECEDE, Some(slot)) => {
                    alone();
                    self.tickets = self.answered + 1;
                    slot.give_back().await
                }
                (from_runner::REJOIN, Some(slot)) => slot.take_again().await,
                (from_runner::SECEDE | from_runner::REJOIN, None) => false,
                _ => break frame,
            };
            let told = frames::frame(to_runner::SLOT, &[u8::from(is_done)]);
            if self.writer.write_all(&told).await.is_err() {
                return Err(self.ended().await);
            }
        };
        let mut body = Reader(&frame.body);
        let ticket = body.u64()?;
        self.answered += 1;
        // It is reserved again where the result is stored.
        self.room = None;
        if ticket != self.answered {
            return Err(PythonError::Protocol("the answer to another call".to_string()));
        }
        match frame.kind {
            from_runner::DONE => {
                let start = frame.body.len() - body.0.len();
                frames::unpack(&Buffer::from_vec(frame.body).slice(start))
            }
            from_runner::DONE_MAPPED => self.take_mapped(&body).await,
            from_runner::RAISED => {
                let is_interrupt = body.u8()? & frames::IS_INTERRUPT != 0;
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let (what, traceback) = (text(body.counted()?), text(body.counted()?));
                let exception = Some(body.counted()?).filter(|bytes| !bytes.is_empty());
                let exception = exception.map(Arc::from);
                let arguments = text(body.counted()?);
                let text = what;
                Err(PythonError::Raised { text, traceback, arguments, exception, is_interrupt })
            }
            other => Err(PythonError::Protocol(format!("a frame of kind {other}"))),
        }
    }

    /// Takes over the memory with the parts of a result.
    async fn take_mapped(&mut self, parts: &Reader<'_>) -> Result<Payload, PythonError> {
        let parts = frames::read_parts(&mut Reader(parts.0))?;
        let Ok(memory) = descriptors::receive(&self.descriptors).await else {
            return Err(self.ended().await);
        };
        let length = parts.iter().sum();
        let bytes = self.segments.adopt(memory, length);
        let bytes = bytes.map_err(PythonError::system("cannot map the result of a function"))?;
        let payload = Payload::new(Header::Pickle { parts }, bytes);
        payload.map_err(|error| PythonError::Protocol(error.to_string()))
    }

    /// The process has closed its connection: how it ended.
    async fn ended(&mut self) -> PythonError {
        let wait = self.exit.wait_for(Option::is_some);
        let exit = match tokio::time::timeout(EXIT_TIMEOUT, wait).await {
            Ok(Ok(exit)) => *exit,
            Ok(Err(_)) | Err(_) => None,
        };
        let killed = self.killed.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reason) = killed {
            return PythonError::Memory(reason);
        }
        let how = exit.map_or_else(
            || "the Python process that ran it closed its connection".to_string(),
            Exit::text,
        );
        let last = self.printed.last();
        let cause = match last.is_empty() {
            true => how,
            false => format!("{how}; it wrote:\n{last}"),
        };
        PythonError::Ended { cause }
    }
}
