//! Jobs on the real Slurm of the tests: from `sbatch` to the answer, beside Dask.

use crate::dask::Dask;
use crate::measure::{median, say};
use crate::report::Row;
use anyhow::{Context, Result, ensure};
use partita_tests::slurm::job::Job;
use partita_tests::slurm::{self, Nodes, python};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The variable that says that Slurm is set up here. `cargo xtask bench` sets it.
pub(crate) const VARIABLE: &str = "PARTITA_BENCH_SLURM";
/// Jobs of each kind, after one that is not counted.
const JOBS: usize = 3;
/// What one job may take.
const JOB_BOUND: Duration = Duration::from_secs(180);
/// What Dask's scripts sleep where they guess, in seconds.
const SLEEP_S: u32 = 10;
/// The mean of 0 to 2399, the answer of all.
const MEAN: &str =
    "partita sql --output=csv 'select avg(value) as a from generate_series(0, 2399)'";

/// The jobs that are measured. Each writes the time at which it has the answer.
fn jobs() -> Vec<(&'static str, String, String)> {
    let began = "date +%s.%N >began-$SLURM_JOB_ID";
    let answer = "date +%s.%N >answer-$SLURM_JOB_ID";
    let one_node =
        "#SBATCH --ntasks=1 --cpus-per-task=6 --mem=8000M --time=10 --output=bench-%j.out";
    let two_nodes = "#SBATCH --nodes=2 --ntasks-per-node=2 --cpus-per-task=3 --mem=16000M --time=10 --output=bench-%j.out";
    vec![
        (
            "one node, six workers",
            format!(
                "#!/bin/bash\n{one_node}\n{began}\n\
                port=$((30000 + SLURM_JOB_ID % 10000))\n\
                partita scheduler --host $(hostname) --port $port &\n\
                partita worker tcp://$(hostname):$port --no-dashboard --nworkers=6 --nthreads=1 \
                --local-directory=$SLURM_TMPDIR &\n\
                partita wait --workers=6\n{MEAN}\n{answer}\nkill %1 %2\nwait\n"
            ),
            include_str!("../python/slurm_one_node.sh").to_string(),
        ),
        (
            "two nodes, four workers, one line",
            format!(
                "#!/bin/bash\n{two_nodes}\n{began}\n\
                srun partita run -- bash -c \"$COMMAND\"\n"
            )
            .replace("\"$COMMAND\"", &format!("\"{MEAN}; {answer}\"").replace('$', "\\$")),
            include_str!("../python/slurm_two_nodes.sh").to_string(),
        ),
    ]
}

/// Runs all of it.
pub(crate) fn measure(dask: Option<&Dask>) -> Result<Vec<Row>> {
    let nodes = slurm::nodes(4);
    if let Some(dask) = dask {
        python::environment(&nodes, dask.environment(), "dask", false);
        nodes.write("mean.py", include_str!("../python/slurm_mean.py"));
    }
    let mut rows = Vec::new();
    for (name, ours, theirs) in jobs() {
        say(&format!("Slurm, {name} ..."));
        let partita = answer(&nodes, &ours, &[])?;
        rows.push(Row::seconds(&format!("Slurm, {name}, Dask without sleeps"), partita, None, {
            let environment = [("SLEEP", "0".to_string()), ("WAIT", "1".to_string())];
            dask.map(|_| answer(&nodes, &theirs, &environment)).transpose()?
        }));
        rows.push(Row::seconds(&format!("Slurm, {name}, Dask with its sleeps"), partita, None, {
            let environment = [("SLEEP", SLEEP_S.to_string())];
            dask.map(|_| answer(&nodes, &theirs, &environment)).transpose()?
        }));
    }
    rows.push(all_ready(&nodes)?);
    rows.extend(lead_cost(&nodes)?);
    Ok(rows)
}

/// The median seconds from the submission of a job to its answer.
fn answer(nodes: &Nodes, script: &str, environment: &[(&str, String)]) -> Result<f64> {
    let mut exports =
        String::from("export DASK='/srv/dask/bin/python -m dask' PYTHON=/srv/dask/bin/python\n");
    for (name, value) in environment {
        exports += &format!("export {name}={value}\n");
    }
    // After the comments that Slurm reads.
    let script = script.replacen("date +%s.%N >began", &format!("{exports}date +%s.%N >began"), 1);
    let mut times = Vec::new();
    for run in 0..=JOBS {
        let submitted = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        let job = nodes.sbatch(&script, &[]);
        let output = job.finish(JOB_BOUND);
        ensure!(output.contains("1199.5"), "no answer: {output}");
        if run > 0 {
            times.push(time(nodes, &job, "answer")? - submitted);
        }
    }
    Ok(median(times))
}

/// A time that a job wrote down.
fn time(nodes: &Nodes, job: &Job<'_>, what: &str) -> Result<f64> {
    number(&nodes.home().join(format!("{what}-{}", job.id)))
}

fn number(file: &Path) -> Result<f64> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    text.trim().parse().with_context(|| format!("`{}` in {}", text.trim(), file.display()))
}

/// From `srun` to all workers of four tasks on four nodes ready.
fn all_ready(nodes: &Nodes) -> Result<Row> {
    say("Slurm, four nodes ready ...");
    let script = "#!/bin/bash\n#SBATCH --nodes=4 --ntasks-per-node=1 --cpus-per-task=3 --mem=4000M --output=bench-%j.out\n\
        for n in 0 1 2 3 4 5; do date +%s.%N >began-$SLURM_JOB_ID.$n\n\
        srun partita run -- bash -c \"date +%s.%N >ready-$SLURM_JOB_ID.$n\"; done\n";
    let job = nodes.sbatch(script, &[]);
    job.finish(JOB_BOUND);
    let mut times = Vec::new();
    for step in 1..=5 {
        let at = |what: &str| number(&nodes.home().join(format!("{what}-{}.{step}", job.id)));
        times.push(at("ready")? - at("began")?);
    }
    Ok(Row::plain("Slurm, srun to all of 4 tasks on 4 nodes ready", median(times), "s"))
}

/// What the scheduler beside the first task's worker costs: processor time of its process in a
/// second, with nothing to do and while two nodes work.
fn lead_cost(nodes: &Nodes) -> Result<Vec<Row>> {
    say("Slurm, the cost of the scheduler ...");
    // Fields 14 and 15: user and system time, in hundredths of a second.
    let script = "#!/bin/bash\n#SBATCH --nodes=2 --ntasks-per-node=1 --cpus-per-task=3 --mem=4000M --output=bench-%j.out\n\
        cat >cost.sh <<'END'\n\
        spent() { awk '{print $14 + $15}' /proc/$PPID/stat; }\n\
        cost() { local a=$(spent) t=$(date +%s%N); \"${@:2}\" >/dev/null; \
        echo \"$(( ($(spent) - a) * 10000000 )) $(( $(date +%s%N) - t ))\" \
        | awk '{print $1 / $2 * 100}' >$1; }\n\
        cost idle-cost sleep 5\n\
        cost busy-cost partita sql 'select count(distinct md5(cast(value as varchar))) from generate_series(1, 4000000)'\n\
        END\n\
        srun partita run -- bash cost.sh\n";
    nodes.sbatch(script, &[]).finish(JOB_BOUND);
    let row = |name: &str, file: &str| -> Result<Row> {
        let percent = number(&nodes.home().join(file))?;
        Ok(Row::plain(name, percent, "% of a processor"))
    };
    Ok(vec![
        row("Slurm, the first task's scheduler, idle", "idle-cost")?,
        row("Slurm, the first task's scheduler while two nodes work", "busy-cost")?,
    ])
}
