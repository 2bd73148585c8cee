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
/// # Errors
/// If something cannot be built or had.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let flags = Flags::parse(args, &["--no-dashboard"])?;
    let paths = Paths::find()?;
    build(&Mirror::of(&paths)?.paths, !flags.has("--no-dashboard"))?;
    let data = setup::flights(&paths)?;
    let partita = paths.binary("debug", "partita");
    let this = std::env::current_exe().context("this program does not know where it lies")?;
    let mut cluster = program(&partita);
    let journal = paths.cache.join("demo.journal");
    cluster.args(["run", "--workers", WORKERS, "--threads", THREADS, "--journal"]);
    cluster.arg(&journal).arg("--");
    cluster.arg(this).arg(QUESTIONS_COMMAND).arg(&partita).arg(&data);
    println!("\nA scheduler and {WORKERS} workers with {THREADS} thread each, on this machine:");
    println!("  {}\n", command::shown(&cluster));
    let ended = status(&mut cluster)?;
    if ended.success() {
        print_how_to_go_on(&partita, &data);
        print_report(&partita, &journal)?;
    }
    Ok(exit_code(ended))
}

fn build(paths: &Paths, has_dashboard: bool) -> Result<()> {
    if has_dashboard {
        dashboard::build_if_possible(paths)?;
    }
    step("build", || {
        let mut build = cargo(paths);
        build.args(["build", "--locked", "-p", "partita-cli"]);
        command::run(&mut build)
    })
}

/// Asks the questions. `partita run` has set where the cluster is.
///
/// # Errors
/// If an argument is missing or a question is not answered.
pub(crate) fn ask_questions(args: &[String]) -> Result<()> {
    let [partita, data] = args else {
        anyhow::bail!("{QUESTIONS_COMMAND} wants the partita binary and the folder of the data");
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

/// The demo's cluster is gone; its pages are not.
fn print_report(partita: &Path, journal: &Path) -> Result<()> {
    let report = journal.with_extension("html");
    let mut write = program(partita);
    write.arg("report").arg(journal).arg("-o").arg(&report);
    // A binary without the page has no report, and says why.
    if status(write.stdout(Stdio::null()))?.success() {
        println!("\nThe dashboard of what was just run, in a file that needs no network:");
        println!("  file://{}", report.display());
    }
    Ok(())
}

fn print_how_to_go_on(partita: &Path, data: &Path) {
    let partita = partita.display();
    println!(
        "
The cluster is down again. To go on:
  cd {data}
  {partita} sql \"select count(*) from 'flights.csv'\"
      one question, on a cluster inside the command itself
  {partita} run --workers 2 -- bash
      a shell with a cluster of its own; in it, `partita dashboard` prints the page's link
  {partita} scheduler   and elsewhere   {partita} worker
      a cluster that stays, on as many machines as you like
README.md tells the rest, and how a first Slurm job looks.",
        data = data.display()
    );
}
