//! The lint of words: finds phrases that paraphrase a term of the field, and names the replacement.
//!
//! It reads comments, strings, documents and pages alike. Lines of a comment or a paragraph are
//! joined first, so that a line break does not hide a phrase.

use crate::mirror::sources;
use anyhow::{Context, Result, bail};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Endings of the files that are searched.
const EXTENSIONS: [&str; 7] = ["rs", "md", "mjs", "py", "css", "html", "toml"];

/// This file, which contains the phrases.
const OWN_FILE: &str = "xtask/src/words.rs";

/// Only its part before the first release is searched: released entries are history.
const CHANGELOG: &str = "CHANGELOG.md";

/// A pattern is a sequence of words. `*` is any word, `...` is one or more words of the same
/// clause, and `.` is the end of a sentence, clause or line. Only the first word may be capitalised.
type Pattern = &'static [&'static str];

struct Rule {
    phrase: Pattern,
    /// Longer phrases that contain it and are plain English.
    allowed: &'static [Pattern],
    /// What to write instead.
    instead: &'static str,
}

const RULES: [Rule; 15] = [
    Rule {
        phrase: &["is", "no", "*"],
        allowed: &[
            &["there", "is", "no", "*"],
            &["is", "no", "longer"],
            &["is", "no", "more"],
            &["is", "no", "less"],
            &["is", "no", "fewer"],
            &["is", "no", "later"],
            &["is", "no", "better"],
            &["is", "no", "worse"],
            &["is", "no", "different"],
        ],
        instead: "`is not a ...`, or `no ... exists`",
    },
    Rule {
        phrase: &["is", "none"],
        allowed: &[&["is", "none", "of"]],
        instead: "`is invalid`, `is missing`, or `is empty`",
    },
    Rule {
        phrase: &["are", "there"],
        allowed: &[
            &["are", "there", "any"],
            &["how", "many", "*", "are", "there"],
            &["how", "many", "are", "there"],
        ],
        instead: "`exist`, `are available`, or `are connected`",
    },
    Rule { phrase: &["is", "there", "already"], allowed: &[], instead: "`already exists`" },
    Rule {
        phrase: &["so", "many"],
        allowed: &[
            &["so", "many", "that"],
            &["so", "many", "*", "that"],
            &["so", "many", "*", "*", "that"],
        ],
        instead: "`N`, or the name of the parameter",
    },
    Rule {
        phrase: &["for", "people"],
        allowed: &[
            &["for", "people", "who"],
            &["for", "people", "with"],
            &["for", "people", "coming"],
        ],
        instead: "`for display`, `summary`, or `details`",
    },
    Rule { phrase: &["go", "on", "with"], allowed: &[], instead: "`continue`" },
    Rule { phrase: &["goes", "on", "with"], allowed: &[], instead: "`continues`" },
    Rule { phrase: &["made", "again"], allowed: &[], instead: "`recomputed`, or `rebuilt`" },
    Rule { phrase: &["lies", "on"], allowed: &[], instead: "`is stored on`, or `is held by`" },
    Rule {
        phrase: &["what", "is", "...", "is"],
        allowed: &[],
        instead: "a noun: `the output is`, not `what is written is`",
    },
    Rule {
        phrase: &["says", "nothing", "of"],
        allowed: &[],
        instead: "`does not mention`, or `does not describe`",
    },
    Rule {
        phrase: &["*", "alone", "."],
        allowed: &[
            &["let", "alone", "."],
            &["left", "alone", "."],
            &["stand", "alone", "."],
            &["stands", "alone", "."],
            &["read", "alone", "."],
            &["shown", "alone", "."],
            // Code.
            &["mut", "alone", "."],
            &["if", "alone", "."],
        ],
        instead: "`only`, before the word that it limits",
    },
    Rule { phrase: &["looked", "at"], allowed: &[], instead: "`examined`, `read`, or `checked`" },
    Rule { phrase: &["a", "few", "figures"], allowed: &[], instead: "`a summary`" },
];

/// A word or a sign, and its line, counted from 0.
#[derive(Clone, Copy)]
struct Token<'t> {
    text: &'t str,
    line: usize,
}

/// A phrase that was found.
struct Hit {
    file: PathBuf,
    line: usize,
    phrase: String,
    instead: &'static str,
}

impl fmt::Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, phrase, instead } = self;
        write!(f, "{}:{line}: \"{phrase}\": write {instead}", file.display())
    }
}

/// Searches all sources below `root`, and reports each phrase on standard error.
///
/// # Errors
/// If a phrase is found, or a file cannot be read.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut hits = Vec::new();
    check_folder(root, Path::new(""), &mut hits)?;
    for hit in &hits {
        eprintln!("{hit}");
    }
    if !hits.is_empty() {
        bail!("found {} phrases to rewrite", hits.len());
    }
    Ok(())
}

fn check_folder(root: &Path, folder: &Path, hits: &mut Vec<Hit>) -> Result<()> {
    for name in sources(&root.join(folder))? {
        let file = folder.join(name);
        let path = root.join(&file);
        if path.is_dir() {
            check_folder(root, &file, hits)?;
        } else if is_searched(&file) {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read '{}'", path.display()))?;
            hits.extend(find_phrases(&file, &text));
        }
    }
    Ok(())
}

fn is_searched(file: &Path) -> bool {
    let extension = file.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
        && file != Path::new(OWN_FILE)
}

fn find_phrases(file: &Path, text: &str) -> Vec<Hit> {
    let is_prose = file.extension().is_some_and(|extension| extension == "md");
    let text = if file == Path::new(CHANGELOG) { unreleased(text) } else { text };
    let mut hits = Vec::new();
    for block in blocks(text, is_prose) {
        for at in 0..block.len() {
            for Rule { phrase, allowed, instead } in &RULES {
                let Some(length) = match_at(&block, at, phrase) else { continue };
                if is_allowed(&block, at, length, allowed) {
                    continue;
                }
                let words = block.iter().skip(at).take(length).map(|token| token.text);
                hits.push(Hit {
                    file: file.to_path_buf(),
                    line: block.get(at).map_or(0, |token| token.line) + 1,
                    phrase: words.collect::<Vec<_>>().join(" "),
                    instead,
                });
            }
        }
    }
    hits
}

/// The part of the changelog before the first release.
fn unreleased(text: &str) -> &str {
    let mut headings = text.match_indices("\n## ").skip(1);
    headings.next().map_or(text, |(end, _)| text.get(..end).unwrap_or(text))
}

/// The tokens of a text in blocks, within which a phrase may go over line breaks: the lines of a
/// comment or paragraph. Every other line is a block of its own.
fn blocks(text: &str, is_prose: bool) -> Vec<Vec<Token<'_>>> {
    let mut blocks: Vec<Vec<Token<'_>>> = Vec::new();
    let mut previous = None;
    for (number, line) in text.lines().enumerate() {
        let (marker, body) = comment(line);
        let marker = if is_prose { Some("") } else { marker };
        let words = tokens(body).map(|text| Token { text, line: number });
        match blocks.last_mut() {
            Some(block) if marker.is_some() && marker == previous => block.extend(words),
            _ => blocks.push(words.collect()),
        }
        // A line without text ends a paragraph.
        previous = marker.filter(|_| !body.trim().is_empty());
    }
    blocks
}

/// Splits a line that is a comment into its marker and its text.
fn comment(line: &str) -> (Option<&'static str>, &str) {
    let trimmed = line.trim_start();
    for marker in ["//!", "///", "//", "#", "*"] {
        if let Some(body) = trimmed.strip_prefix(marker)
            && (body.is_empty() || body.starts_with(' '))
        {
            return (Some(marker), body);
        }
    }
    (None, line)
}

/// The words of a line, and each other visible character by itself.
fn tokens(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len()).max(first.len_utf8());
        let (token, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(token)
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '\''
}

/// The number of tokens from `at` on that a pattern matches.
fn match_at(block: &[Token<'_>], at: usize, pattern: &[&str]) -> Option<usize> {
    let mut end = at;
    let mut words = pattern.iter().copied();
    while let Some(word) = words.next() {
        let token = block.get(end).map(|token| token.text);
        match word {
            "." => return is_end(token).then_some(end - at),
            "..." => {
                let next = words.next()?;
                let gap = block.get(end..)?.iter().map(|token| token.text);
                let gap = gap.take_while(|text| is_in_clause(text)).skip(1);
                end += gap.take_while(|text| *text != next).count() + 1;
                if block.get(end).map(|token| token.text) != Some(next) {
                    return None;
                }
            }
            "*" if token.is_some_and(|text| text.starts_with(is_word)) => {}
            _ if token == Some(word) => {}
            _ if end == at && token.is_some_and(|text| text.eq_ignore_ascii_case(word)) => {}
            _ => return None,
        }
        end += 1;
    }
    Some(end - at)
}

/// Whether a sentence or clause ends before this token.
fn is_end(token: Option<&str>) -> bool {
    token.is_none_or(|text| [".", ",", ";"].contains(&text))
}

/// Whether `what is` may still have its verb after this token.
fn is_in_clause(text: &str) -> bool {
    const BORDERS: [&str; 11] =
        ["when", "where", "whether", "if", "before", "after", "while", "how", "and", "but", "than"];
    text.chars().all(|c| is_word(c) || c == '-' || c == '`') && !BORDERS.contains(&text)
}

/// Whether the phrase of this length at `at` is part of an allowed one.
fn is_allowed(block: &[Token<'_>], at: usize, length: usize, allowed: &[Pattern]) -> bool {
    allowed.iter().any(|pattern| {
        (at.saturating_sub(3)..=at).any(|start| {
            match_at(block, start, pattern).is_some_and(|all| start + all >= at + length)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The phrases found in a text, with their lines.
    fn found(file: &str, text: &str) -> Vec<(usize, String)> {
        let hits = find_phrases(Path::new(file), text);
        hits.into_iter().map(|hit| (hit.line, hit.phrase)).collect()
    }

    /// Each rule finds its phrase, and leaves plain English and code alone that looks like it.
    #[test]
    fn each_phrase_is_found() {
        let cases = [
            ("what is no table", "is no table", "there is no table; it is no longer one"),
            ("of those that is none", "is none", "it is none of these; x.is_none(); x is None"),
            ("workers that are there", "are there", "Are there any? how many are there?"),
            ("it is there already", "is there already", "it already exists there"),
            ("Waits for so many rows", "so many", "so many small files that it is slow"),
            ("a text, for people", "for people", "written for people who know Dask"),
            ("they go on with it", "go on with", "it goes on without them"),
            ("it goes on with those", "goes on with", "let a query go on"),
            ("rows are made again", "made again", "made; again it is"),
            ("a disk it lies on", "lies on", "relies on it"),
            ("what is kept of it is old", "what is kept of it is", "what is this? It is a file"),
            ("what is read is `x`", "what is read is", "what is done when it is full"),
            ("it says nothing of one", "says nothing of", "it says nothing"),
            ("for this machine alone", "machine alone", "let alone; f(x, alone); alone.len()"),
            ("files are looked at here", "looked at", "it looked, at last"),
            ("A job in a few figures", "a few figures", "a few figures' worth"),
        ];
        for (text, phrase, plain) in cases {
            let phrases: Vec<_> = found("a.rs", text).into_iter().map(|(_, text)| text).collect();
            assert_eq!(phrases, [phrase], "in {text:?}");
            assert_eq!(found("a.rs", plain), [], "in {plain:?}");
        }
        let is_covered = |rule: &Rule| cases.iter().any(|case| match_any(case.0, rule.phrase));
        assert!(RULES.iter().all(is_covered));
    }

    fn match_any(text: &str, pattern: Pattern) -> bool {
        let block: Vec<_> = tokens(text).map(|text| Token { text, line: 0 }).collect();
        (0..block.len()).any(|at| match_at(&block, at, pattern).is_some())
    }

    /// Comments and paragraphs are read across line breaks; code is not, nor are two paragraphs.
    #[test]
    fn a_line_break_hides_nothing() {
        let comment = "fn f() {}\n    /// Takes so\n    /// many rows.\n";
        assert_eq!(found("a.rs", comment), [(2, "so many".into())]);
        assert_eq!(found("a.rs", "/// Takes so\n///\n/// many rows.\n"), []);
        assert_eq!(found("a.rs", "let so\nmany = 1;\n"), []);
        assert_eq!(found("a.md", "It takes so\nmany rows.\n"), [(1, "so many".into())]);
        assert_eq!(found("a.md", "It takes so\n\nmany rows.\n"), []);
        assert_eq!(found("a.py", "# What is\n# kept is it.\n"), [(1, "What is kept is".into())]);
    }

    /// A report names the file, the line, the phrase and its replacement.
    #[test]
    fn a_report_says_what_to_write() {
        let hits = find_phrases(Path::new("a/b.rs"), "\n// rows are made again\n");
        let shown: Vec<_> = hits.iter().map(Hit::to_string).collect();
        assert_eq!(shown, ["a/b.rs:2: \"made again\": write `recomputed`, or `rebuilt`"]);
    }

    /// Sources of every kind are searched; this file and released entries are not.
    #[test]
    fn history_is_not_searched() {
        assert!(is_searched(Path::new("docs/slurm.md")) && is_searched(Path::new("Cargo.toml")));
        assert!(!is_searched(Path::new(OWN_FILE)) && !is_searched(Path::new("Cargo.lock")));
        let text = "# Changelog\n\n## Unreleased\n- so many\n\n## 1.0.0\n- so many\n";
        assert_eq!(found(CHANGELOG, text), [(4, "so many".into())]);
    }
}
