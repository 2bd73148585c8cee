//! Data several times a worker's memory.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::ipc::reader::StreamReader;
use partita_tests::process::data::{NUMBERS_ROWS, WIDE_ROWS, numbers, wide, wide_text_bytes};
use partita_tests::process::{Cluster, LONG, Process, status_bytes};
use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The worker's limit, in bytes.
const LIMIT_BYTES: u64 = 256 << 20;
/// Below this limit a worker may exceed it, by so much.
const SMALL_LIMIT_BYTES: u64 = 256 << 20;
const SMALL_EXCESS_BYTES: u64 = 32 << 20;
/// How often the resident set is measured.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(20);

/// The resident set of a worker, measured again and again until it is checked.
struct Watch {
    peak: JoinHandle<u64>,
    is_over: Arc<AtomicBool>,
    limit_bytes: u64,
}

impl Watch {
    fn over(worker: &Process, limit_bytes: u64) -> Self {
        let (pid, is_over) = (worker.pid(), Arc::new(AtomicBool::new(false)));
        let ends = Arc::clone(&is_over);
        let peak = std::thread::spawn(move || {
            let mut peak = 0;
            while !ends.load(Ordering::Relaxed) {
                peak = peak.max(status_bytes(pid, "VmRSS").unwrap_or(0));
                std::thread::sleep(SAMPLE_INTERVAL);
            }
            peak
        });
        Watch { peak, is_over, limit_bytes }
    }

    /// The worker never used more than it may.
    fn check(self, what: &str) {
        self.is_over.store(true, Ordering::Relaxed);
        let peak = self.peak.join().expect("the measurements");
        let excess = if self.limit_bytes < SMALL_LIMIT_BYTES { SMALL_EXCESS_BYTES } else { 0 };
        let (peak_mib, limit_mib) = (peak >> 20, self.limit_bytes >> 20);
        println!("{what}: at most {peak_mib} MiB resident of {limit_mib}");
        assert!(peak > 0 && peak < self.limit_bytes + excess, "{what}: {peak_mib} of {limit_mib}");
    }
}

fn watch(cluster: &Cluster) -> Watch {
    Watch::over(&cluster.workers[0], LIMIT_BYTES)
}

fn cluster() -> Cluster {
    Cluster::start(1, &["--memory-limit=256MiB"])
}

/// A group-by with as many keys as rows finishes by spilling, and is right.
#[test]
fn a_group_by_spills() {
    let cluster = cluster();
    let watch = watch(&cluster);
    let query = format!(
        "select count(*), sum(n), sum(total) from \
         (select s, count(*) as n, sum(k) as total from '{}' group by s)",
        wide().display()
    );
    let n = WIDE_ROWS;
    assert_eq!(cluster.sql(&query), format!("{n},{n},{}\n", n * (n - 1) / 2));
    watch.check("group-by");
}

/// A join of two large tables finishes by spilling, and is right.
#[test]
fn a_join_spills() {
    let cluster = cluster();
    let watch = watch(&cluster);
    let folder = wide();
    let folder = folder.display();
    let query = format!(
        "select count(*), sum(x.k), sum(length(x.s) + length(y.s)) \
         from '{folder}' x join '{folder}' y on x.a = y.k"
    );
    let n = WIDE_ROWS;
    let expected = format!("{n},{},{}\n", n * (n - 1) / 2, 2 * wide_text_bytes());
    assert_eq!(cluster.sql(&query), expected);
    watch.check("join");
}

/// A merge reads far more spilled partitions at once than there are threads that read the disk: none
/// of them holds a thread while it waits for its turn, or the merge would wait for ever.
#[test]
fn many_spilled_partitions_are_merged() {
    const COPIES: i64 = 6;
    let cluster = Cluster::start(1, &["--memory-limit=128MiB"]);
    let part = format!("select k, s from '{}'", numbers().display());
    let parts = vec![part; COPIES as usize].join(" union all ");
    let query = format!("select k, s from ({parts}) order by k");
    let args = ["sql", "--output=arrow", "--output-file=merged.arrow", &query];
    cluster.place.start(args).finish(LONG).ok();
    let job = cluster.last_job().expect("the job");
    assert!(cluster.stages(&job)[0].tasks.done >= 24, "{job:?}");
    let file = File::open(cluster.place.path("data").join("merged.arrow")).expect("the result");
    let reader = StreamReader::try_new(BufReader::new(file), None).expect("a stream");
    let mut next = 0;
    for batch in reader {
        for k in batch.expect("a batch").column(0).as_primitive::<Int64Type>().values() {
            assert_eq!(*k, next / COPIES);
            next += 1;
        }
    }
    assert_eq!(next, NUMBERS_ROWS as i64 * COPIES);
}

/// A sort of all columns finishes by spilling, and what streams to the client is in order and whole.
#[test]
fn a_sort_spills() {
    let cluster = cluster();
    let watch = watch(&cluster);
    let query = format!("select a, k, s from '{}' order by a", wide().display());
    let args = ["sql", "--output=arrow", "--output-file=sorted.arrow", &query];
    cluster.place.start(args).finish(LONG).ok();
    watch.check("sort");
    let file = File::open(cluster.place.path("data").join("sorted.arrow")).expect("the result");
    let reader = StreamReader::try_new(BufReader::new(file), None).expect("a stream");
    let (mut next, mut sum, mut text_bytes) = (0, 0, 0);
    for batch in reader {
        let batch = batch.expect("a batch");
        // `a` is a permutation of the row numbers: in order it counts up.
        for a in batch.column(0).as_primitive::<Int64Type>().values() {
            assert_eq!(*a, next);
            next += 1;
        }
        sum += batch.column(1).as_primitive::<Int64Type>().values().iter().sum::<i64>();
        let text = batch.column(2).as_string_view();
        text_bytes += text.iter().map(|text| text.map_or(0, str::len)).sum::<usize>() as u64;
    }
    let n = WIDE_ROWS as i64;
    assert_eq!((next, sum, text_bytes), (n, n * (n - 1) / 2, wide_text_bytes()));
}

/// The rows after a large offset come from a sort that spills, not from a heap of all rows before them.
#[test]
fn a_large_offset_spills() {
    let cluster = cluster();
    let watch = watch(&cluster);
    let offset = WIDE_ROWS - 2;
    let query = format!("select a from '{}' order by a limit 3 offset {offset}", wide().display());
    assert_eq!(cluster.sql(&query), format!("{}\n{}\n", offset, offset + 1));
    watch.check("offset");
}

/// Rows that are written by the values of a column need one file at a time, and keep their order.
#[test]
fn partitioned_files_are_written_one_after_another() {
    let cluster = cluster();
    let watch = watch(&cluster);
    let query = format!(
        "copy (select a, s, a % 200 as p from '{}' order by a) to 'parts' \
         stored as parquet partitioned by (p)",
        wide().display()
    );
    cluster.sql(&query);
    watch.check("partitioned files");
    let (n, text) = (WIDE_ROWS, wide_text_bytes());
    let sums = "select count(*), sum(a), sum(length(s)), count(distinct p), \
                sum(case when a % 200 = cast(p as bigint) then 0 else 1 end) from 'parts'";
    assert_eq!(cluster.sql(sums), format!("{n},{},{text},200,0\n", n * (n - 1) / 2));
    let first = cluster.sql("select a from 'parts/p=7'");
    let values: Vec<u64> = first.lines().map(|line| line.parse().expect("a number")).collect();
    assert!(values.is_sorted() && values.len() as u64 == (n - 7).div_ceil(200), "{}", values.len());
}
