//! What is done with a journal: `partita dashboard --replay` and `partita report`.

use crate::args::{DashboardArgs, ReportArgs};
use crate::commands::links::links;
use crate::commands::net::bracketed;
use crate::commands::signals;
use crate::output::draft;
use anyhow::{Context, Result, bail};
use partita_scheduler::{Entries, Replay, read_journal};
use partita_shared::access::Access;
use std::path::Path;

fn read(path: &Path) -> Result<Entries> {
    let entries = read_journal(path)?;
    if entries.seen.is_empty() {
        bail!("journal {} has no entries", path.display());
    }
    if entries.passed_over > 0 {
        eprintln!(
            "skipped {} lines of {}: they are damaged or were written by a later version",
            entries.passed_over,
            path.display()
        );
    }
    Ok(entries)
}

/// Serves the pages of a journal until interrupted.
pub(crate) async fn replay(journal: &Path, args: &DashboardArgs) -> Result<u8> {
    let host = bracketed(&args.host);
    let replay = Replay::bind(read(journal)?, &host, args.port).await?;
    let address = format!("{host}:{}", replay.port());
    let access = Access::to_this_process("replay".to_string(), address, replay.token().to_string());
    let stop = signals::stop();
    say_part!("{}", links(&access));
    tokio::select! {
        served = replay.serve() => served?,
        _ = stop => {}
    }
    Ok(0)
}

/// Writes the report of a journal.
pub(crate) fn report(args: &ReportArgs) -> Result<u8> {
    if args.estimates {
        say!("{}", partita_scheduler::estimates(&read(&args.journal)?));
        return Ok(0);
    }
    let page = partita_scheduler::report(&read(&args.journal)?)?;
    let file = &args.output_file;
    // What it shows is as private as the journal.
    let written = draft::write(file, draft::MODE_PRIVATE, page.as_ref());
    written.with_context(|| format!("cannot write the report {}", file.display()))?;
    say!("{}", file.display());
    Ok(0)
}
