//! What can go wrong with plans.

use datafusion::error::DataFusionError;

/// Why a plan could not be made, cut or sent.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The query is wrong: its author must change it.
    #[error("{0}")]
    Query(DataFusionError),
    /// A part of the plan has no wire form, so it can only run whole, planned where it runs.
    #[error("a part of the plan cannot be sent: {0}")]
    NotSendable(DataFusionError),
    /// A plan that a client built has more steps than its wire form takes.
    #[error(
        "the frame has too many steps, one within the other, to be sent: persist it on the way, and go on with what is held"
    )]
    TooDeep,
    /// A fragment from a peer is no fragment.
    #[error("a plan fragment could not be read: {0}")]
    Malformed(DataFusionError),
}

/// A DataFusion error without the internal prefixes that tell a user nothing.
pub fn plain(error: &DataFusionError) -> String {
    let text = error.find_root().to_string();
    let text = error_prefixes()
        .iter()
        .fold(text, |text, prefix| text.strip_prefix(prefix).map(str::to_string).unwrap_or(text));
    // What is wrong is enough: whom DataFusion's users should write to is not for these.
    let text = text.split("\nThis issue was likely caused by a bug").next().unwrap_or(&text);
    let text = text.split(".\nThis was likely caused by a bug").next().unwrap_or(text);
    match missing_table(text) {
        Some(name) => format!(
            "there is no table '{name}', and no file or folder with data of that name in the folder of the command"
        ),
        None => text.trim().to_string(),
    }
}

/// The name in `table 'partita.public.name' not found`.
fn missing_table(text: &str) -> Option<&str> {
    let name = text.trim().strip_prefix("table 'partita.public.")?.strip_suffix("' not found")?;
    // What was held and is no more has a name that nobody chose.
    (!name.starts_with("__")).then_some(name)
}

fn error_prefixes() -> [&'static str; 8] {
    [
        "Error during planning: ",
        "Execution error: ",
        "External error: ",
        "SQL error: ",
        "Schema error: ",
        "Arrow error: ",
        "Object Store error: ",
        "This feature is not implemented: ",
    ]
}
