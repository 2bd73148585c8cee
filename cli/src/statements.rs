//! Splitting a file into statements.

/// The statements of a text: what is between semicolons, outside of quotes and comments. Pieces
/// that hold nothing but space and comments are left out.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut start = 0;
    let mut has_code = false;
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b';' => {
                if has_code {
                    statements.push(text[start..at].trim().to_string());
                }
                start = at + 1;
                has_code = false;
                at += 1;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at = find(bytes, at, b"\n").map_or(bytes.len(), |end| end + 1);
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = find(bytes, at + 2, b"*/").map_or(bytes.len(), |end| end + 2);
            }
            quote @ (b'\'' | b'"') => {
                has_code = true;
                // A doubled quote ends one string and begins the next, which comes to the same.
                at = find(bytes, at + 1, &[quote]).map_or(bytes.len(), |end| end + 1);
            }
            byte => {
                has_code |= !byte.is_ascii_whitespace();
                at += 1;
            }
        }
    }
    if has_code {
        statements.push(text[start..].trim().to_string());
    }
    statements
}

fn find(bytes: &[u8], from: usize, wanted: &[u8]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(wanted.len()).position(|window| window == wanted).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::split;

    /// Semicolons in strings, names and comments do not end a statement, and comments alone are none.
    #[test]
    fn statements_are_split_at_their_ends() {
        let text = "select ';' as \"a;b\"; -- one; two\n/* ; */ select 2;;\n-- end\n";
        assert_eq!(split(text), ["select ';' as \"a;b\"", "-- one; two\n/* ; */ select 2"]);
        assert_eq!(split("select 'it''s; fine'"), ["select 'it''s; fine'"]);
        assert!(split(" -- nothing\n ; /* ; ").is_empty());
    }
}
