//! `COPY` and `INSERT`: what they write, and that a failure leaves nothing.

use crate::fixture::fixture;
use anyhow::{Context, Result, ensure};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt64Type;
use futures::TryStreamExt;
use partita_shared::message::{Reply, Request};
use partita_tests::oracle::{Oracle, Sameness};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a condition may take to come true.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// How often the test polls.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Waits until a condition holds.
async fn until(what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    while !condition() {
        ensure!(start.elapsed() < WAIT_MAX, "waited {WAIT_MAX:?} in vain until {what}");
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok(())
}

/// The files and folders in a folder, hidden ones too.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A folder for what a test writes.
struct Target {
    folder: TempDir,
}

impl Target {
    fn new() -> Result<Self> {
        Ok(Target { folder: TempDir::with_prefix("partita-writes-")? })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        names(self.folder.path())
    }
}

/// Runs a `COPY` on the cluster and gives the number of rows that it says it wrote.
async fn copied(oracle: &Oracle, query: &str, target: &str, format: &str) -> Result<u64> {
    let answer =
        oracle.cluster(&format!("copy ({query}) to '{target}' stored as {format}")).await?;
    let batch = answer.batches.first().context("no count")?;
    Ok(batch.column(0).as_primitive::<UInt64Type>().value(0))
}

/// Checks that what was written is what the query gives.
async fn reads_back(oracle: &Oracle, query: &str, columns: &str, written: &str) -> Result<()> {
    let left = format!("({query}) except all (select {columns} from '{written}')");
    let right = format!("(select {columns} from '{written}') except all ({query})");
    for difference in [left, right] {
        let (rows, _) = oracle.single(&difference).await?;
        ensure!(rows.rows() == 0, "{} rows differ: {difference}", rows.rows());
    }
    oracle.check(&format!("select * from '{written}'"), Sameness::Rows).await.map(|_| ())
}

fn with_target(test: impl AsyncFnOnce(&Oracle, &Target) -> Result<()>) -> Result<()> {
    let fixture = fixture()?;
    let target = Target::new()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        test(&oracle, &target).await
    })
}

/// Every task of the last step writes one file, in each format, and the files have the query's
/// rows. Nothing else is left beside them.
#[test]
fn one_file_for_each_partition() -> Result<()> {
    let scanned = "select id, k, v, txt, flag from facts where id % 5 <> 0";
    let grouped = "select k, count(*) as c from facts where k is not null group by k";
    with_target(async |oracle, target| {
        for (format, extension) in [("parquet", "parquet"), ("csv", "csv"), ("json", "json")] {
            for (name, query, columns, rows) in [
                ("scanned", scanned, "id, k, v, txt, flag", 4800),
                ("grouped", grouped, "k, c", 100),
            ] {
                let name = format!("{name}-{extension}");
                let folder = target.path(&name);
                let shown = format!("{}/", folder.display());
                let count = copied(oracle, query, &shown, format).await?;
                assert_eq!(count, rows, "{name}");
                let files = names(&folder);
                assert_eq!(files.len(), 4, "{name}: {files:?}");
                assert!(files.iter().all(|file| file.ends_with(extension)), "{files:?}");
                reads_back(oracle, query, columns, &shown).await.context(name)?;
            }
        }
        assert_eq!(target.names().len(), 6, "{:?}", target.names());
        Ok(())
    })
}

/// A target with an extension is one file; a sorted one is sorted.
#[test]
fn one_file_in_order() -> Result<()> {
    let query = "select id, k, txt from facts order by id desc";
    with_target(async |oracle, target| {
        let file = target.path("sorted.parquet").display().to_string();
        assert_eq!(copied(oracle, query, &file, "parquet").await?, 6000);
        assert_eq!(target.names(), ["sorted.parquet"]);
        let (read, _) = oracle.single(&format!("select id from '{file}'")).await?;
        let ids: Vec<i64> = read
            .batches
            .iter()
            .flat_map(|batch| {
                batch.column(0).as_primitive::<arrow::datatypes::Int64Type>().values()
            })
            .copied()
            .collect();
        assert!(ids.is_sorted_by(|a, b| a > b), "the file is not sorted");
        reads_back(oracle, query, "id, k, txt", &file).await
    })
}

/// Partition folders are written and read back as columns, and an `INSERT` adds files.
#[test]
fn partition_folders_and_inserts() -> Result<()> {
    let query = "select id, cast(k as varchar) as k, grp from facts where id < 1000 and k < 4";
    with_target(async |oracle, target| {
        let folder = format!("{}/", target.path("parted").display());
        let statement =
            format!("copy ({query}) to '{folder}' stored as parquet partitioned by (k)");
        oracle.cluster(&statement).await?;
        assert_eq!(names(&target.path("parted")), ["k=0", "k=1", "k=2", "k=3"]);
        let read = format!("select id, cast(k as varchar) as k, grp from '{folder}'");
        let (left, right) = (oracle.single(query).await?.0, oracle.single(&read).await?.0);
        assert_eq!(left.rows(), right.rows());
        oracle.check(&read, Sameness::Rows).await?;

        let plain = format!("{}/", target.path("plain").display());
        copied(oracle, "select id, txt from facts where id <= 10", &plain, "parquet").await?;
        let table = format!("create external table plain stored as parquet location '{plain}'");
        oracle.cluster(&table).await?;
        assert_eq!(oracle.cluster("select * from plain").await?.rows(), 10);
        oracle.cluster("insert into plain select eid, kind from events where eid <= 5").await?;
        assert_eq!(oracle.cluster("select * from plain").await?.rows(), 15);
        let rows = oracle.check(&format!("select * from '{plain}'"), Sameness::Rows).await?;
        assert_eq!(rows, 15);
        // Files that come from elsewhere are seen too, before long.
        let file = target.path("plain/more.parquet").display().to_string();
        oracle.single(&format!("copy (select 1 as id, 'x' as txt) to '{file}'")).await?;
        let start = Instant::now();
        while oracle.cluster("select * from plain").await?.rows() != 16 {
            ensure!(start.elapsed() < WAIT_MAX, "a new file was not seen");
        }
        assert_eq!(target.names(), ["parted", "plain"]);
        Ok(())
    })
}

/// Queries without rows, and those that run whole in one task, are written too.
#[test]
fn unusual_queries_are_written() -> Result<()> {
    with_target(async |oracle, target| {
        let file = target.path("empty.csv").display().to_string();
        assert_eq!(copied(oracle, "select id from facts where id < 0", &file, "csv").await?, 0);
        let recursive =
            "with recursive n (i) as (select 1 union all select i + 1 from n where i < 9)
            select i from n";
        let file = target.path("numbers.parquet").display().to_string();
        assert_eq!(copied(oracle, recursive, &file, "parquet").await?, 9);
        reads_back(oracle, recursive, "i", &file).await?;
        assert_eq!(target.names(), ["empty.csv", "numbers.parquet"]);
        Ok(())
    })
}

/// A query that fails when part of its rows is written leaves neither files nor folders.
#[test]
fn a_failed_copy_leaves_nothing() -> Result<()> {
    with_target(async |oracle, target| {
        for (query, part) in [
            ("select id, 1 / (id - 5900) as x from facts", "ivide by zero"),
            (
                "select id, cast(case when id = 4321 then 'x' else '1' end as int) as x from facts",
                "x",
            ),
            ("select k, sum(10 / (id - 3000)) as x from facts group by k", "ivide by zero"),
        ] {
            for format in ["parquet", "csv", "json"] {
                for name in ["folder/".to_string(), format!("file.{format}")] {
                    let place = target.path(&name).display().to_string();
                    let error = copied(oracle, query, &place, format).await;
                    let error = format!("{:#}", error.err().context("it was written")?);
                    assert!(error.contains(part), "{error}");
                    until("nothing is left", || target.names().is_empty())
                        .await
                        .with_context(|| format!("{:?} after {query}", target.names()))?;
                }
            }
        }
        Ok(())
    })
}

/// A `COPY` that is stopped while it writes, by a command or because its client went away, leaves
/// neither files nor folders, and the cluster answers the next query.
#[test]
fn a_cancelled_copy_leaves_nothing() -> Result<()> {
    // Far more than can be written before it is stopped.
    let query = "select a.id as a, b.id as b, c.id as c, concat(a.txt, b.txt, c.txt) as txt
        from facts a, facts b, facts c";
    with_target(async |oracle, target| {
        for by_command in [true, false] {
            let place = target.path("endless/").display().to_string();
            let statement = format!("copy ({query}) to '{place}' stored as csv");
            let running = oracle.client().run(&statement).await?;
            until("a file is there", || {
                target.names().iter().any(|name| !names(&target.path(name)).is_empty())
            })
            .await?;
            let job = running.job.context("a COPY is a job")?;
            if by_command {
                let mut control = oracle.client().control().await?;
                assert_eq!(control.ask(Request::Cancel(job)).await?, Reply::Done);
                let answer: Result<Vec<RecordBatch>, _> = running.batches.try_collect().await;
                assert!(answer.is_err(), "a cancelled COPY was answered");
            } else {
                drop(running);
            }
            until("nothing is left", || target.names().is_empty())
                .await
                .with_context(|| format!("{:?} is left", target.names()))?;
            oracle.check("select count(*) from facts", Sameness::Rows).await?;
        }
        Ok(())
    })
}

/// A target that exists is refused before anything runs: its content would be mixed with the
/// output, or be replaced.
#[test]
fn what_is_there_is_not_touched() -> Result<()> {
    with_target(async |oracle, target| {
        let folder = target.path("there");
        std::fs::create_dir(&folder)?;
        std::fs::write(folder.join("precious.txt"), "keep")?;
        for place in
            [format!("{}/", folder.display()), folder.join("precious.txt/").display().to_string()]
        {
            let written = copied(oracle, "select id from facts", &place, "parquet").await;
            assert!(written.is_err(), "{place} was written to");
        }
        assert_eq!(names(&folder), ["precious.txt"]);
        assert_eq!(std::fs::read_to_string(folder.join("precious.txt"))?, "keep");
        assert_eq!(target.names(), ["there"]);
        Ok(())
    })
}

/// Dates and times are written to CSV, with all that is behind the second, and read back.
#[test]
fn times_in_csv() -> Result<()> {
    let fixture = fixture()?;
    fixture.cluster.run(async {
        let oracle = fixture.oracle().await?;
        let target = Target::new()?;
        let query = "select id, at, arrow_cast(at, 'Timestamp(Second, None)') as whole,
            arrow_cast(at, 'Date32') as day,
            arrow_cast(arrow_cast(id, 'Int64') * 1001, 'Timestamp(Microsecond, None)') as micro
            from facts where at is not null";
        let folder = target.path("times/").display().to_string();
        copied(&oracle, query, &folder, "csv").await?;
        let written = format!(
            "select count(*), count(at), count(whole), count(day), count(micro),
                sum(date_part('hour', whole)), min(day), max(micro) from '{folder}'"
        );
        let expected = format!(
            "select count(*), count(at), count(whole), count(day), count(micro),
                sum(date_part('hour', whole)), min(day), max(micro) from ({query})"
        );
        let (found, _) = oracle.single(&written).await?;
        let (wanted, _) = oracle.single(&expected).await?;
        let shown = |batches: &[RecordBatch]| -> Result<String> {
            Ok(arrow::util::pretty::pretty_format_batches(batches)?.to_string())
        };
        let cells = |text: String| -> Vec<String> {
            let row = text.lines().nth(3).unwrap_or_default();
            row.split('|').map(|cell| cell.trim().to_string()).collect()
        };
        assert_eq!(cells(shown(&found.batches)?), cells(shown(&wanted.batches)?));
        Ok(())
    })
}
