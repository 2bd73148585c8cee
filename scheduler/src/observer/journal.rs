//! The journal: what the observer was told, in files, so that the same pages can be seen later.
//!
//! A journal is text: JSON, one object a line, packed with gzip (`zcat` reads it). The first line is
//! [`Header`]; every other one is a [`Seen`]. Fields may be added to entries, with a default for
//! journals that lack them; an entry of an unknown kind is passed over. A file that was not ended
//! properly is read as far as it goes.
//!
//! Of many workers not every heartbeat is written ([`MEASURED_PER_SECOND_MAX`]), but always the last.
//!
//! When a file has [`JOURNAL_BYTES_MAX`], it becomes `FILE.old` in the place of an older one, and a
//! new one is begun with all that is known, so that each can be read alone.
//!
//! Only journals of the present format ([`FORMAT`]) are read.

use crate::error::SchedulerError;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use partita_observe::event::{Observation, SchedulerFacts, Seen};
use partita_observe::model::Model;
use partita_shared::count::CountingWriter;
use partita_shared::ids::WorkerId;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The format that is written and read.
const FORMAT: u32 = 3;
/// The size of a file, in bytes, at which the next is begun. There are two at most.
pub(crate) const JOURNAL_BYTES_MAX: u64 = 64 << 20;
/// The longest time for which an entry is not in the file yet.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
/// What workers measure of themselves is written down so often a second at most, over all of them:
/// thousands would fill the files within minutes with it.
const MEASURED_PER_SECOND_MAX: u64 = 200;
/// The longest line that is read, in bytes.
const LINE_BYTES_MAX: usize = 64 << 20;
/// Entries that are read from one journal.
const ENTRIES_MAX: usize = 20_000_000;
/// The first bytes of what is packed with gzip.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    /// The format.
    partita_journal: u32,
    /// The version that wrote it.
    version: String,
}

/// Why a journal could not be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be read.
    #[error("cannot read journal {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a journal.
    #[error("{path} is not a Partita journal: the header is missing")]
    NoJournal {
        /// The file.
        path: PathBuf,
    },
    /// It has another format than this program reads.
    #[error(
        "cannot read journal {path}: it has format {found}, and this version of Partita reads format {FORMAT}; use version {version} of Partita, which wrote it"
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The version that wrote it.
        version: String,
    },
}

/// What a journal holds.
#[derive(Debug, Default)]
pub struct Entries {
    /// The entries, in their order.
    pub seen: Vec<Seen>,
    /// Lines that were passed over: of a kind that this version does not know, or damaged.
    pub passed_over: u64,
}

/// A journal that is being written. A disk that fails ends the journal, not the scheduler.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    out: Option<GzEncoder<CountingWriter<BufWriter<File>>>>,
    /// Bytes of the files before this one.
    before_bytes: u64,
    flushed: Instant,
    facts: SchedulerFacts,
    measured: HashMap<WorkerId, Measured>,
    /// The moment of the latest entry, in microseconds since the epoch.
    now_us: u64,
}

/// What a worker measured of itself.
#[derive(Debug)]
struct Measured {
    /// When it was last written, in microseconds since the epoch.
    written_us: u64,
    /// The latest of it, if it was not written.
    waiting: Option<Observation>,
}

impl Journal {
    /// Begins a journal. One that is there becomes `FILE.old`.
    pub(crate) fn create(path: PathBuf, facts: &SchedulerFacts) -> Result<Self, SchedulerError> {
        let mut journal = Journal {
            path,
            out: None,
            before_bytes: 0,
            flushed: Instant::now(),
            facts: facts.clone(),
            measured: HashMap::new(),
            now_us: 0,
        };
        let at_us = facts.started_ms * 1000;
        journal.begin(at_us, Vec::new()).map_err(|source| SchedulerError::System {
            what: format!(
                "cannot write journal {} (choose another file with --journal)",
                journal.path.display()
            ),
            source,
        })?;
        Ok(journal)
    }

    /// The file that is being written.
    pub(crate) fn path(&self) -> String {
        self.path.display().to_string()
    }

    /// Bytes written so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.before_bytes + self.out.as_ref().map_or(0, |out| out.get_ref().bytes())
    }

    /// Opens a new file that begins with what is known.
    fn begin(&mut self, at_us: u64, known: Vec<Observation>) -> std::io::Result<()> {
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            // It may be the folder of access files, which is nobody else's.
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        if self.path.exists() {
            std::fs::rename(&self.path, old(&self.path))?;
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path)?;
        let mut out =
            GzEncoder::new(CountingWriter::new(BufWriter::new(file)), Compression::fast());
        let version = partita_shared::VERSION.to_string();
        line(&mut out, &Header { partita_journal: FORMAT, version })?;
        let started = Observation::Started(Box::new(self.facts.clone()));
        let known = known.into_iter().filter(|what| !matches!(what, Observation::Started(_)));
        for what in std::iter::once(started).chain(known) {
            line(&mut out, &Seen { at_us, what })?;
        }
        out.flush()?;
        self.out = Some(out);
        Ok(())
    }

    /// Adds an entry. `model` is what was known before it.
    pub(crate) fn write(&mut self, seen: &Seen, model: &Model) {
        self.now_us = self.now_us.max(seen.at_us);
        if !self.puts_off(&seen.what) {
            self.put(seen, model);
        }
    }

    /// Whether an entry is kept back, since its worker had one lately.
    fn puts_off(&mut self, what: &Observation) -> bool {
        match what {
            Observation::Measured { worker, .. } => {
                let pause_us = self.pause_us();
                let first = Measured { written_us: 0, waiting: None };
                let measured = self.measured.entry(*worker).or_insert(first);
                let puts_off = self.now_us < measured.written_us + pause_us;
                if puts_off {
                    measured.waiting = Some(what.clone());
                } else {
                    *measured = Measured { written_us: self.now_us, waiting: None };
                }
                puts_off
            }
            Observation::WorkerEnded { worker, .. } => {
                self.measured.remove(worker);
                false
            }
            _ => false,
        }
    }

    /// The time between two entries of what one worker measured, in microseconds.
    fn pause_us(&self) -> u64 {
        self.measured.len() as u64 * 1_000_000 / MEASURED_PER_SECOND_MAX
    }

    /// Writes what was kept back for long enough, or all of it.
    fn put_waiting(&mut self, model: &Model, all: bool) {
        let (now_us, pause_us) = (self.now_us, self.pause_us());
        let due = |measured: &Measured| all || now_us >= measured.written_us + pause_us;
        let mut waiting = Vec::new();
        for measured in self.measured.values_mut().filter(|measured| due(measured)) {
            if let Some(what) = measured.waiting.take() {
                measured.written_us = now_us;
                waiting.push(Seen { at_us: now_us, what });
            }
        }
        waiting.iter().for_each(|seen| self.put(seen, model));
    }

    fn put(&mut self, seen: &Seen, model: &Model) {
        let Some(out) = &mut self.out else { return };
        let mut written = line(out, seen);
        if written.is_ok() && out.get_ref().bytes() >= JOURNAL_BYTES_MAX {
            self.close();
            self.before_bytes += JOURNAL_BYTES_MAX;
            // What was known before this entry, and the entry again.
            written = self
                .begin(seen.at_us, model.snapshot())
                .and_then(|()| self.out.as_mut().map_or(Ok(()), |out| line(out, seen)));
        }
        self.give_up_on(written);
    }

    /// Brings what was written to the file, if that was not done for a while.
    pub(crate) fn flush(&mut self, model: &Model) {
        if self.flushed.elapsed() < FLUSH_INTERVAL {
            return;
        }
        self.flushed = Instant::now();
        self.put_waiting(model, false);
        let flushed = self.out.as_mut().map_or(Ok(()), GzEncoder::flush);
        self.give_up_on(flushed);
    }

    /// Ends the journal properly.
    pub(crate) fn finish(&mut self, model: &Model) {
        self.put_waiting(model, true);
        self.close();
    }

    fn close(&mut self) {
        if let Some(out) = self.out.take()
            && let Err(error) = out.finish().and_then(|mut file| file.flush())
        {
            tracing::warn!(journal = %self.path.display(), cause = %error, "cannot finish the journal");
        }
    }

    fn give_up_on(&mut self, written: std::io::Result<()>) {
        if let Err(error) = written {
            tracing::warn!(
                journal = %self.path.display(),
                cause = %error,
                "cannot write the journal; no more events are recorded"
            );
            self.out = None;
        }
    }
}

fn old(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".old");
    PathBuf::from(name)
}

fn line(out: &mut impl Write, value: &impl Serialize) -> std::io::Result<()> {
    // At once: the packer has much to do for each piece that it gets.
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    out.write_all(&line)
}

/// Reads a journal, as far as it goes.
///
/// # Errors
/// If the file cannot be opened, is not a journal, or has another format.
pub fn read(path: &Path) -> Result<Entries, JournalError> {
    let unreadable = |source| JournalError::Unreadable { path: path.to_path_buf(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mut reader = BufReader::new(file);
    let packed = reader.fill_buf().map_err(unreadable)?.starts_with(&GZIP);
    let mut lines: Box<dyn BufRead> = match packed {
        true => Box::new(BufReader::new(MultiGzDecoder::new(reader))),
        false => Box::new(reader),
    };
    let first = next_line(&mut lines).unwrap_or_default();
    let header: Header = serde_json::from_slice(&first)
        .map_err(|_| JournalError::NoJournal { path: path.to_path_buf() })?;
    if header.partita_journal != FORMAT {
        return Err(JournalError::OtherFormat {
            path: path.to_path_buf(),
            found: header.partita_journal,
            version: header.version,
        });
    }
    let mut entries = Entries::default();
    while let Some(line) = next_line(&mut lines) {
        match serde_json::from_slice(&line) {
            Ok(seen) => entries.seen.push(seen),
            Err(_) => entries.passed_over += 1,
        }
        if entries.seen.len() == ENTRIES_MAX {
            break;
        }
    }
    Ok(entries)
}

/// The next line. A file that was cut off ends with its last whole line.
fn next_line(lines: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let read = lines.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line);
    (read.is_ok_and(|bytes| bytes > 0) && line.ends_with(b"\n")).then_some(line)
}
