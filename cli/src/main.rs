//! The command line: `partita`.

#[macro_use]
mod output;

mod args;
mod cluster;
mod commands;
mod logging;
mod open_files;
mod progress;
mod statements;

use clap::Parser;
use commands::StartError;
use partita_worker::WorkerError;
use std::io::Write;
use std::process::ExitCode;

// Arrow's buffers come and go in large pieces; mimalloc gives them back to the system sooner than
// the C library's allocator does, which keeps the resident set near what is reserved.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(unsafe_code, reason = "these take no pointer and may be called on any thread")]
mod allocator {
    use std::ffi::{c_int, c_long};

    /// `mi_option_purge_delay` of mimalloc 3: how long freed memory is kept for later use, in milliseconds.
    pub(crate) const PURGE_DELAY: c_int = 15;

    unsafe extern "C" {
        /// mimalloc's own: returns free memory to the system.
        pub(crate) safe fn mi_collect(force: bool);
        /// mimalloc's own: sets an option.
        pub(crate) safe fn mi_option_set(option: c_int, value: c_long);
        /// mimalloc's own: the value of an option.
        #[cfg(test)]
        pub(crate) safe fn mi_option_get(option: c_int) -> c_long;
    }
}

/// Has the allocator return to the system what it keeps of freed memory for the next second.
fn give_back_memory() {
    allocator::mi_collect(true);
}

/// Has the allocator return freed memory to the system at once, which costs time: for a worker whose limit is so small
/// that what is kept for a second would be a large part of it.
fn keep_no_free_memory() {
    allocator::mi_option_set(allocator::PURGE_DELAY, 0);
}

/// What `partita` alone prints.
const FIRST_WORDS: &str = "\
Partita runs partitioned computations on many cores and many nodes.

  partita demo
      a cluster on this machine, three questions, and its dashboard
  partita sql \"select count(*) from 'data/*.parquet'\"
      a query of files
  partita run -- python script.py
      a script with its own cluster; as `srun partita run`, on all nodes of a job

`partita help` lists all commands, and `partita help COMMAND` explains one.
";

fn main() -> ExitCode {
    if std::env::args_os().len() < 2 {
        output::written(FIRST_WORDS.to_string());
        return ExitCode::SUCCESS;
    }
    let args = args::Args::parse_from(std::env::args_os().map(statements::no_option));
    logging::start(&args);
    open_files::raise_limit();
    match commands::run(args) {
        Ok(code) => ExitCode::from(code),
        // Whoever read the rows has enough of them.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // In one piece: other processes of a job write to the same place.
            let text = format!("error: {}\n", output::said(&error));
            let _ = std::io::stderr().write_all(text.as_bytes());
            ExitCode::from(exit_code(&error))
        }
    }
}

/// The exit code of an error: a worker's is its supervisor's to read, and that of a command that cannot be
/// started is a shell's.
fn exit_code(error: &anyhow::Error) -> u8 {
    match (error.downcast_ref::<WorkerError>(), error.downcast_ref::<StartError>()) {
        (Some(error), _) => error.exit_code(),
        (None, Some(error)) => error.exit_code(),
        (None, None) => 1,
    }
}

/// Whether it was standard output that could not be written to, since its reader has gone. Writers of rows
/// say it in a text.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let text = std::io::Error::from_raw_os_error(libc::EPIPE).to_string();
    error.chain().any(|cause| cause.to_string().ends_with(&text))
}

#[cfg(test)]
mod tests {
    use super::{allocator, keep_no_free_memory};

    /// mimalloc keeps freed memory for a second, unless it is told otherwise: the option is the right one.
    #[test]
    fn the_delay_of_the_allocator_is_set() {
        assert_eq!(allocator::mi_option_get(allocator::PURGE_DELAY), 1000);
        keep_no_free_memory();
        assert_eq!(allocator::mi_option_get(allocator::PURGE_DELAY), 0);
    }
}
