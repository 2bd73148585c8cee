//! `partita task` and `partita logs`.

use crate::args::{ListFormat, LogsArgs, TaskArgs};
use crate::commands::listing::{ask, json};
use anyhow::{Result, bail};
use partita_shared::message::{Reply, Request};
use partita_shared::model::{AttemptRow, CallTextKind, StackFrame, TaskDetail};
use partita_shared::units::{format_bytes, format_count, format_duration};
use std::time::Duration;

/// Shows a task.
pub(crate) async fn task(args: TaskArgs) -> Result<u8> {
    let Reply::Task(detail) = ask(&args.target, Request::Task(args.task)).await? else {
        bail!("unexpected reply from the scheduler");
    };
    match args.output {
        ListFormat::Json => json(&detail),
        ListFormat::Table => {
            show(&detail);
            Ok(0)
        }
    }
}

fn show(detail: &TaskDetail) {
    let TaskDetail { task: row, stage_name, attempts, why, texts, stack, .. } = detail;
    say!("task       {}, {}", row.id, row.state.as_str());
    say!("stage      {stage_name}");
    if row.bytes > 0 || row.rows > 0 {
        let rows = if row.rows == 1 { "row" } else { "rows" };
        say!("output     {} {rows}, {}", format_count(row.rows), format_bytes(row.bytes));
    }
    for reason in why {
        say!("waits      {reason}");
    }
    for attempt in attempts {
        say!("attempt    {}", described(attempt));
    }
    if !stack.is_empty() {
        say!("runs in");
    }
    // As in a traceback: the innermost frame is the last.
    for StackFrame { function, file, line } in stack {
        say!("  {function}, {file}:{line}");
    }
    for text in texts {
        let heading = match text.kind {
            CallTextKind::Arguments => "arguments of",
            CallTextKind::Printed => "printed by",
            CallTextKind::Traceback => "traceback of",
        };
        say!("{heading} attempt {}", text.attempt);
        for line in text.text.lines() {
            say!("  {line}");
        }
    }
}

/// An attempt in one line.
fn described(attempt: &AttemptRow) -> String {
    let AttemptRow { attempt: number, worker, slot, state, queued_us, busy_us, error, .. } =
        attempt;
    let busy = format_duration(Duration::from_micros(*busy_us));
    let queued = format_duration(Duration::from_micros(*queued_us));
    let end = match state.as_str() {
        "running" => format!("running for {busy}"),
        state => format!("{state} after {busy}"),
    };
    let cause = if error.is_empty() { String::new() } else { format!(": {error}") };
    format!("{number} on {worker}, slot {slot}, queued {queued}: {end}{cause}")
}

/// Prints the ends of logs.
pub(crate) async fn logs(args: LogsArgs) -> Result<u8> {
    let Reply::Logs(logs) = ask(&args.target, Request::Logs(args.workers)).await? else {
        bail!("unexpected reply from the scheduler");
    };
    if args.output == ListFormat::Json {
        return json(&logs);
    }
    if logs.is_empty() {
        say!("no workers are connected; start one with `partita worker`");
    }
    let is_one = logs.len() == 1;
    for (at, log) in logs.iter().enumerate() {
        if !is_one {
            let gap = if at == 0 { "" } else { "\n" };
            say!("{gap}{} ({})", log.worker, log.name);
        }
        for line in &log.lines {
            say!("{line}");
        }
        if log.lines.is_empty() {
            say!("(nothing; workers log more with --log info)");
        }
    }
    Ok(0)
}
