//! Splitting a text into statements, and what is known of a statement without a parser.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use std::ffi::OsString;

/// Words with which statements begin that give rows.
const ROWS: [&str; 9] =
    ["select", "with", "from", "values", "table", "show", "describe", "desc", "explain"];

/// Whether a statement gives rows that somebody wants, and not only how many it wrote.
pub(crate) fn gives_rows(statement: &str) -> bool {
    let mut rest = statement.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    loop {
        let after = match (rest.strip_prefix("--"), rest.strip_prefix("/*")) {
            (Some(comment), _) => comment.split_once('\n'),
            (_, Some(comment)) => comment.split_once("*/"),
            (None, None) => break,
        };
        let Some((_, after)) = after else { return false };
        rest = after.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    }
    let word: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
    ROWS.contains(&word.to_ascii_lowercase().as_str())
}

/// An argument of the command line as it is, or, where it is a statement that begins with a comment, such that
/// it is not taken for an option: the name of an option has no space.
pub(crate) fn no_option(argument: OsString) -> OsString {
    match argument.to_str() {
        Some(text) if text.starts_with("--") => {
            let name = text.split('=').next().unwrap_or_default();
            match name.contains(char::is_whitespace) {
                true => format!("\n{text}").into(),
                false => argument,
            }
        }
        Some(_) | None => argument,
    }
}

/// A statement of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// The statement, without the semicolon.
    pub(crate) text: String,
    /// Lines and characters of its line that are before it.
    before: (usize, usize),
}

impl Statement {
    /// The statement between two places of a text.
    fn of(text: &str, start: usize, end: usize) -> Self {
        let piece = &text[start..end];
        let before = &text[..end - piece.trim_start().len()];
        let line = before.rsplit('\n').next().unwrap_or_default();
        Statement {
            text: piece.trim().to_string(),
            before: (before.matches('\n').count(), line.chars().count()),
        }
    }

    /// The statement behind as many blank lines and spaces as there is text before it, so that places in errors are
    /// those in the text.
    pub(crate) fn in_place(&self) -> String {
        let (lines, characters) = self.before;
        format!("{}{}{}", "\n".repeat(lines), " ".repeat(characters), self.text)
    }
}

/// What a text ends in that is not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Open {
    /// A string, which begins at this byte, behind its quote.
    Text(usize),
    /// A name in double quotes, which begins at this byte, behind its quote.
    Name(usize),
    /// A comment that the end of the line closes.
    Line,
    /// A comment that goes over lines.
    Block,
}

/// What a text consists of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scan {
    /// The statements. Pieces that hold nothing but space and comments are left out.
    pub(crate) statements: Vec<Statement>,
    /// Whether the last statement lacks its semicolon.
    pub(crate) is_unfinished: bool,
    /// What is not closed at the end.
    pub(crate) open: Option<Open>,
}

/// The statements of a text.
pub(crate) fn split(text: &str) -> Vec<Statement> {
    scan(text).statements
}

/// Takes a text apart: statements are what is between semicolons, outside of quotes and comments.
pub(crate) fn scan(text: &str) -> Scan {
    let mut statements = Vec::new();
    let mut start = 0;
    let mut has_code = false;
    let mut open = None;
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let (found, opened) = match bytes[at] {
            b';' => {
                if has_code {
                    statements.push(Statement::of(text, start, at));
                }
                start = at + 1;
                has_code = false;
                at += 1;
                continue;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => (find(bytes, at, b"\n"), Open::Line),
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                (find(bytes, at + 2, b"*/").map(|end| end + 1), Open::Block)
            }
            // A doubled quote ends one string and begins the next, which comes to the same.
            b'\'' => (find(bytes, at + 1, b"'"), Open::Text(at + 1)),
            b'"' => (find(bytes, at + 1, b"\""), Open::Name(at + 1)),
            byte => {
                has_code |= !byte.is_ascii_whitespace();
                at += 1;
                continue;
            }
        };
        has_code |= matches!(opened, Open::Text(_) | Open::Name(_));
        open = found.is_none().then_some(opened);
        at = found.map_or(bytes.len(), |end| end + 1);
    }
    if has_code {
        statements.push(Statement::of(text, start, text.len()));
    }
    Scan { statements, is_unfinished: has_code, open }
}

/// Whether a statement makes a table that stays on workers.
pub(crate) fn makes_table(statement: &str) -> bool {
    let dialect = GenericDialect {};
    let Ok(tokens) = Tokenizer::new(&dialect, statement).tokenize() else { return false };
    let mut words = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).map(
        |token| match token {
            Token::Word(word) => word.keyword,
            _ => Keyword::NoKeyword,
        },
    );
    let between = [Keyword::OR, Keyword::REPLACE, Keyword::TEMP, Keyword::TEMPORARY];
    words.next() == Some(Keyword::CREATE)
        && words.find(|word| !between.contains(word)) == Some(Keyword::TABLE)
        && words.any(|word| word == Keyword::AS)
}

fn find(bytes: &[u8], from: usize, wanted: &[u8]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(wanted.len()).position(|window| window == wanted).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::{Open, gives_rows, makes_table, no_option, scan, split};

    /// Comments and parentheses before it do not hide what a statement is.
    #[test]
    fn statements_that_give_rows_are_known() {
        for rows in
            ["select 1", "-- a\n/* b */ WITH t as (select 1) select 1", "(select 1)", "from 'f'"]
        {
            assert!(gives_rows(rows), "{rows}");
        }
        for none in ["create table t as select 1", "drop table t", "copy t to 'f'", "-- select"] {
            assert!(!gives_rows(none), "{none}");
        }
    }

    /// A statement that begins with a comment is one, and an option stays an option.
    #[test]
    fn comments_are_no_options() {
        for statement in ["-- one\nselect 1", "--one two = 3"] {
            assert_eq!(
                no_option(statement.into()).to_str(),
                Some(format!("\n{statement}").as_str())
            );
        }
        for option in ["--file", "--file=a b.sql", "--", "-x", "select 1 -- one"] {
            assert_eq!(no_option(option.into()).to_str(), Some(option));
        }
    }

    fn texts(text: &str) -> Vec<String> {
        split(text).into_iter().map(|statement| statement.text).collect()
    }

    /// Semicolons in strings, names and comments do not end a statement, and comments alone are none.
    #[test]
    fn statements_are_split_at_their_ends() {
        let text = "select ';' as \"a;b\"; -- one; two\n/* ; */ select 2;;\n-- end\n";
        assert_eq!(texts(text), ["select ';' as \"a;b\"", "-- one; two\n/* ; */ select 2"]);
        assert_eq!(texts("select 'it''s; fine'"), ["select 'it''s; fine'"]);
        assert!(split(" -- nothing\n ; /* ; ").is_empty());
    }

    /// What a text ends in is known: a statement, a string, a name, a comment, or nothing.
    #[test]
    fn the_end_of_a_text_is_known() {
        for (text, is_unfinished, open) in [
            ("select 1;", false, None),
            ("select 1; ", false, None),
            ("select 1; -- done", false, Some(Open::Line)),
            ("select 1; /* more", false, Some(Open::Block)),
            ("select 1; /* more */ ", false, None),
            ("select 1", true, None),
            ("select 1 -- one;", true, Some(Open::Line)),
            ("select ';", true, Some(Open::Text(8))),
            ("select 'it''s", true, Some(Open::Text(12))),
            ("select 'a' as \"b;", true, Some(Open::Name(15))),
            ("", false, None),
        ] {
            let found = scan(text);
            assert_eq!((found.is_unfinished, found.open), (is_unfinished, open), "{text}");
        }
    }

    /// A statement in its place has the lines and columns of its text.
    #[test]
    fn statements_keep_their_place() {
        let found = split("select 1; select 2;\n\n  select 3,\n 4;");
        let places: Vec<String> = found.iter().map(|statement| statement.in_place()).collect();
        assert_eq!(places, ["select 1", "          select 2", "\n\n  select 3,\n 4"]);
    }

    /// Statements that make a table, however they are written, and others that begin like them.
    #[test]
    fn tables_are_recognised() {
        for text in [
            "create table t as select 1",
            "-- a comment\nCREATE OR REPLACE /* x */ TABLE t AS SELECT 1",
            "create temporary table t as select 1",
            "create table if not exists t as select 1",
        ] {
            assert!(makes_table(text), "{text}");
        }
        for text in [
            "create view t as select 1",
            "create table t (a int)",
            "create external table t stored as csv location 'x'",
            "select 'create table t'",
            "drop table t",
            "\"create\" table",
            "",
        ] {
            assert!(!makes_table(text), "{text}");
        }
    }
}
