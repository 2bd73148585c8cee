//! The policy step by step, and programs that are slow, fail or talk nonsense.

use super::policy::{Bounds, Plan, Policy, Seen, SeenJob, SeenWorkers, slots_of};
use super::programs::{Programs, Submission};
use std::path::Path;
use std::time::Duration;

fn policy(min: u32, max: u32) -> Policy {
    Policy::new(Bounds { min, max, idle: s(60), slots_hint: 4 })
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A cluster with these tasks, jobs in the queue (id, pending) and workers (job, assigned) of four
/// slots.
fn seen(ready: u64, running: u64, jobs: &[(u64, bool)], workers: &[(u64, u32)]) -> Seen {
    let jobs = jobs.iter().map(|(id, is_pending)| SeenJob { id: *id, is_pending: *is_pending });
    let has = |assigned| SeenWorkers { slots: 4, assigned, held: 0 };
    Seen {
        jobs: Some(jobs.collect()),
        workers: workers.iter().map(|(id, assigned)| (*id, has(*assigned))).collect(),
        slots: 4 * workers.len() as u32,
        ready,
        running,
        backlog: None,
    }
}

fn submit(count: u32) -> Plan {
    Plan { submit: count, ..Plan::default() }
}

fn cancel(ids: &[u64]) -> Plan {
    Plan { cancel: ids.to_vec(), ..Plan::default() }
}

/// Where all workers would go, the job stays that holds the most of what someone still wants; the others go. Where
/// other workers stay, all may go, since those take what is held.
#[test]
fn the_last_holder_stays() {
    let mut policy = policy(0, 9);
    [1, 2, 3].into_iter().for_each(|id| policy.submitted(id));
    let running = [(1, false), (2, false), (3, false)];
    let mut holding = seen(0, 0, &running, &[(1, 0), (2, 0), (3, 0)]);
    for (id, held) in [(1, 2), (2, 5)] {
        holding.workers.get_mut(&id).unwrap().held = held;
    }
    assert_eq!(policy.step(s(0), &holding), submit(0));
    let plan = Plan { keep: Some(2), ..cancel(&[3, 1]) };
    assert_eq!(policy.step(s(60), &holding), plan);
    // A worker of no job of these.
    holding.slots += 4;
    assert_eq!(policy.step(s(61), &holding), cancel(&[3, 2, 1]));
    // Nobody wants anything any more.
    holding.slots -= 4;
    holding.workers.values_mut().for_each(|workers| workers.held = 0);
    assert_eq!(policy.step(s(62), &holding), cancel(&[3, 2, 1]));
}

/// The least is kept up without any load; no more than the most is ever asked for.
#[test]
fn the_bounds_hold() {
    assert_eq!(policy(2, 5).step(s(0), &seen(0, 0, &[], &[])), submit(2));
    assert_eq!(policy(0, 5).step(s(0), &seen(0, 0, &[], &[])), submit(0));
    assert_eq!(policy(0, 3).step(s(0), &seen(1000, 0, &[], &[])), submit(3));
}

/// As many jobs as the waiting tasks fill, minus those already queued and the existing slots.
#[test]
fn tasks_that_wait_ask_for_jobs() {
    let mut policy = policy(0, 9);
    assert_eq!(policy.step(s(0), &seen(10, 0, &[], &[])), submit(3));
    [1, 2, 3].into_iter().for_each(|id| policy.submitted(id));
    let queued = [(1, true), (2, true), (3, true)];
    assert_eq!(policy.step(s(5), &seen(10, 0, &queued, &[])), submit(0));
    let mut with_others = seen(10, 4, &queued, &[]);
    with_others.slots = 4;
    assert_eq!(policy.step(s(10), &with_others), submit(0));
    // Twelve more tasks: three more jobs.
    assert_eq!(policy.step(s(15), &seen(22, 0, &queued, &[])), submit(3));
}

/// Short work is not worth jobs that start when it is done.
#[test]
fn no_more_than_the_backlog_is_worth() {
    let mut short = seen(1000, 4, &[(1, false)], &[(1, 4)]);
    short.backlog = Some(s(2));
    let mut policy = policy(0, 9);
    policy.submitted(1);
    assert_eq!(policy.step(s(0), &short), submit(1));
    short.backlog = Some(s(800));
    assert_eq!(policy.step(s(1), &short), submit(8));
}

/// A job whose workers have nothing to do is cancelled after the idle time, not before and not if
/// it worked meanwhile; the least stays.
#[test]
fn idle_jobs_are_cancelled() {
    let mut policy = policy(1, 9);
    [1, 2].into_iter().for_each(|id| policy.submitted(id));
    let running = [(1, false), (2, false)];
    let idle = seen(0, 0, &running, &[(1, 0), (2, 0)]);
    assert_eq!(policy.step(s(0), &idle), submit(0));
    assert_eq!(policy.step(s(59), &idle), submit(0));
    let busy = seen(0, 1, &running, &[(1, 0), (2, 1)]);
    assert_eq!(policy.step(s(61), &busy), cancel(&[1]));
    // A decision that was not carried out is repeated later.
    assert_eq!(policy.step(s(62), &idle), cancel(&[1]));
    policy.cancelled(1);
    let last = seen(0, 0, &[(2, false)], &[(2, 0)]);
    assert_eq!(policy.step(s(500), &last), submit(0));
}

/// Jobs that have not begun go first when they are too many for as long as the idle time.
#[test]
fn queued_jobs_that_are_not_needed_are_cancelled() {
    let mut policy = policy(0, 9);
    [1, 2].into_iter().for_each(|id| policy.submitted(id));
    let little = seen(0, 4, &[(1, false), (2, true)], &[(1, 4)]);
    assert_eq!(policy.step(s(0), &little), submit(0));
    assert_eq!(policy.step(s(60), &little), cancel(&[2]));
}

/// After a failure nothing is submitted for a while, longer each time, and not longer than ten
/// minutes; a job that works ends that.
#[test]
fn failures_are_not_repeated_at_once() {
    let mut policy = policy(0, 9);
    let load = seen(4, 0, &[], &[]);
    let mut now = s(0);
    let mut pauses = Vec::new();
    for _ in 0..9 {
        assert_eq!(policy.step(now, &load), submit(1));
        policy.failed(now);
        assert_eq!(policy.step(now + s(1), &load), submit(0));
        pauses.push(policy.paused(now).unwrap().as_secs());
        now += policy.paused(now).unwrap();
    }
    assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
    policy.submitted(7);
    policy.step(now, &seen(0, 4, &[(7, false)], &[(7, 4)]));
    policy.failed(now);
    assert_eq!(policy.paused(now), Some(s(10)));
}

/// A job that ends without a worker is a failure; one that `squeue` merely leaves out once is not,
/// nor is an answer that did not come.
#[test]
fn a_job_that_vanishes_is_a_failure() {
    let mut policy = policy(0, 9);
    policy.submitted(1);
    let empty = seen(4, 0, &[], &[]);
    assert_eq!(policy.step(s(0), &empty), submit(0));
    assert_eq!(policy.step(s(5), &seen(4, 0, &[(1, true)], &[])), submit(0));
    let silent = Seen { jobs: None, ..seen(4, 0, &[], &[]) };
    for second in 10..20 {
        assert_eq!(policy.step(s(second), &silent), submit(0));
    }
    assert_eq!(policy.step(s(20), &empty), submit(0));
    assert_eq!(policy.step(s(25), &empty), submit(0));
    assert_eq!(policy.paused(s(25)), Some(s(10)));
    assert_eq!(policy.step(s(35), &empty), submit(1));
}

/// The slots of a job as its options say.
#[test]
fn slots_are_read_off_options() {
    let slots =
        |text: &str| slots_of(&text.split_whitespace().map(String::from).collect::<Vec<_>>());
    assert_eq!(slots(""), 1);
    assert_eq!(slots("--cpus-per-task=6 --mem=8G"), 6);
    assert_eq!(slots("-c 6 -n 2"), 12);
    assert_eq!(slots("-c6 --nodes 2 --ntasks-per-node=3"), 36);
    assert_eq!(slots("--cpus-per-task many"), 1);
}

/// Programs that do what these scripts say.
fn programs(folder: &Path, script: &str) -> Programs {
    let (text, path) = (folder.join("program.text"), folder.join("program"));
    std::fs::write(&text, format!("#!/bin/sh\n{script}\n")).unwrap();
    // Another process makes the program. A file that this one had open to be written would still be so in what
    // another test starts at that moment, and nobody can run such a file.
    let mut install = std::process::Command::new("install");
    assert!(install.arg("-m755").arg(&text).arg(&path).status().unwrap().success());
    let program = path.into_os_string();
    Programs { sbatch: program.clone(), squeue: program.clone(), scancel: program, timeout: s(5) }
}

fn submission() -> Submission {
    Submission {
        name: "partita-x".to_string(),
        program: "/opt/par tita".into(),
        access_file: "/home/a/it's.json".into(),
        nworkers: 2,
        prologue: Vec::new(),
        options: vec!["--mem=1G".to_string()],
    }
}

/// What is asked and told, as the programs see it, and how their answers are read.
#[tokio::test]
async fn programs_are_asked() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log").display().to_string();
    let slurm =
        programs(folder.path(), &format!("echo \"$@\" >{log}; cat >>{log}; echo '12;cluster'"));
    assert_eq!(slurm.submit(&submission()).await.unwrap(), 12);
    let told = std::fs::read_to_string(&log).unwrap();
    let expected = "--parsable --job-name partita-x --output=partita-worker-%j.out --mem=1G\n\
        #!/bin/bash\n# srun does not take the processors of a task from the job by itself.\n\
        exec srun ${SLURM_CPUS_PER_TASK:+--cpus-per-task=$SLURM_CPUS_PER_TASK} \\\n  \
        '/opt/par tita' worker \
        --scheduler-file='/home/a/it'\\''s.json' --nworkers=2\n";
    assert_eq!(told, expected);
    let slurm = programs(folder.path(), "echo '7|PENDING|Resources|'; echo '8|RUNNING|None|n1'");
    let jobs = slurm.queue("partita-x").await.unwrap();
    let shown: Vec<String> = jobs.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["job 7 pending: Resources", "job 8 running on n1"]);
    slurm.cancel(&[7, 8]).await.unwrap();
}

/// The lines that a user adds run before the workers start, in their order.
#[tokio::test]
async fn a_prologue_comes_before_the_workers() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log").display().to_string();
    let slurm = programs(folder.path(), &format!("cat >{log}; echo 12"));
    let prologue = vec!["module load python".to_string(), "export A='b c'".to_string()];
    slurm.submit(&Submission { prologue, ..submission() }).await.unwrap();
    let told = std::fs::read_to_string(&log).unwrap();
    let start = "#!/bin/bash\nmodule load python\nexport A='b c'\n# srun does not take";
    assert!(told.starts_with(start), "{told}");
}

/// Programs that fail, hang, are not there or talk nonsense are errors that name them.
#[tokio::test]
async fn programs_that_fail_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let failing = programs(folder.path(), "echo 'invalid account' >&2; exit 1");
    let error = format!("{:#}", failing.submit(&submission()).await.unwrap_err());
    assert!(error.contains("sbatch") && error.contains("invalid account"), "{error}");
    let mut hanging = programs(folder.path(), "exec sleep 1000");
    hanging.timeout = Duration::from_millis(100);
    let error = format!("{:#}", hanging.queue("x").await.unwrap_err());
    assert!(error.contains("squeue") && error.contains("timed out"), "{error}");
    let nonsense = programs(folder.path(), "echo slurm is sleepy");
    assert!(nonsense.queue("x").await.is_err() && nonsense.submit(&submission()).await.is_err());
    let missing = Programs { scancel: "/nowhere/scancel".into(), ..Programs::default() };
    let error = format!("{:#}", missing.cancel(&[1]).await.unwrap_err());
    assert!(error.contains("scancel"), "{error}");
}
