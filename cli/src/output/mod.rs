//! Writing listings and rows.

use std::io::{ErrorKind, IsTerminal, Write};

/// Writes a line to standard output, like `println!`, which panics where nobody reads any more.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::written(format!("{}\n", format_args!($($text)*))) };
}

/// The same without the end of the line.
macro_rules! say_part {
    ($($text:tt)*) => { $crate::output::written(format!($($text)*)) };
}

/// Writes a line to standard error, if somebody reads it: the standard library's macro panics otherwise, which would
/// end the task of a server that has something to say.
macro_rules! eprintln {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

/// The same without the end of the line.
macro_rules! eprint {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = write!(std::io::stderr(), $($text)*);
    }};
}

pub(crate) mod columns;
pub(crate) mod draft;
pub(crate) mod narrow;
pub(crate) mod rows;

/// The width of a terminal that does not say its own, in columns.
const WIDTH_DEFAULT: usize = 80;

/// The width of standard output, in columns. What is not a terminal has no limit: a file or another program
/// gets the whole text.
pub(crate) fn width() -> usize {
    let stdout = std::io::stdout();
    match terminal_size::terminal_size_of(&stdout) {
        Some((width, _)) => usize::from(width.0),
        None if stdout.is_terminal() => WIDTH_DEFAULT,
        None => usize::MAX,
    }
}

/// Writes to standard output. If its reader has gone, as `head` does, the program ends as if it were
/// done; if it cannot be written to, it ends with an error.
pub(crate) fn written(text: String) {
    let mut out = std::io::stdout().lock();
    let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) else { return };
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    eprintln!("error: cannot write to standard output: {error}");
    std::process::exit(1);
}

/// An error with its causes, each once: many say what the one below them says.
pub(crate) fn said(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
