//! Slurm's way to write many hosts: `gpu4,node[1-3,07],rack[1-2]n[1-4]`.

/// The most hosts that a list is expanded to.
const HOSTS_MAX: usize = 65_536;

/// The hosts of a list, in its order. What cannot be read is taken as a name; a list of more than
/// `HOSTS_MAX` hosts is cut off.
pub fn expand(list: &str) -> Vec<String> {
    let mut hosts = Vec::new();
    for part in split_outside(list) {
        let mut found = vec![String::new()];
        let mut rest = part;
        while let Some((before, inside, after)) = brackets(rest) {
            let numbers = numbers(inside);
            found = found
                .iter()
                .flat_map(|name| numbers.iter().map(move |n| format!("{name}{before}{n}")))
                .take(HOSTS_MAX)
                .collect();
            rest = after;
        }
        hosts.extend(found.into_iter().map(|name| name + rest));
        if hosts.len() >= HOSTS_MAX {
            hosts.truncate(HOSTS_MAX);
            break;
        }
    }
    hosts
}

/// The parts between the commas that stand outside of brackets.
fn split_outside(list: &str) -> Vec<&str> {
    let mut depth = 0usize;
    let parts = list.split(|c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// What stands before, in and after the first pair of brackets.
fn brackets(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('[')?;
    let (inside, after) = rest.split_once(']')?;
    Some((before, inside, after))
}

/// Reads `1-3,07` as 1, 2, 3, 07: numbers keep the width in which they are written.
fn numbers(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in text.split(',') {
        let range = part.split_once('-').and_then(|(first, last)| {
            Some((first.len(), first.parse::<u64>().ok()?, last.parse::<u64>().ok()?))
        });
        match range {
            Some((width, first, last)) => {
                let all = (first..=last).map(|number| format!("{number:0width$}"));
                found.extend(all.take(HOSTS_MAX));
            }
            None => found.push(part.to_string()),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forms that Slurm writes, and those that it does not.
    #[test]
    fn lists_are_expanded() {
        let expanded = |list: &str| expand(list).join(" ");
        assert_eq!(expanded("node1"), "node1");
        assert_eq!(expanded("node[1-3,07],gpu4"), "node1 node2 node3 node07 gpu4");
        assert_eq!(expanded("n[008-011]"), "n008 n009 n010 n011");
        assert_eq!(expanded("r[1-2]n[1-2].site"), "r1n1.site r1n2.site r2n1.site r2n2.site");
        assert_eq!(expanded(""), "");
        assert_eq!(expanded("a[1-2"), "a[1-2");
        assert_eq!(expanded("a[x-y]"), "ax-y");
        assert_eq!(expanded("a[3-1],b"), "b");
    }

    /// A list that would fill the memory is cut off.
    #[test]
    fn lists_are_bounded() {
        assert_eq!(expand("n[0-18446744073709551615]").len(), HOSTS_MAX);
        assert_eq!(expand("a[1-9999]b[1-9999]c[1-9999]").len(), HOSTS_MAX);
    }
}
