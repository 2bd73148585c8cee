//! Expressions of licences, such as `MIT AND (Apache-2.0 OR BSD-3-Clause)`.

use anyhow::{Result, bail};

/// Whether a choice of the expression consists of allowed licences only. `A/B` is an old form of `A OR B`.
///
/// # Errors
/// If the text is not an expression.
pub(crate) fn is_allowed(expression: &str, allowed: &[String]) -> Result<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, at: 0, allowed };
    let result = parser.either();
    match (result, parser.at == words.len()) {
        (Some(result), true) => Ok(result),
        _ => bail!("cannot read the licence `{expression}`"),
    }
}

struct Parser<'a> {
    words: &'a [&'a str],
    at: usize,
    allowed: &'a [String],
}

impl Parser<'_> {
    fn takes(&mut self, word: &str) -> bool {
        let is_next = self.words.get(self.at) == Some(&word);
        self.at += usize::from(is_next);
        is_next
    }

    fn either(&mut self) -> Option<bool> {
        let mut result = self.both()?;
        while self.takes("OR") {
            result |= self.both()?;
        }
        Some(result)
    }

    fn both(&mut self) -> Option<bool> {
        let mut result = self.one()?;
        while self.takes("AND") {
            result &= self.one()?;
        }
        Some(result)
    }

    fn one(&mut self) -> Option<bool> {
        if self.takes("(") {
            let result = self.either()?;
            return self.takes(")").then_some(result);
        }
        let name = self.words.get(self.at).filter(|word| !["OR", "AND", ")"].contains(word))?;
        self.at += 1;
        let mut name = (*name).to_string();
        if self.takes("WITH") {
            name = format!("{name} WITH {}", self.words.get(self.at)?);
            self.at += 1;
        }
        Some(self.allowed.contains(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `AND` needs both, `OR` one of them, and binds less.
    #[test]
    fn expressions_are_read() {
        let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(String::from);
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("GPL-3.0/MIT", true),
            ("MIT AND GPL-3.0", false),
            ("GPL-3.0 OR MIT AND ISC", true),
            ("(GPL-3.0 OR MIT) AND ISC", true),
            ("(MIT OR ISC) AND GPL-3.0", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0", false),
        ] {
            assert_eq!(is_allowed(expression, &allowed).unwrap(), expected, "{expression}");
        }
        for wrong in ["", "MIT OR", "(MIT", "MIT ISC", "MIT)"] {
            assert!(is_allowed(wrong, &allowed).is_err(), "{wrong}");
        }
    }
}
