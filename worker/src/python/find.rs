//! Which Python runs the functions of a client: the first of a few that has its version.

use crate::python::PythonError;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The Python that a client runs, as the client describes it.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Environment {
    /// Its version: major and minor.
    pub(super) python: (u32, u32),
    /// Its path.
    #[serde(default)]
    pub(super) executable: String,
    /// Whether its path was chosen by the user, so that no other will do.
    #[serde(default)]
    pub(super) is_chosen: bool,
}

impl Environment {
    /// Reads the description of a client.
    pub(super) fn read(text: &str) -> Result<Self, PythonError> {
        serde_json::from_str(text)
            .map_err(|error| PythonError::Protocol(format!("an unreadable environment: {error}")))
    }

    /// The programs to try, in this order. `chosen` is that of the worker's command line.
    pub(super) fn candidates(&self, chosen: Option<&Path>) -> Vec<PathBuf> {
        if let Some(chosen) = chosen {
            return vec![chosen.to_path_buf()];
        }
        let own = PathBuf::from(&self.executable);
        if self.is_chosen {
            return vec![own];
        }
        let mut found = Vec::new();
        if own.is_absolute() && own.exists() {
            found.push(own);
        }
        for variable in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
            let folder = std::env::var_os(variable).map(PathBuf::from);
            found.extend(folder.map(|folder| folder.join("bin").join("python")));
        }
        let (major, minor) = self.python;
        found.push(PathBuf::from(format!("python{major}.{minor}")));
        found.push(PathBuf::from("python3"));
        found.dedup();
        found
    }

    /// Whether this version can run what the client pickled.
    pub(super) fn fits(&self, version: &str) -> bool {
        let mut numbers = version.split('.').map(str::parse::<u32>);
        let mut next = || numbers.next().and_then(Result::ok);
        (next(), next()) == (Some(self.python.0), Some(self.python.1))
    }

    /// The version, for display.
    pub(super) fn version(&self) -> String {
        format!("{}.{}", self.python.0, self.python.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only the same minor version fits.
    #[test]
    fn versions_are_compared() {
        let client = Environment::read(r#"{"python": [3, 11], "executable": ""}"#).unwrap();
        assert!(client.fits("3.11.2") && client.fits("3.11"));
        assert!(!client.fits("3.1.12") && !client.fits("3.12.0") && !client.fits(""));
    }

    /// What the worker's command line names is the only one, then what the user chose.
    #[test]
    fn choices_are_heeded() {
        let client = Environment {
            python: (3, 11),
            executable: "/none/python".to_string(),
            is_chosen: true,
        };
        let chosen = client.candidates(Some(Path::new("/opt/python")));
        assert_eq!(chosen, [PathBuf::from("/opt/python")]);
        assert_eq!(client.candidates(None), [PathBuf::from("/none/python")]);
        let any = Environment { is_chosen: false, ..client };
        let found = any.candidates(None);
        assert!(!found.contains(&PathBuf::from("/none/python")));
        assert_eq!(found.last(), Some(&PathBuf::from("python3")));
    }
}
