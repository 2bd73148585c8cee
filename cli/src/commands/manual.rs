//! `partita man`: manual pages, for packages.

use crate::args::Args;
use anyhow::{Context, Result};
use clap::CommandFactory;
use std::path::Path;

/// Writes a page for the program and for each command that is not hidden.
pub(super) fn write(folder: &Path) -> Result<u8> {
    clap_mangen::generate_to(Args::command().name("partita"), folder)
        .with_context(|| format!("cannot write manual pages into '{}'", folder.display()))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    /// There is a page for the program, one for a command, and one for a command of a command.
    #[test]
    fn each_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        super::write(folder.path()).unwrap();
        for name in ["partita.1", "partita-run.1", "partita-slurm-scale.1"] {
            let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
            assert!(text.contains(".SH NAME"), "{name}");
        }
        assert!(!folder.path().join("partita-empty-tasks.1").exists());
    }
}
