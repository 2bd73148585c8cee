//! The measurements: Partita, one DataFusion process, Dask.

use crate::measure::{Background, median, pair, resident_bytes, say, timed};
use crate::report::Row;
use crate::{Options, arrays, core_cost, dask, functions, persisted, slurm};
use anyhow::{Context, Result, bail};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Threads on each side: two workers of one thread, or one process with two.
const THREADS: usize = 2;
/// TPC-H's tables.
const TPCH: [&str; 8] =
    ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"];

/// The questions. Each answer is small, so that printing it is not what is measured; the sort
/// writes its rows, since a sort whose rows nobody takes would be optimised away.
fn questions(folder: &Path) -> Vec<(&'static str, String)> {
    let at = |name: &str| folder.join(name).display().to_string();
    vec![
        ("mean of a column", format!("select avg(value) from '{}/'", at("numbers"))),
        (
            "group by 10,000 keys",
            format!(
                "select count(*), max(m), max(s) from (select grp, avg(value) m, sum(value) s from '{}/' group by grp)",
                at("numbers")
            ),
        ),
        (
            "join",
            format!(
                "select count(*), sum(v0_1 + v1_1) from '{}/' l join '{}/' r on l.id = r.id",
                at("left"),
                at("right")
            ),
        ),
        (
            "sort",
            format!(
                "select count(*), sum(n) from (select key, row_number() over (order by key) n from '{}/')",
                at("numbers")
            ),
        ),
    ]
}

pub(crate) fn partita() -> Result<PathBuf> {
    let here = std::env::current_exe().context("this program's file")?;
    let binary = here.with_file_name("partita");
    if !binary.exists() {
        bail!(
            "{} is not there: build it with `cargo build --release -p partita-cli`",
            binary.display()
        );
    }
    Ok(binary)
}

pub(crate) fn run(options: &Options, folder: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let dask = if options.with_dask { Some(dask::Dask::install()?) } else { None };
    if options.wants("core") {
        rows.extend(core_cost::measure());
    }
    if options.wants("first") {
        rows.push(first_answer(folder, dask.as_ref())?);
    }
    if options.wants("slurm") && std::env::var_os(slurm::VARIABLE).is_some() {
        rows.extend(slurm::measure(dask.as_ref())?);
    }
    if let Some(dask) = dask.as_ref().filter(|_| options.wants("functions")) {
        rows.extend(functions::measure(dask, &partita()?, folder, options.scale)?);
    }
    if let Some(dask) = dask.as_ref().filter(|_| options.wants("arrays")) {
        rows.extend(arrays::measure(dask, &partita()?, folder, options.scale)?);
    }
    if let Some(dask) = dask.as_ref().filter(|_| options.wants("persisted")) {
        rows.extend(persisted::measure(dask, &partita()?, folder, options.scale)?);
    }
    if let Some(dask) = dask.as_ref().filter(|_| options.wants("large")) {
        rows.extend(persisted::large(dask, &partita()?, folder, options.scale)?);
    }
    let alone = |only: &String| {
        ["slurm", "functions", "arrays", "persisted", "large"].contains(&only.as_str())
    };
    if options.only.iter().all(alone) && !options.only.is_empty() {
        return Ok(rows);
    }
    let binary = partita()?;
    let cluster = Cluster::start(&binary)?;
    if options.wants("idle") {
        rows.extend(cluster.idle());
    }
    if options.wants("empty") {
        rows.push(cluster.empty_tasks()?);
    }
    let running = match &dask {
        Some(dask) => Some(dask.start()?),
        None => None,
    };
    for (name, sql) in questions(folder) {
        if !options.wants(name) {
            continue;
        }
        say(&format!("{name} ..."));
        let (ours, datafusion) = pair(|| cluster.sql(&sql), || datafusion(&sql))?;
        let theirs = match &running {
            Some(running) => Some(running.time(name, folder)?),
            None => None,
        };
        rows.push(Row::seconds(name, ours, Some(datafusion), theirs));
    }
    drop(running);
    if options.wants("tpch") {
        rows.extend(tpch(&cluster, folder)?);
    }
    Ok(rows)
}

/// From nothing to an answer, and everything down again.
fn first_answer(folder: &Path, dask: Option<&dask::Dask>) -> Result<Row> {
    say("first answer ...");
    let binary = partita()?;
    let sql = format!("select avg(a) from '{}'", folder.join("small.parquet").display());
    let ours = || {
        let mut run = Command::new(&binary);
        run.args(["run", "--workers", "2", "--threads", "1", "--headless", "--"]);
        run.arg(&binary).args(["sql", &sql]);
        run
    };
    let (ours, single) = pair(ours, || datafusion(&sql))?;
    let theirs = dask.map(dask::Dask::first_answer).transpose()?;
    Ok(Row::seconds("first answer, from nothing to all down", ours, Some(single), theirs))
}

/// TPC-H's queries: the total, and the ones that differ most.
fn tpch(cluster: &Cluster, folder: &Path) -> Result<Vec<Row>> {
    let queries = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/queries/tpch");
    let views: String = TPCH
        .iter()
        .map(|table| {
            let at = folder.join("tpch").join(table);
            format!("create view {table} as select * from '{}/';\n", at.display())
        })
        .collect();
    let mut rows = Vec::new();
    let (mut ours, mut theirs) = (0.0, 0.0);
    for number in 1..=22 {
        let file = queries.join(format!("q{number:02}.sql"));
        let query = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        say(&format!("TPC-H {number} ..."));
        let sql = format!("{views}{query}");
        let (a, b) = pair(|| cluster.sql(&sql), || datafusion(&sql))?;
        ours += a;
        theirs += b;
        rows.push(Row::seconds(&format!("TPC-H {number}"), a, Some(b), None));
    }
    rows.insert(0, Row::seconds("TPC-H total", ours, Some(theirs), None));
    Ok(rows)
}

/// A command that answers with plain DataFusion.
fn datafusion(sql: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap_or_default());
    command.arg("datafusion").arg(sql);
    command
}

/// What that command does: statements one after the other, in one process with two partitions.
#[expect(clippy::print_stdout, reason = "the answer")]
pub(crate) fn datafusion_child() -> Result<()> {
    let sql = std::env::args().nth(2).context("a statement")?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    runtime.block_on(async {
        let config = SessionConfig::new().with_target_partitions(THREADS);
        let context = SessionContext::new_with_config(config);
        let tables = std::sync::Arc::new(partita_files::FileTables::new());
        let context = partita_files::enable(context, tables);
        for statement in sql.split(';').filter(|s| !s.trim().is_empty()) {
            let plan = context.state().create_logical_plan(statement).await?;
            let is_ddl = matches!(plan, datafusion::logical_expr::LogicalPlan::Ddl(_));
            let executed = context.execute_logical_plan(plan);
            let frame = match is_ddl {
                true => partita_files::registered_only(executed).await?,
                false => executed.await?,
            };
            let mut rows = frame.execute_stream().await?;
            while let Some(batch) = rows.next().await {
                println!("{:?}", batch?.num_rows());
            }
        }
        anyhow::Ok(())
    })
}

/// A scheduler and two workers, as a user starts them.
struct Cluster {
    binary: PathBuf,
    home: tempfile::TempDir,
    processes: Vec<Background>,
}

impl Cluster {
    fn start(binary: &Path) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let mut cluster = Cluster { binary: binary.to_path_buf(), home, processes: Vec::new() };
        cluster.spawn(&["scheduler", "--host", "127.0.0.1", "--port", "0"])?;
        for _ in 0..THREADS {
            cluster.spawn(&[
                "worker",
                "--host",
                "127.0.0.1",
                "--nthreads",
                "1",
                "--memory-limit",
                "6GiB",
            ])?;
        }
        timed(cluster.command().args(["wait", "--workers", "2"]))?;
        Ok(cluster)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.env("PARTITA_HOME", self.home.path()).env("PARTITA_LOG", "warn");
        command
    }

    fn spawn(&mut self, args: &[&str]) -> Result<()> {
        let child = self.command().args(args).stdin(Stdio::null()).stderr(Stdio::null()).spawn()?;
        self.processes.push(Background(child));
        Ok(())
    }

    fn sql(&self, sql: &str) -> Command {
        let mut command = self.command();
        command.args(["sql", "--progress", "none", sql]);
        command
    }

    /// What the processes take when nothing was asked of them yet.
    fn idle(&self) -> Vec<Row> {
        let megabytes = |at: usize| {
            let pid = self.processes.get(at).map_or(0, |process| process.0.id());
            resident_bytes(pid) as f64 / (1 << 20) as f64
        };
        vec![
            Row::plain("idle scheduler", megabytes(0), "MiB resident"),
            Row::plain("idle worker", megabytes(1), "MiB resident"),
        ]
    }

    /// What a task that does nothing costs over the wire.
    fn empty_tasks(&self) -> Result<Row> {
        let mut times = Vec::new();
        for _ in 0..4 {
            let start = Instant::now();
            timed(self.command().args(["empty-tasks", "100000"]))?;
            times.push(start.elapsed().as_secs_f64() * 1e6 / 100_000.0);
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Row::plain("an empty task, of 100,000", median(times), "microseconds"))
    }
}

/// A number of a JSON document.
pub(crate) fn number(value: &Value, name: &str) -> Option<f64> {
    value.get(name).and_then(Value::as_f64)
}
