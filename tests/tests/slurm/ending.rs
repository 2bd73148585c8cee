//! The end of a job's time: warnings, cancelling, limits, another start.

use partita_tests::process::{LONG, SOON, wait_for};
use partita_tests::slurm;
use std::time::Duration;

/// A query that takes long whatever the machine: half a minute a task and more.
const ENDLESS: &str = "select count(distinct md5(md5(md5(cast(value as varchar))))) as n \
    from generate_series(0, 200000000)";
/// The time limit of one minute, which Slurm looks at every half minute, and the end after it.
const LIMIT_BOUND: Duration = Duration::from_secs(180);

/// A user's signal reaches the command and nothing else; `scancel` ends all in order: the command
/// is told, the journal has its end, the access file is gone.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn scancel_ends_all_in_order() {
    let nodes = slurm::nodes(2);
    let text = format!(
        "#!/bin/bash\n#SBATCH --nodes=2 --ntasks-per-node=1 --mem=2000M\n\
        srun partita run --journal run.journal -- bash -c '\
        trap \"echo told to end >>told; exit 3\" TERM; trap \"echo warned >>told\" USR1;\
        partita sql \"{ENDLESS}\" & while true; do wait; done'\n"
    );
    let job = nodes.sbatch(&text, &[]);
    let told = || std::fs::read_to_string(nodes.home().join("told")).unwrap_or_default();
    wait_for("the query to run", LONG, || {
        let jobs = nodes.partita(&["jobs"]);
        jobs.text().contains("running").then_some(())
    });
    nodes.run(&["scancel", "--signal=USR1", &job.id.to_string()]).ok();
    wait_for("the warning", SOON, || told().contains("warned").then_some(()));
    assert_eq!(nodes.status().expect("the cluster").workers, 2);
    job.cancel();
    job.ends(&["CANCELLED"], SOON);
    assert_eq!(told(), "warned\ntold to end\n");
    for node in nodes.names() {
        wait_for("the processes to be gone", SOON, || {
            nodes.processes(node, "partita").is_empty().then_some(())
        });
        let left = wait_for("the epilog", SOON, || job.left_in_scratch(node));
        assert!(!left.contains("partita"), "{left}");
    }
    assert!(!nodes.partita(&["status"]).text().contains("workers"));
    let report = nodes.partita(&["report", "run.journal", "-o", "report.html"]);
    report.ok();
}

/// Near the end of the time no task starts that cannot end: the job says so, names what to do, and
/// the command has its error before Slurm kills anything.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn what_cannot_end_in_time_is_said() {
    let nodes = slurm::nodes(1);
    // One stage of some forty tasks, of two seconds of a processor each: more than a minute can do on the one slot
    // that the memory allows, and each short enough to end in time on a busy machine too.
    let rows = "copy (select repeat(cast(value % 10 as varchar), 100) as s \
        from generate_series(1, 6000000)) to 'rows.csv' stored as csv";
    nodes.partita(&["sql", "--embedded", rows]).ok();
    let rounds = 7;
    let slow =
        format!("{}concat(s, cast(j as varchar)){}", "md5(".repeat(rounds), ")".repeat(rounds));
    let query = format!(
        "select sum(length({slow})) from generate_series(1, 6) as t(j) cross join 'rows.csv'"
    );
    nodes.write("q.sql", &query);
    let text = "#!/bin/bash\n#SBATCH --nodes=1 --ntasks=1 --cpus-per-task=4 --mem=2000M --time=1\n\
        srun partita run --memory-limit=128MiB -- partita sql -f q.sql; echo \"exit $?\"\n";
    let job = nodes.sbatch(text, &[]);
    let output = job.ends(&["COMPLETED"], LIMIT_BOUND);
    let said = format!("Slurm job {} ends in ", job.id);
    assert!(output.contains(&said) && output.contains("request more time"), "{output}");
    assert!(output.contains("exit 1"), "{output}");
}

/// A job that is requeued starts anew: its second start does not meet what the first left.
#[test]
#[ignore = "needs the Slurm of the tests"]
fn a_requeued_job_starts_anew() {
    let nodes = slurm::nodes(2);
    let text = "#!/bin/bash\n\
        #SBATCH --nodes=2 --ntasks-per-node=1 --mem=2000M --requeue --open-mode=append\n\
        srun partita run -- bash -c 'partita status >>began; \
        [ -n \"$SLURM_RESTART_COUNT\" ] || exec sleep 1000'\n\
        echo \"exit $?\"\n";
    let job = nodes.sbatch(text, &[]);
    let began = || std::fs::read_to_string(nodes.home().join("began")).unwrap_or_default();
    wait_for("the first start", LONG, || began().contains("workers    2").then_some(()));
    nodes.run_as("root", &["scontrol", "requeue", &job.id.to_string()]).ok();
    // Slurm holds a requeued job back until the credentials of its first start have expired.
    let output = job.ends(&["COMPLETED"], LIMIT_BOUND);
    assert!(output.contains("exit 0"), "{output}");
    let name = format!("slurm-{}-again-1.0", job.id);
    assert!(began().contains(&name), "{}", began());
    assert_eq!(began().matches("workers    2").count(), 2);
}
