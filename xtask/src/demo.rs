//! `cargo xtask demo`: a cluster on this machine and three questions of a year of flights.

use crate::command::{self, cargo, exit_code, program, status, step};
use crate::dashboard;
use crate::mirror::Mirror;
use crate::options::Flags;
use crate::paths::Paths;
use crate::setup;
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// What the demo runs inside the cluster that it starts.
pub(crate) const QUESTIONS_COMMAND: &str = "demo-questions";

/// The profile of the program: the one that is built soonest.
const PROFILE: &str = "demo";

/// Workers of the demo's cluster.
const WORKERS: &str = "2";

/// Threads of each.
const THREADS: &str = "1";

struct Question {
    title: &'static str,
    sql: &'static str,
}

/// Paths in them are relative to the folder of the data.
const QUESTIONS: [Question; 3] = [
    Question {
        title: "Which airlines arrive late?",
        sql: "\
SELECT airlines.name AS airline,
       count(*) AS flights,
       round(avg(flights.arr_delay), 1) AS mean_delay_min,
       round(100.0 * sum(CASE WHEN flights.arr_delay > 15 THEN 1 ELSE 0 END) / count(*), 1)
         AS late_percent
FROM 'flights.csv' AS flights
JOIN 'airlines.csv' AS airlines ON flights.carrier = airlines.carrier
WHERE flights.arr_delay IS NOT NULL
GROUP BY airlines.name
ORDER BY mean_delay_min DESC",
    },
    Question {
        title: "Does the weather delay departures?",
        sql: "\
SELECT CASE WHEN weather.visib < 2 THEN '1: below 2 miles'
            WHEN weather.visib < 8 THEN '2: 2 to 8 miles'
            ELSE '3: above 8 miles' END AS visibility,
       CASE WHEN weather.wind_speed < 10 THEN '1: below 10 mph'
            WHEN weather.wind_speed < 20 THEN '2: 10 to 20 mph'
            ELSE '3: above 20 mph' END AS wind,
       count(*) AS flights,
       round(avg(flights.dep_delay), 1) AS mean_delay_min
FROM 'flights.csv' AS flights
JOIN 'weather.csv' AS weather
  ON flights.origin = weather.origin AND flights.time_hour = weather.time_hour
WHERE flights.dep_delay IS NOT NULL AND weather.wind_speed IS NOT NULL
GROUP BY 1, 2
ORDER BY 1, 2",
    },
    Question {
        title: "Which is the busiest hour of the day?",
        sql: "\
SELECT hour,
       count(*) AS departures,
       count(DISTINCT dest) AS destinations,
       round(avg(dep_delay), 1) AS mean_delay_min
FROM 'flights.csv'
GROUP BY hour
ORDER BY departures DESC
LIMIT 5",
    },
];

/// Runs the command. Gives the exit code of the cluster's run.
///
/// The page comes last: its tools take longer to build than the answers.
///
/// # Errors
/// If something cannot be built or installed.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let flags = Flags::parse(args, &["--no-dashboard"])?;
    let paths = Paths::find()?;
    let has_dashboard = !flags.has("--no-dashboard");
    let steps = if has_dashboard { 4 } else { 3 };
    announce(1, steps, "Build Partita", "first time: about 15 minutes on two cores");
    build(&Mirror::of(&paths)?.paths)?;
    announce(2, steps, "Get the flights of a year", "first time: about a minute");
    let data = setup::flights(&paths)?;
    let partita = paths.binary(PROFILE, "partita");
    let this = std::env::current_exe().context("cannot find the path of this program")?;
    let mut cluster = program(&partita);
    let journal = paths.cache.join("demo.journal");
    cluster.args(["run", "--workers", WORKERS, "--threads", THREADS, "--journal"]);
    cluster.arg(&journal).arg("--");
    cluster.arg(this).arg(QUESTIONS_COMMAND).arg(&partita).arg(&data);
    announce(3, steps, "Ask three questions", "about ten seconds");
    println!("\nA scheduler and {WORKERS} workers with {THREADS} thread each, on this machine:");
    println!("  {}\n", command::shown(&cluster));
    let ended = status(&mut cluster)?;
    if ended.success() {
        if has_dashboard {
            announce(4, steps, "Build the dashboard", "first time: about 15 minutes on two cores");
            let mirror = Mirror::of(&paths)?;
            dashboard::build_if_possible(&mirror.paths)?;
            build(&mirror.paths)?;
            print_report(&partita, &journal)?;
        }
        print_next_steps(&partita, &data);
    }
    Ok(exit_code(ended))
}

/// Says which step of how many begins, and how long it takes.
fn announce(number: u32, steps: u32, what: &str, time: &str) {
    println!("\n[{number}/{steps}] {what} ({time})");
}

fn build(paths: &Paths) -> Result<()> {
    step("build", || {
        let mut build = cargo(paths);
        build.args(["build", "--locked", "--profile", PROFILE, "-p", "partita-cli"]);
        command::run(&mut build)
    })
}

/// Asks the questions. `partita run` has set where the cluster is.
///
/// # Errors
/// If an argument is missing or a question is not answered.
pub(crate) fn ask_questions(args: &[String]) -> Result<()> {
    let [partita, data] = args else {
        anyhow::bail!(
            "{QUESTIONS_COMMAND} needs the path of the partita binary and of the data folder"
        );
    };
    let (partita, data) = (PathBuf::from(partita), PathBuf::from(data));
    for (at, question) in QUESTIONS.iter().enumerate() {
        println!("{}. {}\n", at + 1, question.title);
        for line in question.sql.lines() {
            println!("    {line}");
        }
        println!();
        command::run(&mut ask(&partita, &data, &["sql", question.sql]))?;
        println!("\nWhat each worker did so far:");
        command::run(&mut ask(&partita, &data, &["workers"]))?;
        println!();
    }
    println!("The cluster as a whole:");
    command::run(&mut ask(&partita, &data, &["status"]))
}

fn ask(partita: &Path, data: &Path, args: &[&str]) -> Command {
    let mut command = program(partita);
    command.current_dir(data).args(args.iter().map(OsStr::new));
    command
}

/// Writes a report: the dashboard of the demo's cluster, which has shut down.
fn print_report(partita: &Path, journal: &Path) -> Result<()> {
    let report = journal.with_extension("html");
    let mut write = program(partita);
    write.arg("report").arg(journal).arg("-o").arg(&report);
    // A binary without the page has no report, and says why.
    if status(write.stdout(Stdio::null()))?.success() {
        println!("\nThe dashboard of this run, as one file that needs no network:");
        println!("  file://{}", report.display());
    }
    Ok(())
}

fn print_next_steps(partita: &Path, data: &Path) {
    let partita = partita.display();
    println!(
        "
The cluster has shut down. Next steps:
  cd {data}
  {partita} sql \"select count(*) from 'flights.csv'\"
      one query, without a cluster
  {partita} run --workers 2 -- bash
      a shell with its own cluster; in it, `partita dashboard` prints the link of the dashboard
  {partita} scheduler   and elsewhere   {partita} worker
      a cluster that keeps running, on any number of machines
README.md describes the rest, with a first Slurm job.",
        data = data.display()
    );
}
