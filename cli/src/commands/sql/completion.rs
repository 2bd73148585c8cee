//! Completing keywords, tables, columns and files at the prompt.

use super::prompt::COMMANDS;
use crate::statements::{Open, scan};
use datafusion::sql::sqlparser::keywords::{ALL_KEYWORDS, ALL_KEYWORDS_INDEX, Keyword};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Names of columns that are remembered from results.
const SEEN_MAX: usize = 2_000;
/// Maximum number of directory entries that completion reads.
const ENTRIES_MAX: usize = 10_000;

/// Words that queries are made of. The parser knows a thousand, most of which nobody types here.
const KEYWORDS: [&str; 96] = [
    "ALL",
    "ANALYZE",
    "AND",
    "ANTI",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "COPY",
    "COUNT",
    "CREATE",
    "CROSS",
    "CSV",
    "CURRENT",
    "DATE",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "DROP",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "EXTERNAL",
    "EXTRACT",
    "FALSE",
    "FILTER",
    "FIRST",
    "FOLLOWING",
    "FROM",
    "FULL",
    "GROUP",
    "GROUPING",
    "HAVING",
    "ILIKE",
    "IN",
    "INNER",
    "INTERSECT",
    "INTERVAL",
    "IS",
    "JOIN",
    "JSON",
    "LAST",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "LOCATION",
    "NATURAL",
    "NOT",
    "NULL",
    "NULLS",
    "OFFSET",
    "ON",
    "OPTIONS",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARQUET",
    "PARTITION",
    "PARTITIONED",
    "PRECEDING",
    "QUALIFY",
    "RANGE",
    "RECURSIVE",
    "REPLACE",
    "RIGHT",
    "ROLLUP",
    "ROW",
    "ROWS",
    "SELECT",
    "SEMI",
    "SET",
    "SHOW",
    "STORED",
    "TABLE",
    "TABLES",
    "TEMPORARY",
    "THEN",
    "TIMESTAMP",
    "TO",
    "TRUE",
    "UNBOUNDED",
    "UNION",
    "UNNEST",
    "USING",
    "VALUES",
    "VIEW",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
];

/// Names of the cluster's tables and columns.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// The columns of each table.
    pub(super) tables: BTreeMap<String, Vec<String>>,
    /// Columns of results.
    pub(super) seen: BTreeSet<String>,
}

impl Names {
    /// Remembers the columns of a result: most are those of files, which no list of tables has.
    pub(super) fn remember<'a>(&mut self, columns: impl Iterator<Item = &'a str>) {
        for column in columns {
            if self.seen.len() < SEEN_MAX && is_plain(column) {
                self.seen.insert(column.to_string());
            }
        }
    }
}

/// A completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// What it replaces the beginning with.
    pub(super) text: String,
    /// How it is listed.
    pub(super) shown: String,
}

/// What the end of a text may be completed to, and where the part that is completed begins.
pub(super) fn complete(before: &str, after: &str, names: &Names) -> (usize, Vec<Candidate>) {
    match scan(before).open {
        Some(Open::Line | Open::Block) => (before.len(), Vec::new()),
        Some(Open::Text(start)) => (start, files(&before[start..], after.starts_with('\''))),
        Some(Open::Name(start)) => {
            let close = if after.starts_with('"') { "" } else { "\"" };
            let found = known_names(&before[..start - 1], names);
            let found = found.into_iter().filter(|name| name.starts_with(&before[start..]));
            let candidate =
                |name: String| Candidate { text: format!("{name}{close}"), shown: name };
            (start, found.map(candidate).collect())
        }
        None => words(before, names),
    }
}

/// Commands, keywords and names that begin like the last word.
fn words(before: &str, names: &Names) -> (usize, Vec<Candidate>) {
    if before.trim_start().starts_with('.') {
        let start = before.len() - before.trim_start().len();
        let found =
            COMMANDS.iter().map(|(command, _)| command.split(' ').next().unwrap_or(command));
        let found = found.filter(|command| command.starts_with(&before[start..]));
        return (start, found.map(|text| same(text.to_string())).collect());
    }
    let start = before
        .rfind(|c: char| !c.is_alphanumeric() && c != '_')
        .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    let word = &before[start..];
    let of_table = before[..start].ends_with('.');
    if word.is_empty() && !of_table {
        return (start, Vec::new());
    }
    let begins = |name: &str| {
        name.get(..word.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(word))
    };
    let mut found: Vec<Candidate> = known_names(&before[..start], names)
        .into_iter()
        .filter(|name| begins(name))
        .map(|name| Candidate { text: quoted(&name), shown: name })
        .collect();
    if !of_table {
        let is_small = word.ends_with(|c: char| c.is_lowercase());
        let keywords = KEYWORDS.iter().filter(|keyword| begins(keyword));
        found.extend(keywords.map(|keyword| {
            same(if is_small { keyword.to_lowercase() } else { keyword.to_string() })
        }));
    }
    found.dedup();
    (start, found)
}

fn same(text: String) -> Candidate {
    Candidate { shown: text.clone(), text }
}

/// The names that may stand behind a text: the columns of a table behind its name and a point, else all.
fn known_names(before: &str, names: &Names) -> BTreeSet<String> {
    let table = before.strip_suffix('.').map(|before| {
        let start = before.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
        before.get(start..).unwrap_or_default()
    });
    let all_columns = || names.tables.values().flatten().chain(&names.seen).cloned();
    match table {
        Some(table) => match names.tables.get(table) {
            Some(columns) => columns.iter().cloned().collect(),
            // Another name of some table.
            None => all_columns().collect(),
        },
        None => names.tables.keys().cloned().chain(all_columns()).collect(),
    }
}

/// Whether a name stands for itself without quotes.
fn is_plain(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty() && name.chars().all(fine)
}

/// A name as it is written in a query.
fn quoted(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    let keyword = ALL_KEYWORDS.binary_search(&upper.as_str()).map(|at| ALL_KEYWORDS_INDEX[at]);
    let is_reserved = keyword.is_ok_and(|keyword| {
        let reserved =
            [Keyword::SELECT, Keyword::FROM, Keyword::WHERE, Keyword::GROUP, Keyword::ORDER];
        reserved.contains(&keyword)
    });
    match is_plain(name) && !is_reserved {
        true => name.to_string(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// Files and folders whose path begins like this.
fn files(path: &str, is_closed: bool) -> Vec<Candidate> {
    let (folder, beginning) =
        path.rsplit_once('/').map_or(("", path), |(folder, rest)| (&path[..=folder.len()], rest));
    let place = if folder.is_empty() { Path::new(".") } else { Path::new(folder) };
    let Ok(entries) = std::fs::read_dir(place) else { return Vec::new() };
    let mut found: Vec<Candidate> = entries
        .take(ENTRIES_MAX)
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path().is_dir())))
        .filter(|(name, _)| name.starts_with(beginning))
        .filter(|(name, _)| beginning.starts_with('.') || !name.starts_with('.'))
        .map(|(name, is_folder)| {
            let end = match (is_folder, is_closed) {
                (true, _) => "/",
                (false, false) => "'",
                (false, true) => "",
            };
            let text = format!("{folder}{}{end}", name.replace('\'', "''"));
            Candidate { text, shown: if is_folder { format!("{name}/") } else { name } }
        })
        .collect();
    found.sort_by(|a, b| a.shown.cmp(&b.shown));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let mut names = Names::default();
        let columns = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        names.tables.insert("flights".into(), columns(&["dest", "distance", "Tail number"]));
        names.tables.insert("planes".into(), columns(&["seats"]));
        names.remember(["delay", "no Name"].into_iter());
        names
    }

    fn texts(before: &str) -> (usize, Vec<String>) {
        let (start, found) = complete(before, "", &names());
        (start, found.into_iter().map(|found| found.text).collect())
    }

    /// Names and keywords that begin like the word before the cursor, keywords as the word is written.
    #[test]
    fn words_are_completed() {
        assert_eq!(texts("select d").1[..3], ["delay", "dest", "distance"]);
        assert_eq!(texts("select * from fl"), (14, vec!["flights".into()]));
        assert_eq!(texts("sel"), (0, vec!["select".into()]));
        assert_eq!(texts("SEL"), (0, vec!["SELECT".into()]));
        assert_eq!(texts("select ").1, Vec::<String>::new());
        assert_eq!(texts("select é").1, Vec::<String>::new());
    }

    /// Behind a table's name and a point are its columns; behind another name those of all.
    #[test]
    fn columns_of_a_table() {
        assert_eq!(texts("select flights.d").1, ["dest", "distance"]);
        assert_eq!(texts("select flights.").1, ["\"Tail number\"", "dest", "distance"]);
        assert_eq!(texts("select f.se").1, ["seats"]);
    }

    /// A name that needs quotes gets them, and one that is begun with a quote is closed.
    #[test]
    fn names_are_quoted() {
        assert_eq!(texts("select tail").1, ["\"Tail number\""]);
        assert_eq!(texts("select \"Tail"), (8, vec!["Tail number\"".into()]));
        assert_eq!(quoted("order"), "\"order\"");
        assert_eq!(quoted("day"), "day");
    }

    /// Strings are completed to files and folders, comments to nothing, commands to commands.
    #[test]
    fn files_are_completed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.csv"), "").unwrap();
        std::fs::write(folder.path().join(".hidden.csv"), "").unwrap();
        std::fs::create_dir(folder.path().join("ab")).unwrap();
        let place = folder.path().display();
        let (start, found) = texts(&format!("select * from '{place}/"));
        assert_eq!(start, 15);
        assert_eq!(found, [format!("{place}/a.csv'"), format!("{place}/ab/")]);
        let (_, closed) = complete(&format!("from '{place}/a."), "'", &names());
        assert_eq!(closed[0].text, format!("{place}/a.csv"));
        assert!(texts("select 1 -- sel").1.is_empty());
        assert_eq!(texts(".ta"), (0, vec![".tables".into()]));
    }
}
