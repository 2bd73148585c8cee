//! The records of a file.

use std::io::{Read, SeekFrom};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

use super::super::remote::Input;
use super::dialect::{Dialect, LongRows};
use super::error::{Line, Problem};
use super::input::{FIELD_SEPARATOR, READ_BYTES, RECORD_SEPARATOR};

/// Bytes of records that are put together in one batch, unless one record has more.
pub(super) const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Records of a file, one after the other.
pub(super) struct Records {
    input: Box<dyn Read + Send>,
    core: Reader,
    buffer: Vec<u8>,
    at: usize,
    filled: usize,
    has_ended: bool,
    /// The place in the file of the first byte in the buffer, where the input is the file itself.
    base: u64,
    /// Records that begin here or later belong to another piece of the file.
    end: Option<u64>,
    /// The first line feed at or after the last byte of this piece.
    break_at_end: Option<u64>,
    last: u8,
    has_terminator: bool,
    skips_blank_lines: bool,
    counts_lines: bool,
    breaks: u64,
    line: u64,
    data: Vec<u8>,
    ends: Vec<usize>,
    fields: usize,
}

impl Records {
    /// Records of decoded bytes.
    pub(super) fn new(input: Box<dyn Read + Send>, dialect: &Dialect, delimiter: u8) -> Self {
        let mut builder = ReaderBuilder::new();
        let is_resolved = dialect.escape.is_some();
        builder.delimiter(if is_resolved {
            FIELD_SEPARATOR
        } else if dialect.is_blank_delimited {
            b'\t'
        } else {
            delimiter
        });
        match dialect.quote.filter(|_| !is_resolved) {
            Some(quote) => builder.quote(quote).double_quote(dialect.has_double_quotes),
            None => builder.quoting(false),
        };
        let terminator = if is_resolved { Some(RECORD_SEPARATOR) } else { dialect.terminator };
        if let Some(terminator) = terminator {
            builder.terminator(Terminator::Any(terminator));
        }
        Self {
            input,
            core: builder.build(),
            buffer: vec![0; READ_BYTES],
            at: 0,
            filled: 0,
            has_ended: false,
            base: 0,
            end: None,
            break_at_end: None,
            last: 0,
            has_terminator: terminator.is_some(),
            skips_blank_lines: dialect.is_pandas,
            counts_lines: !dialect.is_shaped(),
            breaks: 0,
            line: 0,
            data: vec![0; 1024],
            ends: vec![0; 16],
            fields: 0,
        }
    }

    /// Records that begin in a piece of a file. That of the first line which is not wholly before the piece
    /// is the first.
    pub(super) fn of_piece(
        mut file: Box<dyn Input>,
        dialect: &Dialect,
        delimiter: u8,
        start: u64,
        end: u64,
    ) -> Result<Self, Problem> {
        let from = start.saturating_sub(1);
        file.seek(SeekFrom::Start(from))?;
        let mut records = Self::new(file, dialect, delimiter);
        records.base = from;
        records.end = Some(end);
        records.counts_lines &= start == 0;
        if start > 0 {
            while let Some(byte) = records.peek()? {
                records.at += 1;
                if byte == b'\n' {
                    break;
                }
            }
        }
        Ok(records)
    }

    fn position(&self) -> u64 {
        self.base + self.at as u64
    }

    fn peek(&mut self) -> Result<Option<u8>, Problem> {
        if self.at == self.filled && !self.has_ended {
            self.base += self.at as u64;
            self.at = 0;
            self.filled = 0;
            self.filled = loop {
                match self.input.read(&mut self.buffer) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    read => break read?,
                }
            };
            self.has_ended = self.filled == 0;
        }
        Ok(self.buffer[..self.filled].get(self.at).copied())
    }

    /// Goes past ends of lines where a record could begin.
    fn skip_line_ends(&mut self) -> Result<(), Problem> {
        if self.has_terminator {
            return Ok(());
        }
        while let Some(byte @ (b'\n' | b'\r')) = self.peek()? {
            self.breaks += u64::from(byte == b'\n');
            self.at += 1;
        }
        Ok(())
    }

    /// Reads the next record; false after the last one.
    pub(super) fn next(&mut self) -> Result<bool, Problem> {
        loop {
            self.skip_line_ends()?;
            let Some(first) = self.peek()? else { return Ok(false) };
            if self.end.is_some_and(|end| self.position() >= end) {
                return Ok(false);
            }
            self.line = self.core.line() + self.breaks;
            if !self.parse()? {
                return Ok(false);
            }
            self.check_end()?;
            let is_blank = self.skips_blank_lines
                && self.fields == 1
                && matches!(first, b' ' | b'\t')
                && self.field_bytes(0).iter().all(|byte| matches!(byte, b' ' | b'\t'));
            if !is_blank {
                return Ok(true);
            }
        }
    }

    fn parse(&mut self) -> Result<bool, Problem> {
        let mut used = 0;
        self.fields = 0;
        loop {
            self.peek()?;
            let input = &self.buffer[self.at..self.filled];
            let (result, read, written, ended) =
                self.core.read_record(input, &mut self.data[used..], &mut self.ends[self.fields..]);
            if read > 0 {
                self.last = input[read - 1];
                self.note_break(read);
            }
            self.at += read;
            used += written;
            self.fields += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.data.resize(self.data.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(false),
            }
        }
        // The parser would take the line feed for a part of the next record.
        if self.last == b'\r' && !self.has_terminator && self.peek()? == Some(b'\n') {
            self.note_break(1);
            self.breaks += 1;
            self.at += 1;
        }
        Ok(true)
    }

    /// Looks for the line feed after which the next piece begins, in bytes that are read now.
    fn note_break(&mut self, read: usize) {
        let Some(end) = self.end else { return };
        let last = end.saturating_sub(1);
        if self.break_at_end.is_some() || self.position() + (read as u64) <= last {
            return;
        }
        let skipped = usize::try_from(last.saturating_sub(self.position())).unwrap_or(usize::MAX);
        let bytes = &self.buffer[self.at..self.at + read];
        let found = bytes.iter().skip(skipped).position(|byte| *byte == b'\n');
        self.break_at_end = found.map(|at| self.position() + (skipped + at) as u64);
    }

    /// The next piece begins after the first line feed at or after this piece's last byte. If that is not
    /// where the last record of this one ends, the piece was split inside of a value.
    fn check_end(&mut self) -> Result<(), Problem> {
        let Some(end) = self.end else { return Ok(()) };
        if self.position() < end {
            return Ok(());
        }
        let is_last = self.peek()?.is_none();
        match self.break_at_end {
            Some(at) if at + 1 == self.position() => Ok(()),
            None if is_last => Ok(()),
            Some(_) | None => Err(Problem::Split),
        }
    }

    /// Bytes that were taken from the input.
    pub(super) fn bytes_read(&self) -> u64 {
        self.base + self.filled as u64
    }

    /// How many fields the record has.
    pub(super) fn fields(&self) -> usize {
        self.fields
    }

    /// Where the record begins.
    pub(super) fn line(&self) -> Line {
        Line(self.counts_lines.then_some(self.line))
    }

    fn field_bytes(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.data[start..self.ends[at]]
    }

    /// The record's fields as text.
    pub(super) fn texts(&self) -> Result<Vec<String>, Problem> {
        (0..self.fields)
            .map(|at| match std::str::from_utf8(self.field_bytes(at)) {
                Ok(text) => Ok(text.to_owned()),
                Err(_) => Err(Problem::Characters { line: self.line() }),
            })
            .collect()
    }
}

/// Records with the same number of fields.
#[derive(Debug)]
pub(super) struct Batch {
    text: String,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    width: usize,
    rows: usize,
    first: Line,
}

impl Batch {
    pub(super) fn new(width: usize) -> Self {
        let (text, bytes, ends) = (String::new(), Vec::new(), Vec::new());
        Self { text, bytes, ends, width, rows: 0, first: Line(None) }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Whether a field has a line break.
    pub(super) fn has_breaks(&self) -> bool {
        self.text.contains(['\n', '\r'])
    }

    /// Takes the next records in the place of those that it has, until they are enough.
    pub(super) fn fill(
        &mut self,
        records: &mut Records,
        dialect: &Dialect,
        rows_max: usize,
    ) -> Result<(), Problem> {
        self.bytes = std::mem::take(&mut self.text).into_bytes();
        self.bytes.clear();
        self.ends.clear();
        self.rows = 0;
        while self.rows < rows_max && self.bytes.len() < BATCH_BYTES_MAX && records.next()? {
            if self.rows == 0 {
                self.first = records.line();
            }
            self.push(records, dialect)?;
        }
        let bytes = std::mem::take(&mut self.bytes);
        self.text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) if dialect.replaces_invalid => self.replaced(error.as_bytes()),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let row = self.ends.partition_point(|end| *end <= at) / self.width.max(1);
                let line = Line(self.first.0.map(|line| line + row as u64));
                return Err(Problem::Characters { line });
            }
        };
        Ok(())
    }

    fn push(&mut self, records: &Records, dialect: &Dialect) -> Result<(), Problem> {
        let (found, expected) = (records.fields(), self.width);
        let is_refused = match found.cmp(&expected) {
            std::cmp::Ordering::Equal => false,
            std::cmp::Ordering::Less => !dialect.takes_short_rows,
            std::cmp::Ordering::Greater => match dialect.long_rows {
                LongRows::Refuse => true,
                LongRows::Skip => return Ok(()),
                LongRows::Cut => false,
            },
        };
        if is_refused {
            return Err(Problem::Width { line: records.line(), found, expected });
        }
        let start = self.bytes.len();
        let kept = found.min(expected);
        let bytes = if kept == 0 { 0 } else { records.ends[kept - 1] };
        self.bytes.extend_from_slice(&records.data[..bytes]);
        self.ends.extend(records.ends[..kept].iter().map(|end| start + end));
        self.ends.resize(self.ends.len() + expected - kept, self.bytes.len());
        self.rows += 1;
        Ok(())
    }

    /// The text with a marker in place of invalid characters.
    fn replaced(&mut self, bytes: &[u8]) -> String {
        let mut text = String::with_capacity(bytes.len());
        let mut start = 0;
        for end in &mut self.ends {
            text.push_str(&String::from_utf8_lossy(&bytes[start..*end]));
            start = std::mem::replace(end, text.len());
        }
        text
    }

    /// The fields of a column, from the first row to the last. None where a field is not whole characters.
    pub(super) fn column(&self, column: usize) -> impl Iterator<Item = Option<&str>> {
        (0..self.rows).map(move |row| {
            let at = row * self.width + column;
            let start = if at == 0 { 0 } else { self.ends[at - 1] };
            self.text.get(start..self.ends[at])
        })
    }

    /// The line in which the first record begins.
    pub(super) fn first(&self) -> Line {
        self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn rows(text: &str, dialect: &Dialect) -> Vec<Vec<String>> {
        let input = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
        all(Records::new(input, dialect, b',')).expect("records")
    }

    fn all(mut records: Records) -> Result<Vec<Vec<String>>, Problem> {
        let mut rows = Vec::new();
        while records.next()? {
            rows.push(records.texts()?);
        }
        Ok(rows)
    }

    /// Records of all ends of lines, without blank lines.
    #[test]
    fn ends_of_lines() {
        let expected = [["a", "b\nc"], ["1", ""], ["2", "x"]];
        for end in ["\n", "\r\n", "\r"] {
            let text = ["", "a,\"b\nc\"", "", "1,", "2,x"].join(end);
            assert_eq!(rows(&text, &Dialect::default()), expected, "{end:?}");
            assert_eq!(rows(&(text + end + end), &Dialect::default()), expected, "{end:?}");
        }
    }

    /// A file that is split anywhere has each record once, or an error where it is split inside of a value.
    #[test]
    fn pieces() {
        for (text, always) in [
            ("a,1\nbb,22\n\n\nccc,333\n\nd,4", true),
            ("a,1\r\nbb,22\r\n\r\n\r\nccc,333\r\n", true),
            ("a,\"1\n2\"\nb,\"3\n\n4\"\nc,5\n", false),
        ] {
            let mut file = tempfile::NamedTempFile::new().expect("file");
            file.write_all(text.as_bytes()).expect("write");
            let whole = rows(text, &Dialect::default());
            let size = text.len() as u64;
            for split in 0..=size {
                let piece = |start, end| {
                    let file = file.reopen().expect("open");
                    all(Records::of_piece(Box::new(file), &Dialect::default(), b',', start, end)?)
                };
                let both = piece(0, split).and_then(|first| {
                    Ok([first, if split < size { piece(split, size)? } else { vec![] }].concat())
                });
                match both {
                    Ok(both) => assert_eq!(both, whole, "{text:?} at {split}"),
                    Err(Problem::Split) if !always => {}
                    Err(error) => panic!("{text:?} at {split}: {error}"),
                }
            }
        }
    }
}
