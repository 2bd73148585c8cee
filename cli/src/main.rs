//! The command line: `partita`.

mod args;
mod cluster;
mod commands;
mod logging;
mod output;
mod progress;
mod statements;

use clap::Parser;
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
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
