//! Flags of a command.

use anyhow::Result;

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
            anyhow::bail!("there is no flag `{other}` here (known: {known})");
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A mistyped flag is refused instead of being taken for its absence.
    #[test]
    fn unknown_flags_are_refused() {
        let args = ["--web".to_string()];
        assert!(Flags::parse(&args, &["--web"]).unwrap().has("--web"));
        assert!(Flags::parse(&args, &["--quick"]).is_err());
        assert!(Flags::parse(&[], &[]).unwrap().is_empty());
    }
}
