//! Following the load: look, decide, do, say, again and again.

use super::migrate;
use super::policy::{Plan, Policy, Seen, SeenJob};
use super::programs::{Programs, QueuedJob, Submission};
use crate::commands::signals;
use anyhow::Result;
use partita_client::Control;
use partita_shared::access::Access;
use partita_shared::message::{Reply, Request};
use partita_shared::model::{JobRow, JobState, StageRow};
use partita_shared::units::format_duration;
use std::time::{Duration, Instant};

/// How long a scheduler that does not answer is waited for: then it is over.
const SCHEDULER_PATIENCE: Duration = Duration::from_secs(60);
/// Live jobs whose stages are asked for.
const JOBS_ASKED_MAX: usize = 32;
/// Reasons that a line names.
const REASONS_MAX: usize = 3;

pub(super) async fn run(
    programs: Programs,
    submission: Submission,
    access: Access,
    mut policy: Policy,
    interval: Duration,
) -> Result<u8> {
    let start = Instant::now();
    let mut answered = Instant::now();
    let mut said = String::new();
    let mut last = Seen::default();
    let mut stop = std::pin::pin!(signals::stop());
    let over = loop {
        let step = async {
            let load = load(&access).await;
            let queue = programs.queue(&submission.name).await;
            (load, queue)
        };
        let (load, queue) = tokio::select! {
            looked = step => looked,
            reason = &mut stop => break reason,
        };
        match load {
            Ok(mut seen) => {
                answered = Instant::now();
                if let Err(error) = &queue {
                    eprintln!("partita: cannot read the job queue: {error:#}");
                }
                let jobs = queue.ok();
                seen.jobs = jobs.as_ref().map(|jobs| jobs.iter().map(seen_job).collect());
                let plan = policy.step(start.elapsed(), &seen);
                let mut line =
                    line(&seen, jobs.as_deref().unwrap_or_default(), &policy, start.elapsed());
                if let Some(kept) = plan.keep {
                    let held = migrate::what_it_holds(kept, &seen);
                    line += &format!(
                        "; keeping job {kept}: it has the last workers, and they hold {held}"
                    );
                }
                if line != said {
                    say!("{line}");
                    said = line;
                }
                last = seen;
                act(&programs, &submission, &access, &mut policy, plan, &last, start).await;
            }
            Err(error) if answered.elapsed() > SCHEDULER_PATIENCE => {
                break format!("the scheduler does not respond: {error:#}");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            reason = &mut stop => break reason,
        }
    };
    say!("{over}: cancelling the worker jobs");
    let jobs: Vec<u64> = policy.jobs().collect();
    if let Some(holder) = migrate::last_holder(&jobs, &last) {
        say!("{} will be lost", migrate::what_it_holds(holder, &last));
    }
    if !jobs.is_empty() {
        programs.cancel(&jobs).await?;
    }
    Ok(0)
}

fn seen_job(job: &QueuedJob) -> SeenJob {
    SeenJob { id: job.id, is_pending: job.is_pending() }
}

/// Does what was decided. What fails is said, and tried again later.
async fn act(
    programs: &Programs,
    submission: &Submission,
    access: &Access,
    policy: &mut Policy,
    plan: Plan,
    seen: &Seen,
    start: Instant,
) {
    for _ in 0..plan.submit {
        match programs.submit(submission).await {
            Ok(id) => {
                say!("submitted job {id}");
                policy.submitted(id);
            }
            Err(error) => {
                policy.failed(start.elapsed());
                let pause = policy.paused(start.elapsed()).unwrap_or_default();
                eprintln!("partita: {error:#}; retrying in {}", format_duration(pause));
                return;
            }
        }
    }
    if plan.cancel.is_empty() {
        return;
    }
    if migrate::must_migrate(&plan.cancel, seen) {
        // Jobs whose workers have left end by themselves.
        match migrate::retire(access, &plan.cancel).await {
            Ok(has_left) => {
                let done = if has_left { "have migrated" } else { "are still migrating" };
                for id in plan.cancel {
                    say!("retired job {id}: its workers were idle and {done} their partitions");
                }
            }
            Err(error) => eprintln!(
                "partita: cannot retire the workers of idle jobs: {error:#}; the jobs are kept for now"
            ),
        }
        return;
    }
    match programs.cancel(&plan.cancel).await {
        Ok(()) => {
            for id in plan.cancel {
                say!("cancelled job {id}: its workers were idle");
                policy.cancelled(id);
            }
        }
        Err(error) => eprintln!("partita: {error:#}"),
    }
}

/// What the cluster has to do, and with what.
async fn load(access: &Access) -> Result<Seen> {
    let mut control = Control::connect(access).await?;
    let mut seen = Seen::default();
    migrate::look(&mut control, &mut seen).await?;
    let Reply::Jobs(jobs) = control.ask(Request::Jobs).await? else { return Ok(seen) };
    let live: Vec<JobRow> = jobs.into_iter().filter(|job| !job.state.is_final()).collect();
    let mut backlog = Some(Duration::ZERO);
    for (at, job) in live.iter().enumerate() {
        seen.ready += job.tasks.ready;
        seen.running += job.tasks.running;
        if job.tasks.ready == 0 && job.state != JobState::Queued {
            continue;
        }
        let stages = match at < JOBS_ASKED_MAX {
            true => control.ask(Request::Stages(job.id)).await?,
            false => Reply::Done,
        };
        let time = match stages {
            Reply::Stages(stages) => waiting_time(&stages),
            _ => None,
        };
        backlog = backlog.zip(time).map(|(sum, time)| sum + time);
    }
    seen.backlog = backlog;
    Ok(seen)
}

/// The expected time of the tasks of a job that wait, if all their stages have shown theirs.
fn waiting_time(stages: &[StageRow]) -> Option<Duration> {
    let waiting = stages.iter().filter(|stage| stage.tasks.ready > 0);
    waiting
        .map(|stage| {
            let done = stage.tasks.done;
            let mean = stage.busy_us.checked_div(done)?;
            Some(Duration::from_micros(mean.saturating_mul(stage.tasks.ready)))
        })
        .sum()
}

/// What there is, in one line.
fn line(seen: &Seen, jobs: &[QueuedJob], policy: &Policy, now: Duration) -> String {
    let pending: Vec<&QueuedJob> = jobs.iter().filter(|job| job.is_pending()).collect();
    let mut reasons: Vec<&str> = pending.iter().map(|job| job.reason.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    reasons.truncate(REASONS_MAX);
    let why = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    let pause = match policy.paused(now) {
        Some(_) => "; submission is suspended because jobs failed",
        None => "",
    };
    format!(
        "jobs: {} running, {} queued{why}; {} slots; tasks: {} running, {} waiting for a slot{pause}",
        jobs.len() - pending.len(),
        pending.len(),
        seen.slots,
        seen.running,
        seen.ready
    )
}
