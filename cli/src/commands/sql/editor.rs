//! Reading statements at a terminal.

use super::completion::{Names, complete};
use crate::statements::{Open, scan};
use anyhow::{Context, Result};
use partita_shared::access;
use rustyline::Helper;
use rustyline::completion::{Completer, Pair};
use rustyline::config::{CompletionType, Config};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::{FileHistory, History};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use std::path::PathBuf;

/// The prompt.
const PROMPT: &str = "partita> ";
/// The file of what was typed before, in the folder of access files.
const HISTORY_FILE: &str = "sql_history";
/// Inputs that are kept.
const HISTORY_MAX: usize = 1_000;
/// Bytes of an input that is kept: what is longer was pasted, and has a file of its own.
const HISTORY_INPUT_BYTES_MAX: usize = 64 << 10;
/// Completions that are listed without a question.
const LISTED_MAX: usize = 60;

/// What somebody typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Statements, or a command that begins with a point.
    Text(String),
    /// Ctrl-C: what was typed is not meant.
    Dropped,
    /// Ctrl-D: the end of the input.
    End,
}

/// The line editor.
pub(super) struct Editor {
    line: rustyline::Editor<Typing, FileHistory>,
    /// None if nothing can be kept.
    history: Option<PathBuf>,
}

impl Editor {
    /// An editor with what was typed before.
    ///
    /// # Errors
    /// If the terminal cannot be used.
    pub(super) fn open() -> Result<Self> {
        let config = Config::builder()
            .max_history_size(HISTORY_MAX)
            .and_then(|config| config.history_ignore_dups(true))
            .context("cannot configure the history of the prompt")?
            .completion_type(CompletionType::List)
            .completion_prompt_limit(LISTED_MAX)
            .build();
        let mut line =
            rustyline::Editor::with_config(config).context("cannot open the terminal")?;
        line.set_helper(Some(Typing::default()));
        let history = access::make_folder().map(|folder| folder.join(HISTORY_FILE));
        if let Ok(file) = &history
            && file.exists()
            && let Err(error) = line.load_history(file)
        {
            eprintln!("partita: cannot read the history {}: {error}", file.display());
        }
        Ok(Editor { line, history: history.ok() })
    }

    /// Has these names completed.
    pub(super) fn set_names(&mut self, names: &Names) {
        if let Some(typing) = self.line.helper_mut() {
            typing.names.clone_from(names);
        }
    }

    /// Waits for the next input.
    ///
    /// # Errors
    /// If the terminal fails.
    pub(super) async fn read(self) -> Result<(Self, Input)> {
        let reading = tokio::task::spawn_blocking(move || {
            let mut editor = self;
            let read = editor.line.readline(PROMPT);
            (editor, read)
        });
        let (mut editor, read) = reading.await.context("cannot read from the terminal")?;
        let input = match read {
            Ok(text) => {
                editor.keep(&text);
                Input::Text(text)
            }
            Err(ReadlineError::Interrupted) => Input::Dropped,
            Err(ReadlineError::Eof) => Input::End,
            Err(error) => return Err(error).context("cannot read from the terminal"),
        };
        Ok((editor, input))
    }

    /// Keeps an input, in the file at once: a prompt may end at any time, and several may be open.
    fn keep(&mut self, text: &str) {
        if text.trim().is_empty() || text.len() > HISTORY_INPUT_BYTES_MAX {
            return;
        }
        let is_new = self.line.history_mut().add(text.trim_end()).unwrap_or(false);
        if let Some(file) = self.history.as_ref().filter(|_| is_new)
            && let Err(error) = self.line.append_history(file)
        {
            eprintln!("partita: cannot write the history {}: {error}", file.display());
            self.history = None;
        }
    }
}

/// What helps while somebody types.
#[derive(Default)]
struct Typing {
    names: Names,
}

impl Helper for Typing {}

impl Highlighter for Typing {}

impl Hinter for Typing {
    type Hint = String;
}

impl Validator for Typing {
    /// An input ends with the line that ends its last statement.
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match is_complete(context.input()) {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}

impl Completer for Typing {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (before, after) = line.split_at(at);
        let (start, found) = complete(before, after, &self.names);
        let pair = |found: super::completion::Candidate| Pair {
            display: found.shown,
            replacement: found.text,
        };
        Ok((start, found.into_iter().map(pair).collect()))
    }
}

/// Whether nothing more is awaited: all statements have their semicolon, or it is a command.
fn is_complete(text: &str) -> bool {
    if text.trim_start().starts_with('.') {
        return true;
    }
    let found = scan(text);
    !found.is_unfinished && found.open != Some(Open::Block)
}

#[cfg(test)]
mod tests {
    use super::is_complete;

    /// Statements end with a semicolon that is not part of a string, a name or a comment; commands with the line.
    #[test]
    fn inputs_end() {
        for text in ["", "  ", "select 1;", "select 1; -- done", ".tables", " .rows 5", "-- note"] {
            assert!(is_complete(text), "{text}");
        }
        for text in ["select 1", "select ';", "select 1 -- ;", "select 1; select", "select 1; /* a"]
        {
            assert!(!is_complete(text), "{text}");
        }
    }
}
