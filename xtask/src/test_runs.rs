//! Runs of tests: what they write is shown, their tests are counted, and those that failed are run again.

use crate::command::shown;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::ops::AddAssign;
use std::process::{Command, Stdio};

/// Failed tests that are run again at most: more are not unstable, but broken.
const RERUN_TESTS_MAX: usize = 20;

/// Tests that passed and that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

/// Who runs tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Runner {
    Cargo,
    Pytest,
    Node,
}

/// A test that failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Failed {
    runner: Runner,
    name: String,
}

/// What a run of tests has written.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    tally: Tally,
    failed: BTreeSet<Failed>,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Runs tests, shows what it writes, and counts its tests. If it fails without counting a
/// failed test (a test process that crashed, code that does not compile), that is one failure.
/// Tests that failed are run once more, only to report those that pass then: they failed all the same.
///
/// # Errors
/// If the runner cannot be started.
pub(crate) fn run_tests(tests: &mut Command) -> Result<Tally> {
    run_and_show(tests, &mut std::io::stdout())
}

/// Runs two sets of tests side by side. What the second one writes is shown when the first one has ended.
///
/// # Errors
/// If a runner cannot be started.
pub(crate) fn run_beside(first: &mut Command, second: &mut Command) -> Result<Tally> {
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| {
            let mut written = Vec::new();
            run_and_show(second, &mut written).map(|tally| (tally, written))
        });
        let mut tally = run_tests(first);
        let Ok(ended) = beside.join() else { bail!("a thread that runs tests ended early") };
        let (counted, written) = ended?;
        std::io::stdout().write_all(&written)?;
        if let Ok(tally) = &mut tally {
            *tally += counted;
        }
        tally
    })
}

fn run_and_show(tests: &mut Command, out: &mut impl Write) -> Result<Tally> {
    let Seen { tally, failed } = run_once(tests, out)?;
    if !failed.is_empty() && failed.len() <= RERUN_TESTS_MAX {
        writeln!(out, "{} failed and run again, to see whether they are unstable", failed.len())?;
        let second = run_once(&mut again(tests, &failed), out)?;
        if second.tally.passed > 0 {
            for Failed { name, .. } in failed.difference(&second.failed) {
                writeln!(out, "unstable: {name} failed, and passed when it was run again")?;
            }
        }
    }
    Ok(tally)
}

/// Runs tests once, and shows what it writes.
fn run_once(tests: &mut Command, out: &mut impl Write) -> Result<Seen> {
    let name = shown(tests);
    let mut child = tests
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start `{name}`"))?;
    let mut seen = match child.stdout.take() {
        Some(output) => show_and_count(BufReader::new(output), out)
            .with_context(|| format!("could not read what `{name}` writes"))?,
        None => Seen::default(),
    };
    let status = child.wait()?;
    if !status.success() {
        eprintln!("`{name}` ended with {status}");
        seen.tally.failed = seen.tally.failed.max(1);
    }
    Ok(seen)
}

/// The same tests, but those alone that failed.
fn again(tests: &Command, failed: &BTreeSet<Failed>) -> Command {
    let names = |runner| failed.iter().filter(move |f| f.runner == runner).map(|f| f.name.as_str());
    let mut again = Command::new(tests.get_program());
    if let Some(folder) = tests.get_current_dir() {
        again.current_dir(folder);
    }
    for (key, value) in tests.get_envs() {
        match value {
            Some(value) => again.env(key, value),
            None => again.env_remove(key),
        };
    }
    // Node takes what follows a file for the file's own.
    again.args(names(Runner::Node).map(|name| format!("--test-name-pattern={}", escaped(name))));
    again.args(tests.get_args());
    if names(Runner::Cargo).next().is_some() {
        // What follows the first `--` is for the test programs.
        let is_divided = tests.get_args().any(|argument| argument == "--");
        again.args((!is_divided).then_some("--")).arg("--exact").args(names(Runner::Cargo));
    }
    let python = names(Runner::Pytest).collect::<Vec<_>>().join(" or ");
    if !python.is_empty() {
        again.args(["-k", &python]);
    }
    again
}

/// A text as a regular expression that it matches.
fn escaped(text: &str) -> String {
    let special = |c: char| c.is_ascii_punctuation();
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

fn show_and_count(output: impl BufRead, out: &mut impl Write) -> std::io::Result<Seen> {
    let mut seen = Seen::default();
    // Not `lines()`: a test may print bytes that are not UTF-8.
    for line in output.split(b'\n') {
        let line = line?;
        out.write_all(&line)?;
        out.write_all(b"\n")?;
        let line = String::from_utf8_lossy(&line);
        seen.tally += parse_result(&line).unwrap_or_default();
        seen.failed.extend(parse_failed(&line));
    }
    Ok(seen)
}

/// Reads `test NAME ... FAILED`, pytest's `FAILED FILE::NAME[VALUES] - why`, or node's `✖ NAME (12.5ms)`.
fn parse_failed(line: &str) -> Option<Failed> {
    let failed = |runner, name: &str| Some(Failed { runner, name: name.to_string() });
    if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
    {
        return failed(Runner::Cargo, name);
    }
    if let Some((_, test)) = line.strip_prefix("FAILED ").and_then(|rest| rest.split_once("::")) {
        let name = test.split([' ', '[']).next().unwrap_or(test);
        return failed(Runner::Pytest, name.rsplit("::").next().unwrap_or(name));
    }
    let (name, time) = line.trim_start().strip_prefix("✖ ")?.rsplit_once(" (")?;
    time.ends_with("ms)").then(|| failed(Runner::Node, name))?
}

/// Reads `test result: ok. 3 passed; 0 failed; …`, pytest's `1 failed, 3 passed in 0.10s`, or one
/// of node's closing lines.
fn parse_result(line: &str) -> Option<Tally> {
    let Some(counts) = line.strip_prefix("test result: ") else {
        return parse_pytest(line).or_else(|| parse_node(line));
    };
    let count = |name: &str| {
        let words: Vec<&str> = counts.split([' ', ';', '.']).filter(|w| !w.is_empty()).collect();
        let at = words.iter().position(|word| *word == name)?;
        words.get(at.checked_sub(1)?)?.parse::<u64>().ok()
    };
    Some(Tally { passed: count("passed")?, failed: count("failed")? })
}

fn parse_pytest(line: &str) -> Option<Tally> {
    let (counts, _) = line.trim_matches(['=', ' ']).split_once(" in ")?;
    let mut tally = Tally::default();
    for part in counts.split(", ") {
        let (count, what) = part.split_once(' ')?;
        let count: u64 = count.parse().ok()?;
        match what {
            "passed" => tally.passed += count,
            "failed" | "error" | "errors" => tally.failed += count,
            "skipped" | "warning" | "warnings" | "deselected" | "xfailed" => {}
            _ => return None,
        }
    }
    Some(tally)
}

/// Reads one of the lines with which node's test runner ends: `ℹ pass 3`, `ℹ fail 1`, and
/// `ℹ cancelled 1` for a test that ran out of time or whose preparation failed.
fn parse_node(line: &str) -> Option<Tally> {
    let (what, count) = line.strip_prefix("ℹ ")?.split_once(' ')?;
    let count: u64 = count.trim_end().parse().ok()?;
    match what {
        "pass" => Some(Tally { passed: count, failed: 0 }),
        "fail" | "cancelled" => Some(Tally { passed: 0, failed: count }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The counts are read off both outcomes; other lines count nothing.
    #[test]
    fn results_are_counted() {
        let ok = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out";
        assert_eq!(parse_result(ok), Some(Tally { passed: 12, failed: 0 }));
        let bad = "test result: FAILED. 3 passed; 2 failed; 0 ignored; finished in 0.03s";
        assert_eq!(parse_result(bad), Some(Tally { passed: 3, failed: 2 }));
        assert_eq!(parse_result("test model::tests::works ... ok"), None);
        assert_eq!(parse_result("test result: unreadable"), None);
        let pytest = "1 failed, 37 passed, 2 warnings in 7.10s";
        assert_eq!(parse_result(pytest), Some(Tally { passed: 37, failed: 1 }));
        assert_eq!(parse_result("3 apples in a row"), None);
    }

    /// Node's closing lines are several, and each counts for itself; tests that are still to be
    /// done, the total and the time count nothing.
    #[test]
    fn closing_lines_of_node_are_counted() {
        let written = "✔ the page opens (12.1ms)\nℹ tests 8\nℹ suites 0\nℹ pass 4\nℹ fail 1\n\
            ℹ cancelled 2\nℹ skipped 0\nℹ todo 1\nℹ duration_ms 12.5\n";
        let seen = show_and_count(written.as_bytes(), &mut Vec::new()).unwrap();
        assert_eq!(seen.tally, Tally { passed: 4, failed: 3 });
        assert_eq!(parse_node("ℹ pass many"), None);
        assert_eq!(parse_node("pass 4"), None);
    }

    /// Counts of several test programs are summed, and all they write is passed on, text or not.
    #[test]
    fn output_is_shown_and_summed() {
        let written = b"test result: ok. 2 passed; 0 failed; 0 ignored\n\xff said a test\n\
            test result: FAILED. 1 passed; 3 failed; 0 ignored\n";
        let mut shown = Vec::new();
        let seen = show_and_count(&written[..], &mut shown).unwrap();
        assert_eq!(seen.tally, Tally { passed: 3, failed: 3 });
        assert_eq!(shown, written);
    }

    /// A run that ends badly without a failed test is a failure all the same.
    #[test]
    fn a_crash_is_a_failure() {
        let tally = run_tests(Command::new("sh").args(["-c", "exit 101"])).unwrap();
        assert_eq!(tally, Tally { passed: 0, failed: 1 });
    }

    /// Each runner names the failed tests, and is told to run only those.
    #[test]
    fn failed_tests_are_run_again() {
        let name = |line| parse_failed(line).map(|failed| (failed.runner, failed.name));
        let found = |runner, name: &str| Some((runner, name.to_string()));
        assert_eq!(name("test fair::a_turn ... FAILED"), found(Runner::Cargo, "fair::a_turn"));
        assert_eq!(name("test fair::a_turn ... ok"), None);
        let python = "FAILED tests/test_a.py::test_b[x - y] - assert 1 == 2";
        assert_eq!(name(python), found(Runner::Pytest, "test_b"));
        assert_eq!(name("  ✖ a page (opens) (12.5ms)"), found(Runner::Node, "a page (opens)"));
        assert_eq!(name("✖ failing tests:"), None);
        let failed = |line| BTreeSet::from_iter(parse_failed(line));
        let mut cargo = Command::new("cargo");
        cargo.args(["test", "--workspace"]).env("KEY", "value").current_dir("/");
        let second = again(&cargo, &failed("test fair::a_turn ... FAILED"));
        assert_eq!(shown(&second), "cargo test --workspace -- --exact fair::a_turn");
        assert!(second.get_envs().eq(cargo.get_envs()));
        let mut slurm = Command::new("cargo");
        slurm.args(["test", "--test", "slurm", "--", "--ignored"]);
        let second = again(&slurm, &failed("test faults::a_kill ... FAILED"));
        assert_eq!(shown(&second), "cargo test --test slurm -- --ignored --exact faults::a_kill");
        let mut pytest = Command::new("python");
        pytest.args(["-m", "pytest", "tests"]);
        assert_eq!(shown(&again(&pytest, &failed(python))), "python -m pytest tests -k test_b");
        let mut node = Command::new("node");
        node.args(["--test", "a.test.mjs"]);
        let second = again(&node, &failed("✖ a page (opens) (12.5ms)"));
        assert_eq!(shown(&second), "node --test-name-pattern=a page \\(opens\\) --test a.test.mjs");
    }

    /// A test that fails and then passes has failed.
    #[test]
    fn an_unstable_test_has_failed() {
        let folder = std::env::temp_dir().join(format!("partita-xtask-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let script = "if [ -e seen ]; then echo 'test result: ok. 1 passed; 0 failed'; else touch seen; \
            echo 'test a ... FAILED'; echo 'test result: FAILED. 2 passed; 1 failed'; exit 1; fi";
        let (mut tests, mut out) = (Command::new("sh"), Vec::new());
        tests.args(["-c", script]).current_dir(&folder);
        let tally = run_and_show(&mut tests, &mut out).unwrap();
        assert_eq!(tally, Tally { passed: 2, failed: 1 });
        let out = String::from_utf8(out).unwrap();
        assert!(out.ends_with("unstable: a failed, and passed when it was run again\n"), "{out}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
