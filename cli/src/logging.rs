//! The log, on standard error.

use crate::args::{Args, Command, LogFormat};
use tracing_subscriber::EnvFilter;

/// Where traces show the headers of requests, and so the token, they are left out.
const WITHOUT_HEADERS: [&str; 4] =
    ["tungstenite=debug", "tokio_tungstenite=debug", "hyper=debug", "h2=debug"];

/// The library that samples calls says at each process what it looks up there, and how it found it. What fails is told by
/// the worker.
const SAMPLER: [&str; 2] = ["py_spy", "remoteprocess"];

/// Starts the log. What nobody asked for is kept short: programs that serve say what they do,
/// programs that answer say only what is wrong.
pub(crate) fn start(args: &Args) {
    let usual = match &args.command {
        Command::Scheduler(_) | Command::Worker(_) => "info",
        // The one error that it ends with says what a cluster inside it would log.
        Command::Sql(_) => "error",
        _ => "warn",
    };
    let wanted = args.log.clone().unwrap_or_else(|| usual.to_string());
    let mut filter = EnvFilter::try_new(&wanted).unwrap_or_else(|_| EnvFilter::new(usual));
    for target in SAMPLER {
        if !wanted.contains(target)
            && let Ok(directive) = format!("{target}=off").parse()
        {
            filter = filter.add_directive(directive);
        }
    }
    for directive in WITHOUT_HEADERS {
        if wanted.contains("trace")
            && let Ok(directive) = directive.parse()
        {
            filter = filter.add_directive(directive);
        }
    }
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| partita_worker::log_tail::tee(std::io::stderr()))
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    match args.log_format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().init(),
    }
}
