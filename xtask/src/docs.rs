//! `cargo xtask docs`: the site of the documents, which loads nothing from elsewhere.
//!
//! `docs/site/pages.py` puts all pages into a folder, with those that are made from the program's help and the
//! package's docstrings. mkdocs makes the site of them, and refuses broken links.

use crate::command::{PROGRAM_VARIABLE, find_partita, program, run_quietly, step};
use crate::options::{Flags, split_value};
use crate::paths::Paths;
use crate::python;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// Runs the command.
///
/// # Errors
/// If the tools cannot be installed, or a page is wrong.
pub(crate) fn run_command(args: &[String]) -> Result<()> {
    let (out, rest) = split_value(args, "--out", "FOLDER")?;
    Flags::parse(&rest, &[])?;
    let paths = Paths::find()?;
    let out = match out {
        Some(folder) => std::path::absolute(folder).context("--out is not a usable path")?,
        None => paths.site(),
    };
    let partita = find_partita(&paths)?;
    build(&paths, &partita, &out)?;
    println!("{}", out.join("index.html").display());
    Ok(())
}

/// Builds the site into a folder, whose content is replaced.
///
/// # Errors
/// If the tools cannot be installed, a link is broken, or a page loads something from elsewhere.
pub(crate) fn build(paths: &Paths, partita: &Path, out: &Path) -> Result<()> {
    let package = step("Python packages", || python::ensure(paths))?;
    let tools = step("tools of the documents", || python::ensure_docs_tools(paths))?;
    let scripts = paths.root.join("docs/site");
    let staged = paths.cache.join("site-pages");
    let script = |python: &Path, name: &str| -> Command {
        let mut command = program(python);
        command.env("PYTHONDONTWRITEBYTECODE", "1").arg(scripts.join(name));
        command
    };
    step("pages", || {
        let mut pages = script(&package, "pages.py");
        pages.env("PYTHONPATH", paths.root.join("python")).env(PROGRAM_VARIABLE, partita);
        run_quietly(pages.arg(&staged).arg(partita))
    })?;
    step("site", || {
        let mut mkdocs = program(&tools);
        // It announces other products of its makers otherwise.
        mkdocs.env("NO_MKDOCS_2_WARNING", "1");
        mkdocs.args(["-m", "mkdocs", "build", "--strict", "--config-file"]);
        mkdocs.arg(staged.join("mkdocs.yml"));
        run_quietly(mkdocs.arg("--site-dir").arg(out))
    })?;
    step("origins", || run_quietly(script(&package, "origins.py").arg(out)))
}
