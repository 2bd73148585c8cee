//! Wildcards in one segment of a path.

/// Whether `text` has a character that makes it a pattern.
pub(super) fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether a file of this name is skipped unless it is named explicitly: `.part.crc`, `_SUCCESS`.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with(['.', '_'])
}

/// One segment of a pattern, ready to match names.
#[derive(Debug)]
pub(super) struct Pattern {
    parts: Vec<Part>,
    /// Whether it begins with `.` or `_` itself and so asks for hidden names.
    shows_hidden: bool,
}

#[derive(Debug)]
enum Part {
    /// Any characters, also none.
    Many,
    /// One character.
    One,
    /// One character inside (or, negated, outside) the ranges.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    Literal(char),
}

impl Pattern {
    /// Understands `*`, `?`, `[abc]`, `[a-z]` and `[!a-z]`; a `[` without its `]` is itself.
    pub(super) fn new(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let mut parts = Vec::with_capacity(chars.len());
        let mut at = 0;
        while let Some(&c) = chars.get(at) {
            at += 1;
            parts.push(match c {
                '*' => Part::Many,
                '?' => Part::One,
                '[' => match class(&chars[at..]) {
                    Some((part, length)) => {
                        at += length;
                        part
                    }
                    None => Part::Literal('['),
                },
                c => Part::Literal(c),
            });
        }
        Self { parts, shows_hidden: is_hidden(text) }
    }

    /// Whether the whole of `name` fits. Hidden names only fit a pattern that begins like them.
    pub(super) fn matches(&self, name: &str) -> bool {
        if is_hidden(name) && !self.shows_hidden {
            return false;
        }
        let name: Vec<char> = name.chars().collect();
        // Where to go on after a mismatch: behind the last `*`, which then takes one more.
        let mut retry: Option<(usize, usize)> = None;
        let (mut part, mut at) = (0, 0);
        loop {
            match (self.parts.get(part), name.get(at)) {
                (None, None) => return true,
                (Some(Part::Many), _) => {
                    retry = Some((part, at));
                    part += 1;
                    continue;
                }
                (Some(one), Some(&c)) if one.fits(c) => {
                    part += 1;
                    at += 1;
                    continue;
                }
                _ => {}
            }
            match retry {
                Some((star, taken)) if taken < name.len() => {
                    retry = Some((star, taken + 1));
                    (part, at) = (star + 1, taken + 1);
                }
                _ => return false,
            }
        }
    }
}

impl Part {
    fn fits(&self, c: char) -> bool {
        match self {
            Self::Many => false,
            Self::One => true,
            Self::Literal(literal) => *literal == c,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|&(low, high)| low <= c && c <= high) != *negated
            }
        }
    }
}

/// Reads a class behind its `[`; also returns how many characters it takes with its `]`.
fn class(chars: &[char]) -> Option<(Part, usize)> {
    let negated = matches!(chars.first(), Some('!' | '^'));
    let start = usize::from(negated);
    // A `]` in the first place is a member, as in a shell.
    let end = start + 1 + chars.get(start + 1..)?.iter().position(|&c| c == ']')?;
    let members = &chars[start..end];
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(&low) = members.get(at) {
        match (members.get(at + 1), members.get(at + 2)) {
            (Some('-'), Some(&high)) => {
                ranges.push((low, high));
                at += 3;
            }
            _ => {
                ranges.push((low, low));
                at += 1;
            }
        }
    }
    Some((Part::Class { negated, ranges }, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wildcards mean what they mean in a shell, including the awkward cases.
    #[test]
    fn matches() {
        for (pattern, name, expected) in [
            ("*.csv", "a.csv", true),
            ("*.csv", ".csv", false),
            ("*.csv", "a.csv.gz", false),
            ("2024-*", "2024-01.parquet", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("**", "anything", true),
            ("?.csv", "é.csv", true),
            ("?.csv", "ab.csv", false),
            ("[ab].csv", "b.csv", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[]]x", "]x", true),
            ("[a-]x", "-x", true),
            ("[ab", "[ab", true),
            ("[]", "[]", true),
            ("", "", true),
            ("*", "_SUCCESS", false),
            ("_*", "_SUCCESS", true),
            ("*", ".hidden", false),
            (".h*", ".hidden", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(name), expected, "{pattern} {name}");
        }
    }

    /// Many stars against a long name that does not fit end in polynomial time.
    #[test]
    fn no_explosion() {
        let pattern = Pattern::new(&"a*".repeat(50));
        assert!(!pattern.matches(&format!("{}b", "b".repeat(2000))));
        assert!(!Pattern::new(&format!("{}z", "*a".repeat(40))).matches(&"a".repeat(2000)));
    }
}
