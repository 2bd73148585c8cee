//! The lines of a file.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use datafusion::common::parsers::CompressionTypeVariant;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;

use super::{Line, Problem};
use crate::remote::StoredFile;

/// Bytes that are taken from a file at once.
const READ_BYTES: usize = 128 * 1024;

/// What a UTF-8 file may begin with.
const UTF8_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

/// The lines of a file or of a piece of one, without blank ones.
pub(super) struct Lines {
    input: Box<dyn BufRead + Send>,
    /// Bytes before what is read next.
    at: u64,
    /// The place in the file where the next line begins: the first one before the mark, if there is one.
    begin: u64,
    /// Lines that begin here or later belong to another piece.
    end: u64,
    /// The number of the last line, where it is known.
    number: Option<u64>,
}

impl Lines {
    /// Opens a file. The first line of a piece is the first that is not wholly before it.
    pub(super) fn open(
        stored: &StoredFile,
        compression: CompressionTypeVariant,
        range: Option<(u64, u64)>,
    ) -> Result<Self, DataFusionError> {
        let wrong = |error: std::io::Error| Problem::from(error).of(stored.shown());
        let mut file = stored.open(range.map(|(_, end)| end)).map_err(wrong)?;
        let (start, end) = range.unwrap_or((0, u64::MAX));
        let from = start.saturating_sub(1);
        if start > 0 {
            file.seek(SeekFrom::Start(from)).map_err(wrong)?;
        }
        let plain = FileCompressionType::from(compression).convert_read(file)?;
        let input: Box<dyn BufRead + Send> = Box::new(BufReader::with_capacity(READ_BYTES, plain));
        let number = (start == 0).then_some(0);
        let mut lines = Self { input, at: from, begin: 0, end, number };
        match start {
            0 => lines.skip_mark().map_err(wrong)?,
            _ => {
                lines.at += lines.input.skip_until(b'\n').map_err(wrong)? as u64;
                lines.begin = lines.at;
            }
        }
        Ok(lines)
    }

    fn skip_mark(&mut self) -> std::io::Result<()> {
        let mut start = Vec::with_capacity(UTF8_MARK.len());
        self.input.by_ref().take(UTF8_MARK.len() as u64).read_to_end(&mut start)?;
        self.at += start.len() as u64;
        if start != UTF8_MARK {
            self.at = 0;
            let input = std::mem::replace(&mut self.input, Box::new(std::io::empty()));
            self.input = Box::new(std::io::Cursor::new(start).chain(input));
        }
        Ok(())
    }

    /// Puts the next line into the place of what is in `line`. False after the last one.
    pub(super) fn next(&mut self, line: &mut Vec<u8>) -> Result<bool, Problem> {
        loop {
            line.clear();
            if self.begin >= self.end || self.input.read_until(b'\n', line)? == 0 {
                return Ok(false);
            }
            self.at += line.len() as u64;
            self.begin = self.at;
            self.number = self.number.map(|number| number + 1);
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Ok(true);
            }
        }
    }

    /// Where the last line is.
    pub(super) fn line(&self) -> Line {
        Line(self.number)
    }

    /// Bytes that were read.
    pub(super) fn bytes(&self) -> u64 {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn all(file: &StoredFile, range: Option<(u64, u64)>) -> Vec<String> {
        let mut lines =
            Lines::open(file, CompressionTypeVariant::UNCOMPRESSED, range).expect("open");
        let (mut line, mut found) = (Vec::new(), Vec::new());
        while lines.next(&mut line).expect("a line") {
            found.push(String::from_utf8(line.clone()).expect("text").trim().to_owned());
        }
        found
    }

    /// A file that is split anywhere has each line once, without its mark and blank lines.
    #[test]
    fn pieces() {
        let text = "\u{feff}{\"a\":1}\n\n{\"a\":22}\r\n  \n{\"a\":3}";
        let mut file = tempfile::NamedTempFile::new().expect("file");
        file.write_all(text.as_bytes()).expect("write");
        let (path, size) = (StoredFile::local(file.path()), text.len() as u64);
        let whole = all(&path, None);
        assert_eq!(whole, ["{\"a\":1}", "{\"a\":22}", "{\"a\":3}"]);
        for split in 1..size {
            let both = [all(&path, Some((0, split))), all(&path, Some((split, size)))].concat();
            assert_eq!(both, whole, "at {split}");
        }
    }
}
