//! `partita demo`: a cluster on this machine answers three questions of a year of flights.

mod flights;

use crate::args::DemoArgs;
use crate::commands::run::follow;
use crate::commands::this_program;
use anyhow::{Context, Result};
use partita_worker::supervisor::exit_code;
use std::io::IsTerminal;
use std::path::Path;
use std::process::{Command, ExitStatus};

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

/// Makes the tables, starts a cluster, and asks the questions in it. The number is the exit code.
///
/// # Errors
/// If the tables cannot be written, or the cluster cannot be started.
pub(super) async fn run(args: &DemoArgs) -> Result<u8> {
    if args.ask {
        return ask_questions(args);
    }
    let made = tempfile::Builder::new().prefix("partita-demo-").tempdir();
    let made = made.context("cannot make a folder for the tables of the demo")?;
    let folder = match &args.data {
        Some(folder) => std::path::absolute(folder)?,
        None => {
            flights::write(made.path()).context("cannot write the tables of the demo")?;
            made.path().to_path_buf()
        }
    };
    let what = if args.data.is_some() { "A year of flights" } else { "A made-up year of flights" };
    say!("{what}: {}", folder.display());
    let program = this_program()?;
    let mut cluster = Command::new(&program);
    cluster.args(["run", "--workers", WORKERS, "--threads", THREADS]);
    if let Some(journal) = &args.journal {
        cluster.arg("--journal").arg(journal);
    }
    cluster.arg("--").arg(&program).args(["demo", "--ask", "--data"]);
    cluster.arg(&folder);
    if args.no_wait {
        cluster.arg("--no-wait");
    }
    say!("A scheduler and {WORKERS} workers with {THREADS} thread each, on this machine:\n");
    // A signal ends the cluster, and this process removes the tables then.
    let ended = follow(cluster.into(), std::future::pending()).await?;
    if ended.success() {
        print_next_steps();
    }
    Ok(exit_code(ended))
}

/// Asks the questions. `partita run` has set where the cluster is.
fn ask_questions(args: &DemoArgs) -> Result<u8> {
    let folder = args.data.clone().context("--ask needs --data")?;
    for (at, question) in QUESTIONS.iter().enumerate() {
        say!("\n{}. {}\n", at + 1, question.title);
        for line in question.sql.lines() {
            say!("    {line}");
        }
        say!("");
        let ended = ask(&folder, &["sql", question.sql])?;
        if !ended.success() {
            return Ok(exit_code(ended));
        }
    }
    say!("\nWhat each worker did:");
    let ended = ask(&folder, &["workers"])?;
    if ended.success() && !args.no_wait && std::io::stdin().is_terminal() {
        say!("\nThe dashboard of the cluster:");
        ask(&folder, &["dashboard"])?;
        say!("\nPress Enter to end the cluster.");
        std::io::stdin().read_line(&mut String::new()).context("cannot read from the terminal")?;
    }
    Ok(exit_code(ended))
}

/// Runs a command of this program in a folder.
fn ask(folder: &Path, args: &[&str]) -> Result<ExitStatus> {
    let mut command = Command::new(this_program()?);
    command.current_dir(folder).args(args);
    command.status().context("cannot start this program once more")
}

fn print_next_steps() {
    say!(
        "
The cluster has ended. Next:
  partita sql \"select count(*) from 'FILE.csv'\"
      a query of your files, without a cluster
  partita run --workers 2 -- python SCRIPT.py
      a script with its own cluster; as `srun partita run`, on all nodes of a Slurm job
  partita scheduler   and elsewhere   partita worker
      a cluster that keeps running, on any number of machines"
    );
}
