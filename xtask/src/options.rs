//! Flags of a command.

use anyhow::{Context, Result};

/// Which of the known flags were given.
pub(crate) struct Flags(Vec<String>);

impl Flags {
    /// Reads flags.
    ///
    /// # Errors
    /// If one is not among the known ones.
    pub(crate) fn parse(args: &[String], known: &[&str]) -> Result<Self> {
        if let Some(other) = args.iter().find(|arg| !known.contains(&arg.as_str())) {
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            anyhow::bail!("unknown flag `{other}`; supported: {known}");
        }
        Ok(Self(args.to_vec()))
    }

    /// Whether this one was given.
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.0.iter().any(|given| given == flag)
    }

    /// Whether none was given.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Takes a flag that has a value out of the arguments. Gives the value, if it is there, and the others.
///
/// # Errors
/// If the flag stands there without a value, which `what` names.
pub(crate) fn split_value(
    args: &[String],
    flag: &str,
    what: &str,
) -> Result<(Option<String>, Vec<String>)> {
    let Some(at) = args.iter().position(|arg| arg == flag) else {
        return Ok((None, args.to_vec()));
    };
    let value = args.get(at + 1).with_context(|| format!("{flag} wants a value: {flag} {what}"))?;
    Ok((Some(value.clone()), [&args[..at], &args[at + 2..]].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value is taken with its flag, wherever it stands, and asked for where it is missing.
    #[test]
    fn values_are_taken_with_their_flag() {
        let args = ["--dev", "--out", "there", "--more"].map(String::from);
        let (value, rest) = split_value(&args, "--out", "FOLDER").unwrap();
        assert_eq!(
            (value.as_deref(), rest),
            (Some("there"), vec!["--dev".into(), "--more".into()])
        );
        assert_eq!(split_value(&args[..1], "--out", "FOLDER").unwrap().0, None);
        let error = split_value(&args[..2], "--out", "FOLDER").unwrap_err();
        assert_eq!(error.to_string(), "--out wants a value: --out FOLDER");
    }

    /// A mistyped flag is refused instead of being taken for its absence.
    #[test]
    fn unknown_flags_are_refused() {
        let args = ["--web".to_string()];
        assert!(Flags::parse(&args, &["--web"]).unwrap().has("--web"));
        assert!(Flags::parse(&args, &["--quick"]).is_err());
        assert!(Flags::parse(&[], &[]).unwrap().is_empty());
    }
}
