//! The command line: `partita`.

#[macro_use]
mod output;

mod args;
mod cluster;
mod commands;
mod logging;
mod progress;
mod statements;

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;

// Arrow's buffers come and go in large pieces; mimalloc gives them back to the system sooner than
// the C library's allocator does, which keeps the resident set near what is reserved.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = args::Args::parse();
    logging::start(&args);
    match commands::run(args) {
        Ok(code) => ExitCode::from(code),
        // Whoever read the rows has enough of them.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // In one piece: other processes of a job write to the same place.
            let text = format!("error: {}\n", said(&error));
            let _ = std::io::stderr().write_all(text.as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, each once: many say what the one below them says.
fn said(error: &anyhow::Error) -> String {
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

/// Whether it was standard output that could not be written to, since its reader has gone. Writers of rows
/// say it in a text.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let text = std::io::Error::from_raw_os_error(libc::EPIPE).to_string();
    error.chain().any(|cause| cause.to_string().ends_with(&text))
}
