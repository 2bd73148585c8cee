//! `cargo xtask test`: all that must hold before a change lands.

use crate::command::{self, cargo, step};
use crate::mirror::Mirror;
use crate::options::Flags;
use crate::paths::Paths;
use crate::setup::{self, TestTools};
use crate::test_runs::{Tally, run_beside, run_tests};
use crate::web::{TARGET, Toolchain};
use crate::{browser, dashboard, docs, licenses, named_paths, wheel_tests, words};
use anyhow::Result;
use std::process::{Command, ExitCode};

/// The crates that must not know an operating system.
const WASM_CRATES: [&str; 3] = ["partita-shared", "partita-observe", "partita-core"];

/// Runs the command. Gives a failure if a test failed; the count is the last line either way.
///
/// # Errors
/// If a step before the tests fails.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let flags = Flags::parse(args, &["--quick"])?;
    let quick = flags.has("--quick");
    let mirror = Mirror::of(&Paths::find()?)?;
    let paths = &mirror.paths;
    step("format", || {
        command::run(cargo(paths).args(["fmt", "--all", "--", "--check"]))?;
        command::run(dashboard::host_cargo(paths).args(["fmt", "--", "--check"]))
    })?;
    step("words", || words::check(&paths.root))?;
    step("paths in documents", || named_paths::check(&paths.root))?;
    let mut tally = Tally::default();
    if !quick {
        let toolchain = setup::web(paths)?;
        step("check for wasm32", || check_for_wasm(paths, &toolchain))?;
        dashboard::build_with(paths, &toolchain)?;
        step("lints of the dashboard", || dashboard::lint(paths))?;
        let mut tests = dashboard::host_cargo(paths);
        tests.args(["test", "--locked", "--no-fail-fast"]);
        tally += step("tests of the dashboard", || run_tests(&mut tests))?;
    }
    let tools = setup::test_tools(paths)?;
    step("lints of the Python package", || lint_package(paths, &tools))?;
    setup::slurm()?;
    let modules = if quick { None } else { Some(setup::browser_tools(paths)?) };
    step("lints", || {
        let mut clippy = cargo(paths);
        clippy.args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]);
        command::run(&mut clippy)
    })?;
    step("licences of crates", || licenses::check(paths))?;
    // The program that is built below prints them.
    licenses::write(paths, &paths.licenses())?;
    step("documents", || command::run(&mut documents(paths)))?;
    step("build", || {
        let mut build = cargo(paths);
        build.args(["build", "--workspace", "--locked"]);
        command::run(&mut build)
    })?;
    if !quick {
        docs::build(paths, &paths.binary("debug", "partita"), &paths.site())?;
    }
    step("build of the tests", || command::run(workspace_tests(paths, &tools).arg("--no-run")))?;
    tally += step("tests", || {
        run_beside(&mut workspace_tests(paths, &tools), &mut slurm_tests(paths, &tools))
    })?;
    tally += step("tests of the Python clients", || run_tests(&mut python_tests(paths, &tools)))?;
    tally += step("tests of the Python package", || run_tests(&mut package_tests(paths, &tools)))?;
    tally += step("wheel", || {
        let (passed, failed) = wheel_tests::run(paths)?;
        Ok(Tally { passed, failed })
    })?;
    if let Some(modules) = modules {
        let mut tests = browser::tests(paths, &modules)?;
        tally += step("tests in a browser", || run_tests(&mut tests))?;
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check_for_wasm(paths: &Paths, toolchain: &Toolchain) -> Result<()> {
    let mut check = toolchain.command("cargo");
    check.current_dir(&paths.root).env("CARGO_TARGET_DIR", paths.web_target());
    check.args(["check", "--locked", "--target", TARGET]);
    for name in WASM_CRATES {
        check.args(["-p", name]);
    }
    command::run(&mut check)
}

/// The documents of all crates, in which a broken link is an error.
fn documents(paths: &Paths) -> Command {
    let mut doc = cargo(paths);
    doc.args(["doc", "--no-deps", "--workspace", "--locked"]).env("RUSTDOCFLAGS", "-D warnings");
    doc
}

fn workspace_tests(paths: &Paths, tools: &TestTools) -> Command {
    let mut tests = cargo(paths);
    tests
        .args(["test", "--workspace", "--locked", "--no-fail-fast"])
        .env("PARTITA_TEST_DATA", &tools.data)
        .env("PARTITA_TEST_PYTHON", &tools.python)
        .env("PARTITA_PROMTOOL", &tools.promtool);
    tests
}

/// The tests on a real Slurm, which the others leave out: they wait more than they compute.
fn slurm_tests(paths: &Paths, tools: &TestTools) -> Command {
    let mut tests = workspace_tests(paths, tools);
    tests.args(["--test", "slurm", "--", "--ignored"]);
    tests
}

/// Clients of others, in Python, against a cluster that stands around them.
fn python_tests(paths: &Paths, tools: &TestTools) -> Command {
    let mut tests = command::program(paths.binary("debug", "partita"));
    tests.args(["run", "--workers", "2", "--threads", "1", "--headless", "--"]);
    tests.arg(&tools.python).args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/python"]);
    tests.current_dir(&paths.root).env("PARTITA_TEST_DATA", &tools.data);
    tests
}

/// A command of Python on the package, which leaves nothing in the checkout.
fn on_package(paths: &Paths, tools: &TestTools) -> Command {
    let mut python = command::program(&tools.python);
    python.current_dir(paths.root.join("python"));
    python.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONPATH", paths.root.join("python"));
    python
}

fn lint_package(paths: &Paths, tools: &TestTools) -> Result<()> {
    let cache = paths.cache.join("python-lints");
    let ruff = |arguments: &[&str]| {
        let mut ruff = on_package(paths, tools);
        ruff.args(["-m", "ruff"]).args(arguments).arg("--cache-dir").arg(cache.join("ruff"));
        // The examples are users' programs, in the style of the package, and so is what workers run.
        ruff.args(["--config", "pyproject.toml", ".", "../examples", "../docs/site"]);
        command::run(ruff.arg("../worker/src/python"))
    };
    ruff(&["format", "--check"])?;
    ruff(&["check", "--quiet"])?;
    let mut mypy = on_package(paths, tools);
    mypy.args(["-m", "mypy", "partita", "--cache-dir"]).arg(cache.join("mypy"));
    command::run(&mut mypy)
}

/// How long one test of the package may take, in seconds.
const PACKAGE_TEST_SECONDS_MAX: u32 = 600;

/// How many processes run tests of the package, each with a cluster of its own.
const PACKAGE_TEST_PROCESSES: u32 = 2;

/// The package's own tests, and the examples in its texts.
fn package_tests(paths: &Paths, tools: &TestTools) -> Command {
    let mut tests = on_package(paths, tools);
    tests.args(["-m", "pytest", "-q", "--doctest-modules", "partita", "tests"]);
    // The tests of one file share what they set up.
    tests.arg(format!("--numprocesses={PACKAGE_TEST_PROCESSES}")).arg("--dist=loadfile");
    // A test that hangs ends the run with the stacks of all threads, instead of keeping it until somebody looks.
    tests.arg(format!("--timeout={PACKAGE_TEST_SECONDS_MAX}")).arg("--timeout-method=thread");
    tests.env("PARTITA_PROGRAM", paths.binary("debug", "partita"));
    tests.env("PARTITA_TEST_STORES_PYTHON", &tools.stores);
    tests
}
