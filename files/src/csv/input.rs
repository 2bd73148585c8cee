//! From the bytes of a file to those of its records, in UTF-8.

use std::io::{BufReader, Error, ErrorKind, Read, Result};

use super::dialect::{Dialect, Encoding};

/// Bytes that are taken from a file at once.
pub(super) const READ_BYTES: usize = 128 * 1024;

/// What separates fields and records where quotes and escapes were resolved.
pub(super) const FIELD_SEPARATOR: u8 = 0x1F;
pub(super) const RECORD_SEPARATOR: u8 = 0x1E;

/// What a UTF-8 file may begin with.
const UTF8_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

/// The records of a file that begins where `file` does: characters decoded, and without what is to be
/// left out.
pub(super) fn records(
    file: Box<dyn Read + Send>,
    dialect: &Dialect,
) -> Result<Box<dyn Read + Send>> {
    let decoded = decoded(file, &dialect.encoding)?;
    if !dialect.is_shaped() {
        return Ok(decoded);
    }
    Ok(Box::new(Mapped::new(decoded, Shaper::new(dialect))))
}

fn decoded(mut file: Box<dyn Read + Send>, encoding: &Encoding) -> Result<Box<dyn Read + Send>> {
    let little = match encoding {
        Encoding::Table(table) => {
            let characters: Vec<char> = table.chars().collect();
            return Ok(Box::new(Mapped::new(file, Table { characters })));
        }
        Encoding::Utf8 => {
            let start = begin(&mut file, UTF8_MARK.len())?;
            let kept = if start == UTF8_MARK { Vec::new() } else { start };
            return Ok(Box::new(std::io::Cursor::new(kept).chain(file)));
        }
        Encoding::Utf16Le => true,
        Encoding::Utf16Be => false,
        Encoding::Utf16 => {
            let start = begin(&mut file, 2)?;
            match start.as_slice() {
                [0xFF, 0xFE] => true,
                [0xFE, 0xFF] => false,
                _ => {
                    let file = std::io::Cursor::new(start).chain(file);
                    return Ok(Box::new(Mapped::new(
                        file,
                        Utf16 { little: true, odd: Vec::new() },
                    )));
                }
            }
        }
    };
    Ok(Box::new(Mapped::new(file, Utf16 { little, odd: Vec::new() })))
}

/// The first bytes of a file, as many as it has.
fn begin(file: &mut impl Read, bytes: usize) -> Result<Vec<u8>> {
    let mut start = Vec::with_capacity(bytes);
    file.take(bytes as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// What makes other bytes of bytes.
trait Map {
    fn map(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<()>;
    /// The input has ended.
    fn end(&mut self, _output: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }
}

/// A reader of what a map makes of another reader's bytes.
struct Mapped<R, M> {
    input: BufReader<R>,
    map: M,
    output: Vec<u8>,
    at: usize,
    has_ended: bool,
}

impl<R: Read, M: Map> Mapped<R, M> {
    fn new(input: R, map: M) -> Self {
        let input = BufReader::with_capacity(READ_BYTES, input);
        Self { input, map, output: Vec::new(), at: 0, has_ended: false }
    }
}

impl<R: Read, M: Map> Read for Mapped<R, M> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.at == self.output.len() && !self.has_ended {
            self.output.clear();
            self.at = 0;
            let input = std::io::BufRead::fill_buf(&mut self.input)?;
            let taken = input.len();
            if taken == 0 {
                self.has_ended = true;
                self.map.end(&mut self.output)?;
            } else {
                self.map.map(input, &mut self.output)?;
                std::io::BufRead::consume(&mut self.input, taken);
            }
        }
        let count = buffer.len().min(self.output.len() - self.at);
        buffer[..count].copy_from_slice(&self.output[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

fn put(character: char, output: &mut Vec<u8>) {
    output.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

struct Table {
    characters: Vec<char>,
}

impl Map for Table {
    fn map(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<()> {
        for byte in input {
            match self.characters.get(usize::from(*byte)) {
                Some(&character) if character != char::REPLACEMENT_CHARACTER => {
                    put(character, output);
                }
                _ => {
                    let text = format!("byte 0x{byte:02x} is not a character of this encoding");
                    return Err(Error::new(ErrorKind::InvalidData, text));
                }
            }
        }
        Ok(())
    }
}

struct Utf16 {
    little: bool,
    /// Bytes of a character whose others have not come yet.
    odd: Vec<u8>,
}

impl Map for Utf16 {
    fn map(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<()> {
        let mut bytes = std::mem::take(&mut self.odd);
        bytes.extend_from_slice(input);
        let unit = |pair: &[u8]| {
            let pair = [pair[0], pair[1]];
            if self.little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }
        };
        let mut whole = bytes.len() / 2 * 2;
        let is_high = |unit: u16| (0xD800..0xDC00).contains(&unit);
        if whole >= 2 && is_high(unit(&bytes[whole - 2..])) {
            whole -= 2;
        }
        for character in char::decode_utf16(bytes[..whole].chunks_exact(2).map(unit)) {
            let character = character.map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
            put(character, output);
        }
        self.odd = bytes.split_off(whole);
        Ok(())
    }

    fn end(&mut self, _: &mut Vec<u8>) -> Result<()> {
        if self.odd.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidData, "the file ends within a character of UTF-16"))
    }
}

/// Where a [`Shaper`] is in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    LineStart,
    FieldStart,
    Field,
    Quoted,
    /// After a quote inside of quotes.
    QuoteInQuotes,
    /// After an escape, and whether inside of quotes.
    Escaped(bool),
    Comment,
    /// In a line that is left out, and whether inside of quotes.
    Skipped(bool),
}

/// Leaves out lines, comments and blanks, and puts tabs for runs of blanks. Where there are escapes, which the
/// parser of records knows inside of quotes only, it resolves them and quotes, and puts separators of its own.
struct Shaper {
    dialect: Dialect,
    delimiter: u8,
    place: Place,
    line: u64,
    next_skipped: usize,
    after_return: bool,
    /// Blanks came that separate two fields, if another field comes.
    is_separated: bool,
    has_escapes: bool,
}

impl Shaper {
    fn new(dialect: &Dialect) -> Self {
        Self {
            delimiter: dialect.delimiter.unwrap_or(b','),
            dialect: dialect.clone(),
            place: Place::LineStart,
            line: 0,
            next_skipped: 0,
            after_return: false,
            is_separated: false,
            has_escapes: dialect.escape.is_some(),
        }
    }

    fn end_line(&mut self, byte: u8, output: &mut Vec<u8>) {
        output.push(if self.has_escapes { RECORD_SEPARATOR } else { byte });
        self.place = Place::LineStart;
    }

    fn end_field(&mut self, byte: u8, output: &mut Vec<u8>) {
        output.push(if self.has_escapes { FIELD_SEPARATOR } else { byte });
        self.place = Place::FieldStart;
    }

    fn ends_line(&self, byte: u8) -> bool {
        match self.dialect.terminator {
            Some(terminator) => byte == terminator,
            None => byte == b'\n' || byte == b'\r',
        }
    }

    /// Whether the line that begins now is left out.
    fn skips_line(&mut self) -> bool {
        let line = self.line;
        self.line += 1;
        while self.dialect.skipped_lines.get(self.next_skipped).is_some_and(|at| *at < line) {
            self.next_skipped += 1;
        }
        line < self.dialect.skipped_first
            || self.dialect.skipped_lines.get(self.next_skipped) == Some(&line)
    }

    fn skipped(&mut self, byte: u8, is_quoted: bool) {
        let toggles = Some(byte) == self.dialect.quote;
        if self.ends_line(byte) && !is_quoted {
            self.place = Place::LineStart;
        } else {
            self.place = Place::Skipped(is_quoted != toggles);
        }
    }

    fn byte(&mut self, byte: u8, output: &mut Vec<u8>) {
        // The second half of an end of line.
        if std::mem::take(&mut self.after_return) && byte == b'\n' && self.place == Place::LineStart
        {
            return;
        }
        self.after_return = byte == b'\r' && self.dialect.terminator.is_none();
        if self.place == Place::LineStart {
            self.is_separated = false;
            self.place = if self.skips_line() { Place::Skipped(false) } else { Place::FieldStart };
            if self.place == Place::FieldStart && Some(byte) == self.dialect.comment {
                self.place = Place::Comment;
                return;
            }
            if self.place == Place::FieldStart
                && self.dialect.is_blank_delimited
                && matches!(byte, b' ' | b'\t')
            {
                return;
            }
        }
        match self.place {
            Place::Skipped(is_quoted) => self.skipped(byte, is_quoted),
            Place::Comment => {
                if self.ends_line(byte) {
                    self.end_line(byte, output);
                }
            }
            Place::Quoted => self.quoted(byte, output),
            Place::QuoteInQuotes
                if Some(byte) == self.dialect.quote && self.dialect.has_double_quotes =>
            {
                output.push(byte);
                self.place = Place::Quoted;
            }
            Place::Escaped(is_quoted) => {
                output.push(byte);
                self.place = if is_quoted { Place::Quoted } else { Place::Field };
            }
            Place::LineStart | Place::FieldStart | Place::Field | Place::QuoteInQuotes => {
                self.outside(byte, output);
            }
        }
    }

    /// A byte inside of quotes.
    fn quoted(&mut self, byte: u8, output: &mut Vec<u8>) {
        if Some(byte) == self.dialect.escape {
            self.place = Place::Escaped(true);
        } else if Some(byte) == self.dialect.quote {
            self.place = Place::QuoteInQuotes;
            if !self.has_escapes {
                output.push(byte);
            }
        } else {
            output.push(byte);
        }
    }

    /// A byte outside of quotes.
    fn outside(&mut self, byte: u8, output: &mut Vec<u8>) {
        if self.ends_line(byte) {
            self.end_line(byte, output);
            return;
        }
        if Some(byte) == self.dialect.comment {
            self.place = Place::Comment;
            return;
        }
        if self.dialect.is_blank_delimited {
            if matches!(byte, b' ' | b'\t') {
                self.is_separated |= self.place != Place::FieldStart;
                return;
            }
            if std::mem::take(&mut self.is_separated) {
                self.end_field(b'\t', output);
            }
        } else if byte == self.delimiter {
            self.end_field(byte, output);
            return;
        }
        let at_start = self.place == Place::FieldStart;
        if at_start && self.dialect.skips_initial_space && byte == b' ' {
            return;
        }
        if Some(byte) == self.dialect.escape {
            self.place = Place::Escaped(false);
        } else if at_start && Some(byte) == self.dialect.quote {
            self.place = Place::Quoted;
            if !self.has_escapes {
                output.push(byte);
            }
        } else {
            output.push(byte);
            self.place = Place::Field;
        }
    }
}

impl Map for Shaper {
    fn map(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<()> {
        let is_separator = |byte: &u8| matches!(*byte, FIELD_SEPARATOR | RECORD_SEPARATOR);
        if self.has_escapes && input.iter().any(is_separator) {
            let text = "control characters 0x1E and 0x1F are not supported together with an escape character";
            return Err(Error::new(ErrorKind::InvalidData, text));
        }
        for byte in input {
            self.byte(*byte, output);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(text: &[u8], dialect: &Dialect) -> String {
        let mut out = String::new();
        let file = Box::new(std::io::Cursor::new(text.to_vec()));
        records(file, dialect).expect("records").read_to_string(&mut out).expect("text");
        out
    }

    /// Lines, comments and blanks are left out outside of quotes only.
    #[test]
    fn shapes() {
        let blanks = Dialect { is_blank_delimited: true, ..Dialect::default() };
        assert_eq!(shaped(b"  a  b\t\"c  d\" \n\n1 2 3\n", &blanks), "a\tb\t\"c  d\"\n\n1\t2\t3\n");
        let comments = Dialect { comment: Some(b'#'), ..Dialect::default() };
        assert_eq!(shaped(b"#x\na,\"#b\"#c\n1#2\n", &comments), "\na,\"#b\"\n1\n");
        let skipped = Dialect { skipped_first: 1, skipped_lines: vec![2], ..Dialect::default() };
        assert_eq!(shaped(b"\"x\ny\"\r\na\r\nb\r\nc", &skipped), "a\rc");
        let spaces = Dialect { skips_initial_space: true, ..Dialect::default() };
        assert_eq!(shaped(b"a,  \"b, c\", d e\n", &spaces), "a,\"b, c\",d e\n");
    }

    /// Marks are left out, and characters are decoded.
    #[test]
    fn decodes() {
        assert_eq!(shaped(b"\xEF\xBB\xBFa", &Dialect::default()), "a");
        let utf16 = Dialect { encoding: Encoding::Utf16, ..Dialect::default() };
        let bytes: Vec<u8> = "\u{FEFF}a€😀".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(shaped(&bytes, &utf16), "a€😀");
        let latin: String = (0..=255_u8).map(char::from).collect();
        let latin = Dialect { encoding: Encoding::Table(latin), ..Dialect::default() };
        assert_eq!(shaped(b"\xe9\xfc", &latin), "éü");
    }
}
