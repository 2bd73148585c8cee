//! The table of what was measured.

use crate::Options;
use crate::measure::{RUNS, RUNS_OF_SHORT, SHORT_SECONDS};
use anyhow::{Context, Result};
use std::fmt::Write;
use std::path::Path;

/// The marks between which the table stands in `benches/README.md`.
const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// One measurement.
#[derive(Debug)]
pub(crate) struct Row {
    name: String,
    ours: f64,
    unit: &'static str,
    datafusion: Option<f64>,
    dask: Option<f64>,
}

impl Row {
    pub(crate) fn seconds(
        name: &str,
        ours: f64,
        datafusion: Option<f64>,
        dask: Option<f64>,
    ) -> Self {
        Row { name: name.to_string(), ours, unit: "s", datafusion, dask }
    }

    pub(crate) fn plain(name: &str, ours: f64, unit: &'static str) -> Self {
        Row { name: name.to_string(), ours, unit, datafusion: None, dask: None }
    }

    fn cells(&self) -> [String; 6] {
        let show = |value: Option<f64>| value.map_or(String::new(), |v| format!("{v:.3}"));
        let ratio = |value: Option<f64>| value.map_or(String::new(), |v| format!("{v:.2}"));
        [
            self.name.clone(),
            format!("{:.3} {}", self.ours, self.unit),
            show(self.datafusion),
            ratio(self.datafusion.map(|theirs| self.ours / theirs)),
            show(self.dask),
            ratio(self.dask.map(|theirs| theirs / self.ours)),
        ]
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| what | Partita | DataFusion, one process (s) | Partita / DataFusion | Dask (s) | Dask / Partita |\n|---|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let _ = writeln!(text, "| {} |", row.cells().join(" | "));
    }
    text
}

/// Prints the table.
#[expect(clippy::print_stdout, reason = "the answer")]
pub(crate) fn print(rows: &[Row]) {
    println!("{}", table(rows));
}

/// Puts the table in its place in `benches/README.md`.
pub(crate) fn write(rows: &[Row], options: &Options) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let (before, rest) =
        text.split_once(BEGIN).context("benches/README.md has no place for the table")?;
    let (_, after) =
        rest.split_once(END).context("benches/README.md has no place for the table")?;
    let head = format!(
        "Scale {}; medians of {RUNS} runs, of {RUNS_OF_SHORT} where one takes less than {SHORT_SECONDS} s, after one that is not counted.\n\n",
        options.scale,
    );
    std::fs::write(&path, format!("{before}{BEGIN}\n{head}{}{END}{after}", table(rows)))?;
    Ok(())
}
