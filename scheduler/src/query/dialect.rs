//! What people write who come from DuckDB: given the meaning that it has there, or refused with what is
//! written here instead.
//!
//! Statements are changed as text, since DataFusion's parser rejects some of its syntax, and since a statement
//! that runs whole goes to a worker as text. Only the words in question are changed.

use crate::query::QueryError;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use partita_plan::walk::visit_statement;
use std::borrow::Cow;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::path::Path;

/// Functions whose one argument is the path of files, which a query names without a function.
const READERS: [&str; 8] = [
    "read_csv",
    "read_csv_auto",
    "read_parquet",
    "parquet_scan",
    "read_json",
    "read_json_auto",
    "read_ndjson",
    "read_arrow",
];
/// A statement with none of these, and none of the words of [`REFUSED`], needs no translation.
const HINTS: [&str; 6] = ["read_", "parquet_scan", "copy", "show", "**", "sample"];
/// The words with which statements of other systems begin, and what to use instead.
const REFUSED: [(&[&str], &str); 20] = [
    (
        &["summarize"],
        "use DESCRIBE for the columns of a table or a file, and SELECT count(*), min(x), max(x), avg(x) for statistics",
    ),
    (&["pragma"], "use SET for settings, SHOW TABLES for tables, and DESCRIBE for columns"),
    (&["pivot"], "use an aggregate for each column: sum(x) FILTER (WHERE key = 'a') AS a"),
    (&["unpivot"], "use UNION ALL of one SELECT for each column"),
    (&["install"], "extensions do not exist; files are read by their paths"),
    (&["load"], "extensions do not exist; files are read by their paths"),
    (&["attach"], "read files by their paths: SELECT * FROM 'data/*.parquet'"),
    (&["detach"], "databases are not attached; files are read by their paths"),
    (&["use"], "a cluster has one catalog; name the table only"),
    (&["vacuum"], "tables need no maintenance"),
    (&["checkpoint"], "tables need no maintenance"),
    (&["show", "databases"], "a cluster has one catalog; use SHOW TABLES"),
    (&["show", "schemas"], "a cluster has one catalog; use SHOW TABLES"),
    (&["set", "threads"], "use partita worker --nthreads"),
    (&["set", "worker_threads"], "use partita worker --nthreads"),
    (&["set", "memory_limit"], "use partita worker --memory-limit"),
    (&["set", "max_memory"], "use partita worker --memory-limit"),
    (&["set", "temp_directory"], "use partita worker --local-directory"),
    (&["call"], "use SELECT * FROM with a table function"),
    (&["export"], "use COPY .. TO for each table"),
];
/// How Parquet compresses without a level, and with one: the writer takes no name without a level.
const PARQUET_LEVELS: [(&str, &str); 3] =
    [("zstd", "zstd(3)"), ("gzip", "gzip(6)"), ("brotli", "brotli(4)")];
/// Endings by which a name is recognised as that of a file.
const ENDINGS: [&str; 8] = ["csv", "tsv", "parquet", "json", "ndjson", "arrow", "gz", "zst"];

/// A statement in the words that are understood here.
///
/// # Errors
/// If it says something that is not understood here; the error says what is.
pub(super) fn translated(sql: &str) -> Result<Cow<'_, str>, QueryError> {
    let lower = sql.to_ascii_lowercase();
    let mut firsts = REFUSED.iter().filter_map(|(words, _)| words.first());
    if !HINTS.iter().any(|word| lower.contains(word)) && !firsts.any(|word| lower.contains(word)) {
        return Ok(Cow::Borrowed(sql));
    }
    let tokens = Tokenizer::new(&GenericDialect {}, sql).with_unescape(false).tokenize();
    // Where the tokenizer fails, so does the parser, with a better error.
    let Ok(mut tokens) = tokens else { return Ok(Cow::Borrowed(sql)) };
    let places = code(&tokens);
    let word = |at: usize| places.get(at).map_or("", |place| word(&tokens[*place]));
    let is = |at: usize, wanted: &str| word(at).eq_ignore_ascii_case(wanted);
    let begins = |words: &[&str]| (0..).zip(words).all(|(at, word)| is(at, word));
    if let Some((words, remedy)) = REFUSED.iter().find(|(words, _)| begins(words)) {
        let words = words.join(" ").to_ascii_uppercase();
        return Err(QueryError::Statement(format!("{words} is not supported; {remedy}")));
    }
    check_words(&tokens, &places)?;
    if is(0, "copy") {
        return copy(sql, &tokens, &places);
    }
    let text = |at: usize| places.get(at).is_some_and(|place| is_text(&tokens[*place]));
    let is_show = is(0, "show") && is(1, "columns") && (is(2, "from") || is(2, "in"));
    if is_show && text(3) && places.len() == 4 {
        let Some(file) = places.last().and_then(|place| tokens.get(*place)) else {
            return Ok(Cow::Borrowed(sql));
        };
        return Ok(Cow::Owned(format!("DESCRIBE {file}")));
    }
    match unread(&mut tokens, &places)? {
        true => Ok(Cow::Owned(tokens.iter().map(Token::to_string).collect())),
        false => Ok(Cow::Borrowed(sql)),
    }
}

/// The places of the tokens that are neither space nor comments.
fn code(tokens: &[Token]) -> Vec<usize> {
    let is_code = |token: &Token| !matches!(token, Token::Whitespace(_) | Token::SemiColon);
    (0..).zip(tokens).filter(|(_, token)| is_code(token)).map(|(place, _)| place).collect()
}

fn word(token: &Token) -> &str {
    match token {
        Token::Word(word) if word.quote_style.is_none() => &word.value,
        _ => "",
    }
}

fn is_text(token: &Token) -> bool {
    matches!(token, Token::SingleQuotedString(_))
}

/// Refuses notations that the parser does not know.
fn check_words(tokens: &[Token], places: &[usize]) -> Result<(), QueryError> {
    let is_word = |place: &usize, wanted: &str| word(&tokens[*place]).eq_ignore_ascii_case(wanted);
    for pair in places.windows(2) {
        let [one, next] = pair else { continue };
        if is_word(one, "using") && is_word(next, "sample") {
            return Err(QueryError::Statement(
                "USING SAMPLE is not supported; use WHERE random() < 0.1 for about a tenth of the rows, or LIMIT for a number of rows".into(),
            ));
        }
        // Only with nothing between them: `count(*) * 2` has a parenthesis there.
        if tokens[*one] == Token::Mul && tokens[*next] == Token::Mul && one + 1 == *next {
            return Err(QueryError::Statement(
                "the operator ** is not supported; use power(2, 3)".into(),
            ));
        }
    }
    Ok(())
}

/// Puts paths in the places of `read_csv('path')` and its like. True if there were some.
///
/// # Errors
/// If such a function has other arguments, or is one for files of another format.
fn unread(tokens: &mut [Token], places: &[usize]) -> Result<bool, QueryError> {
    let mut found = false;
    for (at, place) in places.iter().enumerate() {
        let name = word(&tokens[*place]).to_ascii_lowercase();
        let next = |by: usize| places.get(at + by).copied();
        let is = |by: usize, token: Token| next(by).is_some_and(|place| tokens[place] == token);
        if !READERS.contains(&name.as_str()) || !is(1, Token::LParen) {
            continue;
        }
        let is_plain = next(2).is_some_and(|place| is_text(&tokens[place]));
        if !is_plain || !is(3, Token::RParen) {
            return Err(QueryError::Statement(format!(
                "{name} takes one argument, a path, as in SELECT * FROM 'data/*.csv'; for options, use CREATE EXTERNAL TABLE name STORED AS CSV LOCATION 'path' OPTIONS ('format.delimiter' ';')"
            )));
        }
        if let Some(Token::SingleQuotedString(path)) = next(2).map(|place| &tokens[place])
            && let Some(text) = partita_files::other_reader(&name, path)
        {
            return Err(QueryError::Statement(text));
        }
        for by in [0, 1, 3] {
            if let Some(place) = next(by) {
                tokens[place] = Token::make_word("", None);
            }
        }
        found = true;
    }
    Ok(found)
}

/// `COPY .. TO 'file' (FORMAT csv, HEADER)`, as `COPY .. TO 'file' STORED AS CSV OPTIONS (..)`.
fn copy<'a>(sql: &'a str, tokens: &[Token], places: &[usize]) -> Result<Cow<'a, str>, QueryError> {
    let kind = |at: usize| places.get(at).map(|place| &tokens[*place]);
    let is_word = |at: usize, wanted: &str| {
        kind(at).is_some_and(|token| word(token).eq_ignore_ascii_case(wanted))
    };
    // The options begin after the name of the file, and PostgreSQL's WITH.
    let begin = |at: usize| if is_word(at + 2, "with") { at + 3 } else { at + 2 };
    let target = (0..places.len()).rev().find(|at| {
        is_word(*at, "to")
            && kind(at + 1).is_some_and(is_text)
            && kind(begin(*at)) == Some(&Token::LParen)
    });
    let is_closed = kind(places.len().saturating_sub(1)) == Some(&Token::RParen);
    let (Some(target), true) = (target, is_closed) else { return Ok(Cow::Borrowed(sql)) };
    let options = places.get(begin(target) + 1..places.len() - 1).unwrap_or_default();
    let mut written = Written::default();
    for option in split(options, tokens) {
        written.read(&option)?;
    }
    if let Some(Token::SingleQuotedString(path)) = kind(target + 1) {
        written.add_levels(path);
    }
    let end = places.get(target + 1).map_or(tokens.len(), |place| place + 1);
    let head: String = tokens[..end].iter().map(Token::to_string).collect();
    Ok(Cow::Owned(head + &written.to_string()))
}

/// The options between the commas that are in no parentheses, each as its tokens.
fn split<'a>(places: &[usize], tokens: &'a [Token]) -> Vec<Vec<&'a Token>> {
    let (mut options, mut open) = (vec![Vec::new()], 0_u32);
    for token in places.iter().filter_map(|place| tokens.get(*place)) {
        match token {
            Token::LParen => open += 1,
            Token::RParen => open = open.saturating_sub(1),
            Token::Comma if open == 0 => {
                options.push(Vec::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = options.last_mut() {
            last.push(token);
        }
    }
    options.retain(|option| !option.is_empty());
    options
}

/// How files are to be written.
#[derive(Default)]
struct Written {
    format: Option<String>,
    partition_by: Option<String>,
    options: Vec<(&'static str, String)>,
}

impl Written {
    /// Takes an option: its name, and its value if it has one.
    fn read(&mut self, option: &[&Token]) -> Result<(), QueryError> {
        let Some((name, value)) = option.split_first() else { return Ok(()) };
        let name = word(name).to_ascii_lowercase();
        let text: String = value.iter().map(|token| token.to_string()).collect();
        let value = text.trim_matches('\'').to_string();
        let key = match name.as_str() {
            "format" => {
                self.format = Some(value.to_ascii_uppercase());
                return Ok(());
            }
            "partition_by" => {
                let columns = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
                self.partition_by = Some(columns.unwrap_or(&text).to_string());
                return Ok(());
            }
            "header" => "format.has_header",
            "delimiter" | "delim" | "sep" => "format.delimiter",
            "quote" => "format.quote",
            "escape" => "format.escape",
            "nullstr" | "null" => "format.null_value",
            "compression" | "codec" => "format.compression",
            _ => {
                return Err(QueryError::Statement(format!(
                    "COPY does not support the option {name}; supported: format, header, delimiter, quote, escape, nullstr, compression and partition_by"
                )));
            }
        };
        let value = match (name.as_str(), value.to_ascii_lowercase().as_str()) {
            ("header", "" | "1" | "on" | "true") => "true".to_string(),
            ("header", "0" | "off" | "false") => "false".to_string(),
            _ => value,
        };
        self.options.push((key, value));
        Ok(())
    }

    /// Gives the compression of a Parquet file its level.
    fn add_levels(&mut self, path: &str) {
        let is_parquet = match &self.format {
            Some(format) => format == "PARQUET",
            None => match partita_files::written_form(path) {
                Ok((format, _)) => format == "PARQUET",
                Err(_) => Path::new(path).extension().is_none(),
            },
        };
        if !is_parquet {
            return;
        }
        for (key, value) in &mut self.options {
            let level = PARQUET_LEVELS.iter().find(|(name, _)| value.eq_ignore_ascii_case(name));
            if let (&mut "format.compression", Some((_, level))) = (key, level) {
                *value = (*level).to_string();
            }
        }
    }
}

impl std::fmt::Display for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(format) = &self.format {
            write!(f, " STORED AS {format}")?;
        }
        if let Some(columns) = &self.partition_by {
            write!(f, " PARTITIONED BY ({columns})")?;
        }
        let mut options = self.options.iter().map(|(key, value)| format!("'{key}' '{value}'"));
        let options: Vec<String> = options.by_ref().collect();
        match options.is_empty() {
            true => Ok(()),
            false => write!(f, " OPTIONS ({})", options.join(", ")),
        }
    }
}

/// A name in a statement that looks like that of a file without quotes, as people write it.
pub(super) fn unquoted_file(statement: &ast::Statement) -> Option<String> {
    let mut unquoted = UnquotedFile(None);
    visit_statement(statement, &mut unquoted);
    unquoted.0
}

/// Finds the first such name.
struct UnquotedFile(Option<String>);

impl ast::Visitor for UnquotedFile {
    type Break = Infallible;

    fn pre_visit_relation(&mut self, name: &ast::ObjectName) -> ControlFlow<Infallible> {
        let is_plain = name
            .0
            .iter()
            .all(|part| part.as_ident().is_some_and(|ident| ident.quote_style.is_none()));
        if let [_, .., ending] = name.0.as_slice()
            && is_plain
            && self.0.is_none()
            && ENDINGS.contains(&ending.to_string().to_ascii_lowercase().as_str())
        {
            self.0 = Some(name.to_string());
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn becomes(sql: &str, wanted: &str) {
        let found = translated(sql).unwrap();
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(&found), words(wanted), "{sql}");
    }

    /// What DuckDB's users write gets its meaning, and all around it stays.
    #[test]
    fn habits_are_understood() {
        becomes(
            "select * from read_csv('a''b.csv') where x = 'read_csv(''y'')'",
            "select * from 'a''b.csv' where x = 'read_csv(''y'')'",
        );
        becomes("SELECT * FROM Read_Parquet ( 'a/*.parquet' ) t", "SELECT * FROM 'a/*.parquet' t");
        becomes("show columns from 'a.csv'", "DESCRIBE 'a.csv'");
        becomes("show columns from t", "show columns from t");
        becomes(
            "copy (select 1 as a) to 'o.csv' (format csv, header)",
            "copy (select 1 as a) to 'o.csv' STORED AS csv OPTIONS ('format.has_header' 'true')"
                .replace("csv OPT", "CSV OPT")
                .as_str(),
        );
        becomes(
            "copy t to 'o' (format 'parquet', partition_by (a, b), compression zstd);",
            "copy t to 'o' STORED AS PARQUET PARTITIONED BY (a,b) OPTIONS ('format.compression' 'zstd(3)')",
        );
        becomes(
            "copy t to 'o.csv' (delimiter ';', header false)",
            "copy t to 'o.csv' OPTIONS ('format.delimiter' ';', 'format.has_header' 'false')",
        );
        becomes(
            "copy t to 'o' stored as csv options ('format.delimiter' ';')",
            "copy t to 'o' stored as csv options ('format.delimiter' ';')",
        );
        becomes(
            "copy t to 'o.csv' with (header true, compression zstd)",
            "copy t to 'o.csv' OPTIONS ('format.has_header' 'true', 'format.compression' 'zstd')",
        );
        becomes("select count(*) * 2, 'use', a as load", "select count(*) * 2, 'use', a as load");
        becomes("select 'copy', \"read_csv\"", "select 'copy', \"read_csv\"");
    }

    /// What has no meaning here is refused with what has.
    #[test]
    fn others_are_refused() {
        for (sql, hint) in [
            ("summarize 'a.csv'", "DESCRIBE"),
            ("select * from read_csv('a.csv', delim = ';')", "CREATE EXTERNAL TABLE"),
            ("select * from read_parquet(['a.parquet', 'b.parquet'])", "'data/*.csv'"),
            ("copy t to 'o.csv' (format csv, row_group_size 7)", "row_group_size"),
            (
                "select * from read_parquet('people.csv')",
                "'people.csv' is a CSV file; use read_csv",
            ),
            ("select * from read_json('a/*.parquet')", "read_parquet"),
            ("pragma table_info('t')", "DESCRIBE"),
            ("-- all\nPivot t on a", "FILTER"),
            ("unpivot t on a, b", "UNION ALL"),
            ("install httpfs", "paths"),
            ("load 'httpfs'", "paths"),
            ("attach 'a.db'", "'data/*.parquet'"),
            ("use other", "one catalog"),
            ("vacuum", "no maintenance"),
            ("show databases", "SHOW TABLES"),
            ("set threads = 4", "--nthreads"),
            ("SET memory_limit='4GB'", "--memory-limit"),
            ("select * from t using sample 10", "random() < 0.1"),
            ("select 2 ** 3", "power(2, 3)"),
        ] {
            let error = translated(sql).unwrap_err().to_string();
            assert!(error.contains(hint), "{sql}: {error}");
        }
    }

    /// A file's name without quotes is recognised, the name of a table is not.
    #[test]
    fn names_of_files_are_recognised() {
        let found = |sql: &str| {
            let parsed = partita_plan::depth::statement(sql, &Default::default()).unwrap();
            match parsed {
                datafusion::sql::parser::Statement::Statement(inner) => unquoted_file(&inner),
                _ => None,
            }
        };
        assert_eq!(found("select * from flights.csv"), Some("flights.csv".to_string()));
        assert_eq!(found("select * from a.b"), None);
        assert_eq!(found("select * from \"a\".\"csv\""), None);
    }
}
