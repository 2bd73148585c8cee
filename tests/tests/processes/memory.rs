//! Data several times a worker's memory.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::ipc::reader::StreamReader;
use partita_tests::process::data::{NUMBERS_ROWS, WIDE_ROWS, numbers, wide, wide_text_bytes};
use partita_tests::process::{Cluster, LONG, status_bytes};
use std::fs::File;
use std::io::BufReader;

/// The worker's limit, in bytes.
const LIMIT_BYTES: u64 = 256 << 20;
/// What its resident set may be at most: the limit, a half more, and what the program itself takes.
const PEAK_BYTES_MAX: u64 = LIMIT_BYTES + LIMIT_BYTES / 2 + (100 << 20);

/// The largest resident set so far.
fn check_peak(cluster: &Cluster, what: &str) {
    let peak = status_bytes(cluster.workers[0].pid(), "VmHWM").expect("the worker's memory");
    println!("{what}: at most {} MiB resident", peak >> 20);
    assert!(peak < PEAK_BYTES_MAX, "{what}: {} MiB were resident", peak >> 20);
}

fn cluster() -> Cluster {
    Cluster::start(1, &["--memory-limit=256MiB"])
}

/// A group-by with as many keys as rows finishes by spilling, and is right.
#[test]
fn a_group_by_spills() {
    let cluster = cluster();
    let query = format!(
        "select count(*), sum(n), sum(total) from \
         (select s, count(*) as n, sum(k) as total from '{}' group by s)",
        wide().display()
    );
    let n = WIDE_ROWS;
    assert_eq!(cluster.sql(&query), format!("{n},{n},{}\n", n * (n - 1) / 2));
    check_peak(&cluster, "group-by");
}

/// A join of two large tables finishes by spilling, and is right.
#[test]
fn a_join_spills() {
    let cluster = cluster();
    let folder = wide();
    let folder = folder.display();
    let query = format!(
        "select count(*), sum(x.k), sum(length(x.s) + length(y.s)) \
         from '{folder}' x join '{folder}' y on x.a = y.k"
    );
    let n = WIDE_ROWS;
    let expected = format!("{n},{},{}\n", n * (n - 1) / 2, 2 * wide_text_bytes());
    assert_eq!(cluster.sql(&query), expected);
    check_peak(&cluster, "join");
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
    assert!(cluster.groups(&job)[0].tasks.done >= 24, "{job:?}");
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
    let query = format!("select a, k, s from '{}' order by a", wide().display());
    let args = ["sql", "--output=arrow", "--output-file=sorted.arrow", &query];
    cluster.place.start(args).finish(LONG).ok();
    check_peak(&cluster, "sort");
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
