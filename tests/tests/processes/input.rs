//! Files that are not there, not whole, not allowed, and disks that are full.

use partita_tests::process::data::{NUMBERS_ROWS, numbers};
use partita_tests::process::{Cluster, LONG, Place, rows};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Every kind of bad file is an error that names the file and says what is wrong with it, on a
/// cluster and without one; the cluster goes on.
#[test]
fn bad_files_are_named() {
    let cluster = Cluster::start(2, &[]);
    let alone = Place::new();
    for place in [&cluster.place, &alone] {
        let whole = std::fs::read(numbers().join("0.parquet")).expect("a file");
        place.write("noise.parquet", (0..9999_u32).map(|n| (n * n) as u8).collect::<Vec<_>>());
        place.write("cut.parquet", &whole[..whole.len() / 2]);
        // Its footer is whole, what that points at is not there.
        place.write("hollow.parquet", &whole[whole.len() / 2..]);
        let mut damaged = whole;
        damaged[1000..200_000].fill(0x5a);
        place.write("damaged.parquet", damaged);
        place.write("ragged.csv", "a,b\n1,2\n3\n4,5,6\n");
        place.write("words.csv", "a\n1\n2\nthree\n");
        place.write("list.json", "{\"a\": 1}\n{\"a\": \n");
        let fails = |query: &str, words: &[&str]| {
            let ran = place.run(["sql", query]);
            let error = ran.fails(1, words);
            assert!(error.starts_with("error: ") && error.len() < 2000, "{error}");
        };
        fails("select * from 'nowhere.parquet'", &["nowhere.parquet"]);
        fails("select * from 'no/such/folder/'", &["no/such/folder"]);
        fails("select * from 'no*.csv'", &["no*.csv"]);
        fails("select * from 'noise.parquet'", &["noise.parquet"]);
        fails("select max(s) from 'cut.parquet'", &["cut.parquet"]);
        fails("select max(s) from 'hollow.parquet'", &["hollow.parquet"]);
        fails("select max(s), sum(k) from 'damaged.parquet'", &["damaged.parquet"]);
        fails("select * from 'ragged.csv'", &["ragged.csv", "line 3"]);
        fails("select sum(cast(a as bigint)) from 'words.csv'", &["three"]);
        fails("select * from 'list.json'", &["list.json"]);
    }
    assert_eq!(cluster.sql("select 1"), "1\n");
    assert_eq!(cluster.status().workers_lost, 0);
}

/// An error in a statement shows the line and marks the place; one in a name says which names
/// there are.
#[test]
fn errors_in_sql_are_marked() {
    let place = Place::new();
    place.write("people.csv", "name,age\nAda,36\n");
    let ran = place.run(["sql", "select name,\n  age frm 'people.csv' wher age > 3"]);
    let error = ran.fails(1, &["\n    age frm 'people.csv' wher age > 3\n"]);
    let marked = error.lines().last().expect("a line");
    assert_eq!(marked.trim(), "^", "{error}");
    let line = "    age frm 'people.csv' wher age > 3";
    let at = &line[marked.len() - 1..];
    assert!(at.starts_with("'people.csv'"), "{error}");
    let ran = place.run(["sql", "select nam from 'people.csv'"]);
    ran.fails(1, &["nam", "name", "age"]);
    place.run(["sql", "select nothing(1)"]).fails(1, &["nothing"]);
    place.run(["sql", "create table t (a int)"]).fails(1, &["CREATE TABLE name AS query"]);
}

/// An invalid command line ends with 2 and lists what is accepted.
#[test]
fn unknown_flags_are_refused() {
    let place = Place::new();
    place.run(["worker", "--nworker", "2"]).fails(2, &["--nworker", "--nworkers"]);
    place.run(["scheduler", "--porte=1"]).fails(2, &["--porte", "--port"]);
    place.run(["no-such-command"]).fails(2, &["no-such-command"]);
    place.run(["worker", "--memory-limit=many"]).fails(2, &["--memory-limit", "many"]);
    place.run(["worker", "--nthreads=0"]).fails(2, &["--nthreads"]);
    place.run(["worker", "--death-timeout=soon"]).fails(2, &["--death-timeout", "soon"]);
    place.run(["worker", "no-address"]).fails(1, &["no-address", "host:port"]);
    let little = place.run(["worker", "--memory-limit=1MiB", "127.0.0.1:1"]);
    little.fails(1, &["memory"]);
    place.run(["scheduler", "--name=../up"]).fails(1, &["../up", "name"]);
}

/// Has the command run without the right of root to pass over modes. Others never had it.
fn without_override(command: &mut Command) {
    const CAP_DAC_OVERRIDE: libc::c_ulong = 1;
    const CAP_DAC_READ_SEARCH: libc::c_ulong = 2;
    #[expect(unsafe_code, reason = "the closure makes system calls alone and allocates nothing")]
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0);
            libc::prctl(libc::PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH, 0, 0, 0);
            Ok(())
        });
    }
}

/// A folder and a file that the user may not read are named in the error, and so is a folder that
/// nothing may be written into.
#[test]
fn folders_can_be_forbidden() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let data = place.path("data");
    std::fs::create_dir(data.join("closed")).expect("a folder");
    std::fs::write(data.join("closed/a.csv"), "a\n1\n").expect("a file");
    std::fs::create_dir(data.join("fixed")).expect("a folder");
    place.write("secret.csv", "a\n1\n");
    let mode = |name: &str, mode| {
        std::fs::set_permissions(data.join(name), PermissionsExt::from_mode(mode)).expect("chmod");
    };
    let run = |args: &[&str]| {
        let mut command = place.command(args);
        without_override(&mut command);
        place.spawn("forbidden", command).finish(LONG)
    };
    for (name, bits) in [("closed", 0o000), ("fixed", 0o500), ("secret.csv", 0o000)] {
        mode(name, bits);
    }
    run(&["sql", "select * from 'closed/'"]).fails(1, &["closed", "denied"]);
    run(&["sql", "select * from 'secret.csv'"]).fails(1, &["secret.csv", "denied"]);
    run(&["sql", "copy (select 1 as a) to 'fixed/out/'"]).fails(1, &["fixed", "denied"]);
    let worker = run(&["worker", "--local-directory=fixed/scratch", "127.0.0.1:1"]);
    worker.fails(1, &["fixed/scratch", "denied"]);
    mode("closed", 0o700);
    mode("fixed", 0o700);
}

/// A file system of a few megabytes, gone when this is dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    /// None where this user may not make one.
    fn mount(folder: &Path) -> Option<Self> {
        std::fs::create_dir(folder).expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=24m", "none"]).arg(folder);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then(|| SmallDisk(folder.to_path_buf()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a worker that was killed just now may still have a file open.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// A query that must spill some hundred megabytes.
fn spilling() -> String {
    format!("select s, k, v, g from '{}' order by v desc, s", numbers().display())
}

/// A worker whose scratch disk is full says which folder it is, and the query fails if there is no
/// other worker; with one that has room it does not fail.
#[test]
fn a_disk_can_be_full() {
    let mut cluster = Cluster::start(0, &[]);
    let folder = cluster.place.path("small");
    let Some(_disk) = SmallDisk::mount(&folder) else {
        println!("skipped: this user may not mount a file system");
        return;
    };
    let directory = format!("--local-directory={}", folder.display());
    cluster.add_worker(&[&directory, "--memory-limit=128MiB"]);
    cluster.wait_workers(1);
    let query = spilling();
    let ran = cluster.start_sql(&query).finish(LONG);
    let small = folder.display().to_string();
    ran.fails(1, &[&small, "No space left on device", "--local-directory"]);
    cluster.wait_idle(LONG);
    // Only the folder and its lock are left: the disk is usable again.
    assert_eq!(cluster.sql("select count(*) from generate_series(1, 1000)"), "1000\n");
    cluster.add_worker(&["--memory-limit=128MiB"]);
    cluster.wait_workers(2);
    let ran = cluster.start_sql(&query).finish(LONG);
    let rows = rows(&ran);
    assert_eq!(rows.lines().count() as u64, NUMBERS_ROWS);
    let last = NUMBERS_ROWS - 1;
    assert!(
        rows.starts_with(&format!("row-{last},{last},{}.5,999\n", last / 2)),
        "{}",
        &rows[..80]
    );
    assert!(rows.ends_with("row-0,0,0.0,0\n"));
}
