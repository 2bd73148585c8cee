//! Data that tests of processes query. It is made once and kept below the target folder.

use crate::process::{LONG, Place, program};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Rows of [`numbers`].
pub const NUMBERS_ROWS: u64 = 2_000_000;
/// Files of [`numbers`].
const NUMBERS_FILES: u64 = 8;
/// Different values of `g` in [`numbers`].
pub const NUMBERS_GROUPS: u64 = 1000;
/// Raised when the data changes, so that what an earlier version left is not used.
const VERSION: u32 = 1;
/// Applications of `md5` in [`slow`]: one row costs some microseconds.
const SLOW_ROUNDS: usize = 12;

/// Rows of [`wide`]: a prime, so that multiplying by another and taking the rest is a permutation.
pub const WIDE_ROWS: u64 = 8_000_009;
/// The factor of that permutation.
const WIDE_FACTOR: u64 = 7919;
/// Files of [`wide`].
const WIDE_FILES: u64 = 4;
/// Bytes of each text in [`wide`].
const WIDE_TEXT_BYTES: u64 = 32;

/// One process makes the data at a time: the others wait for it.
static MAKING: Mutex<()> = Mutex::new(());

/// A folder that is kept, made by `make` if it is not there yet.
fn kept(name: &str, make: impl FnOnce(&Place, &Path)) -> PathBuf {
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let target = program().parent().and_then(Path::parent).expect("the target folder").join("tmp");
    let folder = target.join(format!("partita-{name}-{VERSION}"));
    if folder.is_dir() {
        return folder;
    }
    let draft = target.join(format!("partita-{name}-{VERSION}.{}", std::process::id()));
    std::fs::create_dir_all(&draft).expect("a folder for data");
    make(&Place::new(), &draft);
    // Another test run may have been faster: then its folder is as good.
    if std::fs::rename(&draft, &folder).is_err() {
        std::fs::remove_dir_all(&draft).expect("the draft goes");
    }
    folder
}

/// Runs statements that write data.
fn make(place: &Place, sql: &str) {
    place.write("make.sql", sql);
    let args = ["sql", "--embedded", "--progress=none", "--file=make.sql"];
    place.start(args).finish(LONG).ok();
}

/// Parquet files with [`NUMBERS_ROWS`] rows: `k` counts from 0, `g` is `k` modulo
/// [`NUMBERS_GROUPS`], `v` is half of `k`, `s` is `row-k`.
pub fn numbers() -> PathBuf {
    kept("numbers", |place, folder| {
        let each = NUMBERS_ROWS / NUMBERS_FILES;
        let mut sql = String::new();
        for file in 0..NUMBERS_FILES {
            let (first, last) = (file * each, (file + 1) * each - 1);
            let path = folder.join(format!("{file}.parquet"));
            writeln!(
                sql,
                "copy (select value as k, value % {NUMBERS_GROUPS} as g, value * 0.5 as v, \
                 concat('row-', cast(value as varchar)) as s \
                 from generate_series({first}, {last})) to '{}';",
                path.display()
            )
            .expect("text");
        }
        let file = place.write("numbers.sql", sql);
        place
            .run(["sql".as_ref(), "--embedded".as_ref(), "--file".as_ref(), file.as_os_str()])
            .ok();
    })
}

/// Parquet files with [`WIDE_ROWS`] rows: `k` counts from 0, `a` is a permutation of it, `s` is a text
/// that is different in each row. In memory that is more than half a gigabyte.
pub fn wide() -> PathBuf {
    kept("wide", |place, folder| {
        let each = WIDE_ROWS.div_ceil(WIDE_FILES);
        let mut sql = String::new();
        for file in 0..WIDE_FILES {
            let (first, end) = (file * each, ((file + 1) * each).min(WIDE_ROWS));
            let path = folder.join(format!("{file}.parquet"));
            writeln!(
                sql,
                "copy (select value as k, value * {WIDE_FACTOR} % {WIDE_ROWS} as a, \
                 md5(cast(value as varchar)) as s \
                 from generate_series({first}, {})) to '{}';",
                end - 1,
                path.display()
            )
            .expect("text");
        }
        make(place, &sql);
    })
}

/// Bytes of all texts of [`wide`].
pub fn wide_text_bytes() -> u64 {
    WIDE_ROWS * WIDE_TEXT_BYTES
}

/// An expression over an expression that gives text: it costs some microseconds, and its value is
/// always 32.
pub fn slow(text: &str) -> String {
    format!("length({}{text}{})", "md5(".repeat(SLOW_ROUNDS), ")".repeat(SLOW_ROUNDS))
}

/// A query over [`numbers`] that works for some seconds before its shuffle: a group-by.
pub fn slow_group_by() -> String {
    let (folder, slow) = (numbers(), slow("s"));
    format!(
        "select g, count(*) as n, sum(k) as total, sum({slow}) as chars from '{}' \
         group by g order by g",
        folder.display()
    )
}

/// The rows of [`slow_group_by`] as CSV.
pub fn slow_group_by_rows() -> String {
    let each = NUMBERS_ROWS / NUMBERS_GROUPS;
    let mut rows = String::new();
    for g in 0..NUMBERS_GROUPS {
        // k = g, g + 1000, g + 2000, ...
        let total = each * g + NUMBERS_GROUPS * (each * (each - 1) / 2);
        writeln!(rows, "{g},{each},{total},{}", each * 32).expect("text");
    }
    rows
}

/// A query over [`numbers`] that shuffles soon and works for some seconds on what it has shuffled:
/// a join and then a group-by.
pub fn slow_join() -> String {
    let (folder, slow) = (numbers(), slow("concat(a.s, b.s)"));
    let folder = folder.display();
    format!(
        "select count(*) as n, sum(a.k) as total, sum({slow}) as chars \
         from '{folder}' a join '{folder}' b on a.k = b.k"
    )
}

/// [`slow_join`] a hundred times over: what it has shuffled lies there for minutes.
pub fn long_join() -> String {
    let (folder, slow) = (numbers(), slow("concat(a.s, b.s, cast(j as varchar))"));
    let folder = folder.display();
    format!(
        "select count(*) as n, sum({slow}) as chars \
         from '{folder}' a join '{folder}' b on a.k = b.k cross join generate_series(1, 100) as t(j)"
    )
}

/// The rows of [`slow_join`] as CSV.
pub fn slow_join_rows() -> String {
    let n = NUMBERS_ROWS;
    format!("{n},{},{}\n", n * (n - 1) / 2, n * 32)
}

/// A query over [`numbers`] in many tasks of a second or less each: one for each of `tasks`.
pub fn many_tasks(tasks: u64) -> String {
    let (folder, slow) = (numbers(), slow("s"));
    let part = |number: u64| {
        let file = folder.join(format!("{}.parquet", number % NUMBERS_FILES));
        format!("select sum({slow}) as c from '{}'", file.display())
    };
    let parts: Vec<String> = (0..tasks).map(part).collect();
    format!("select sum(c) as chars from ({})", parts.join(" union all "))
}

/// The rows of [`many_tasks`] as CSV.
pub fn many_tasks_rows(tasks: u64) -> String {
    format!("{}\n", tasks * (NUMBERS_ROWS / NUMBERS_FILES) * 32)
}

/// A query whose second stage is one task that works for half a minute or more.
pub fn one_long_task() -> String {
    let (file, slow) = (numbers().join("0.parquet"), slow("concat(s, cast(j as varchar))"));
    format!(
        "select count(*) as n, sum({slow}) as chars from '{}' \
         cross join generate_series(1, 40) as t(j)",
        file.display()
    )
}
