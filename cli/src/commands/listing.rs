//! Commands that ask one question: `status`, `workers`, `jobs`, `tables`, `wait`, `cancel`,
//! `retire`, `restart`, `shutdown`.

use crate::args::{
    CancelArgs, EmptyTasksArgs, ListArgs, ListFormat, Target, WaitArgs, WorkersArgs,
};
use crate::cluster::{find, find_all, find_quietly};
use crate::output::columns::{Columns, Fit};
use anyhow::{Result, bail};
use partita_client::Control;
use partita_shared::access::Access;
use partita_shared::message::{Reply, Request};
use partita_shared::model::{ClusterRow, JobRow, WorkerRow, WorkerState};
use partita_shared::units::{format_bytes, format_count, format_duration};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Characters of a text in a listing, however wide the terminal is.
const TEXT_CHARS_MAX: usize = 200;
/// The pause between two looks for a scheduler that is not there yet.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn ask(target: &Target, request: Request) -> Result<Reply> {
    let access = find(target)?;
    Ok(Control::connect(&access).await?.ask(request).await?)
}

pub(super) fn json(value: &impl serde::Serialize) -> Result<u8> {
    say!("{}", serde_json::to_string_pretty(value)?);
    Ok(0)
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn ago(ms: u64) -> String {
    format_duration(Duration::from_millis(now_ms().saturating_sub(ms)))
}

/// Shows the cluster that is meant; if none is named, all that answer and, on standard error, those that do not.
pub(crate) async fn status(args: ListArgs) -> Result<u8> {
    if args.output == ListFormat::Json {
        return json(&status_of(&find(&args.target)?).await?);
    }
    for access in find_all(&args.target)? {
        show_status(&status_of(&access).await?);
    }
    Ok(0)
}

async fn status_of(access: &Access) -> Result<ClusterRow> {
    let Reply::Cluster(row) = Control::connect(access).await?.ask(Request::Cluster).await? else {
        bail!("unexpected reply from the scheduler");
    };
    Ok(row)
}

fn show_status(row: &ClusterRow) {
    let lost = match row.workers_lost {
        0 => String::new(),
        lost => format!(", {lost} lost since the start"),
    };
    say!("cluster    {} at tcp://{} (partita {})", row.name, row.address, row.version);
    say!("running    {}", ago(row.started_ms));
    say!("workers    {}, {} slots{lost}", row.workers, row.slots);
    say!(
        "memory     {} reserved of {}, {} of it stored; {} spilled",
        format_bytes(row.reserved_bytes),
        format_bytes(row.memory_limit_bytes),
        format_bytes(row.stored_bytes),
        format_bytes(row.spilled_bytes)
    );
    let tasks = row.tasks;
    say!(
        "jobs       {} live; tasks: {} waiting, {} ready, {} running, {} done",
        row.jobs_live,
        tasks.waiting,
        tasks.ready,
        tasks.running,
        tasks.done
    );
    let tasks = if row.tasks_finished == 1 { "task" } else { "tasks" };
    say!("finished   {} {tasks} since the start", format_count(row.tasks_finished));
}

pub(crate) async fn workers(args: ListArgs) -> Result<u8> {
    let Reply::Workers(rows) = ask(&args.target, Request::Workers).await? else {
        bail!("unexpected reply from the scheduler");
    };
    if args.output == ListFormat::Json {
        return json(&rows);
    }
    let mut table = Columns::new(&[
        ("worker", Fit::Always),
        ("name", Fit::Cut(8)),
        ("host", Fit::Cut(8)),
        ("state", Fit::Always),
        ("busy", Fit::Always),
        ("cpu", Fit::Always),
        ("resident", Fit::Always),
        ("limit", Fit::Always),
        ("last seen", Fit::IfRoom),
        ("stored", Fit::IfRoom),
        ("done", Fit::IfRoom),
        ("spilled", Fit::IfRoom),
        ("reserved", Fit::IfRoom),
        ("pid", Fit::IfRoom),
    ]);
    for row in &rows {
        let metrics = row.metrics;
        table.push(vec![
            row.id.to_string(),
            row.name.clone(),
            row.host.clone(),
            state(row).to_string(),
            format!("{}/{}", metrics.running, row.slots),
            format!("{:.0}%", f64::from(metrics.cpu_milli) / 10.0),
            format_bytes(metrics.resident_bytes),
            format_bytes(row.memory_limit_bytes),
            format!("{} ago", ago(row.last_seen_ms)),
            format_bytes(metrics.stored_bytes),
            format_count(row.finished),
            format_bytes(metrics.spilled_bytes),
            format_bytes(metrics.reserved_bytes),
            row.pid.to_string(),
        ]);
    }
    table.print("no workers are connected; start one with `partita worker`");
    for row in rows.iter().filter(|row| !row.cause.is_empty()) {
        say!("{} {}: {}", row.id, state(row), row.cause);
    }
    Ok(0)
}

fn state(row: &WorkerRow) -> &'static str {
    match row.state {
        WorkerState::Up => "up",
        WorkerState::Leaving => "retiring",
        WorkerState::Left => "left",
        WorkerState::Lost => "lost",
    }
}

pub(crate) async fn jobs(args: ListArgs) -> Result<u8> {
    let Reply::Jobs(rows) = ask(&args.target, Request::Jobs).await? else {
        bail!("unexpected reply from the scheduler");
    };
    if args.output == ListFormat::Json {
        return json(&rows);
    }
    let mut table = Columns::new(&[
        ("job", Fit::Always),
        ("state", Fit::Always),
        ("tasks", Fit::Always),
        ("rows", Fit::Always),
        ("bytes", Fit::Always),
        ("time", Fit::Always),
        ("running", Fit::IfRoom),
        ("retries", Fit::IfRoom),
        ("client", Fit::IfRoom),
        ("text", Fit::Cut(16)),
    ]);
    for row in &rows {
        table.push(vec![
            row.id.to_string(),
            row.state.as_str().to_string(),
            format!("{}/{}", row.tasks.done, row.tasks.total()),
            format_count(row.rows),
            format_bytes(row.bytes),
            format_duration(lasted(row)),
            row.tasks.running.to_string(),
            row.retries.to_string(),
            row.client.clone(),
            one_line(&row.text),
        ]);
    }
    table.print("no jobs yet");
    for row in rows.iter().filter(|row| !row.error.is_empty()) {
        say!("{}: {}", row.id, row.error);
    }
    Ok(0)
}

pub(crate) async fn tables(args: ListArgs) -> Result<u8> {
    let Reply::Tables(rows) = ask(&args.target, Request::Tables).await? else {
        bail!("unexpected reply from the scheduler");
    };
    if args.output == ListFormat::Json {
        return json(&rows);
    }
    let mut table = Columns::new(&[
        ("table", Fit::Cut(12)),
        ("visible to", Fit::Always),
        ("job", Fit::Always),
        ("partitions", Fit::Always),
        ("lost", Fit::Always),
        ("rows", Fit::Always),
        ("bytes", Fit::Always),
        ("columns", Fit::Cut(8)),
    ]);
    for row in &rows {
        let columns: Vec<String> =
            row.columns.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
        table.push(vec![
            row.name.clone(),
            row.session.as_ref().map_or("everyone", |_| "its client").to_string(),
            row.job.to_string(),
            row.partitions.to_string(),
            row.lost.to_string(),
            format_count(row.rows),
            format_bytes(row.bytes),
            one_line(&columns.join(", ")),
        ]);
    }
    table.print("no persisted tables; CREATE TABLE name AS query creates one");
    for row in rows.iter().filter(|row| row.lost > 0) {
        let then = match row.can_recompute {
            true => "they are recomputed when a query reads them",
            false => "a client uploaded them; upload the table again",
        };
        say!("{}: {} of {} partitions are lost; {then}", row.name, row.lost, row.partitions);
    }
    Ok(0)
}

fn lasted(row: &JobRow) -> Duration {
    let end = row.ended_ms.unwrap_or_else(now_ms);
    Duration::from_millis(end.saturating_sub(row.submitted_ms))
}

/// The beginning of a text, on one line.
fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= TEXT_CHARS_MAX {
        return words;
    }
    words.chars().take(TEXT_CHARS_MAX - 1).chain(['…']).collect()
}

pub(crate) async fn wait(args: WaitArgs) -> Result<u8> {
    let start = Instant::now();
    let waiting = async {
        loop {
            // The scheduler may not have started yet: that is waited for as well.
            if let Ok(access) = find_quietly(&args.target)
                && let Ok(mut control) = Control::connect(&access).await
                && control.ask(Request::WaitWorkers(args.workers)).await.is_ok()
            {
                return;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    };
    if tokio::time::timeout(args.timeout, waiting).await.is_ok() {
        let are = if args.workers == 1 { "worker is" } else { "workers are" };
        say!("{} {are} connected after {}", args.workers, format_duration(start.elapsed()));
        return Ok(0);
    }
    match ask(&args.target, Request::Cluster).await {
        Ok(Reply::Cluster(row)) => bail!(
            "timed out: {} of {} workers connected after {} s (--timeout)",
            row.workers,
            args.workers,
            args.timeout.as_secs()
        ),
        Ok(_) => bail!("unexpected reply from the scheduler"),
        Err(error) => {
            Err(error.context(format!("timed out after {} s (--timeout)", args.timeout.as_secs())))
        }
    }
}

pub(crate) async fn cancel(args: CancelArgs) -> Result<u8> {
    ask(&args.target, Request::Cancel(args.job)).await?;
    say!("cancelled {}", args.job);
    Ok(0)
}

pub(crate) async fn retire(args: WorkersArgs) -> Result<u8> {
    ask(&args.target, Request::Retire(args.workers.clone())).await?;
    for worker in args.workers {
        say!("retired {worker}");
    }
    Ok(0)
}

pub(crate) async fn restart(args: WorkersArgs) -> Result<u8> {
    ask(&args.target, Request::Restart(args.workers.clone())).await?;
    for worker in args.workers {
        say!("restarted {worker}");
    }
    Ok(0)
}

pub(crate) async fn shutdown(target: Target) -> Result<u8> {
    let access = find(&target)?;
    Control::connect(&access).await?.ask(Request::Shutdown).await?;
    say!("the cluster at tcp://{} is shutting down", access.address);
    Ok(0)
}

pub(crate) async fn empty_tasks(args: EmptyTasksArgs) -> Result<u8> {
    let start = Instant::now();
    ask(&args.target, Request::EmptyTasks(args.count)).await?;
    let each = start.elapsed().as_secs_f64() * 1e6 / f64::from(args.count);
    say!("{} tasks, {each:.2} microseconds each", args.count);
    Ok(0)
}
