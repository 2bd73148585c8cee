//! Columns from folders named `key=value`.

use std::path::{Component, Path};

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};

use super::plan_error;

/// What Hive and Spark call the folder of rows whose key is null.
const NULL_FOLDER: &str = "__HIVE_DEFAULT_PARTITION__";

/// A key and its value, `None` for null.
pub(super) type Key = (String, Option<String>);

/// The keys in the folders of a file's path below the table's root.
pub(super) fn keys(folders: &Path) -> Vec<Key> {
    folders
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => name.to_str()?.split_once('='),
            _ => None,
        })
        .filter(|(key, _)| !key.is_empty())
        .map(|(key, value)| (decode(key), (value != NULL_FOLDER).then(|| decode(value))))
        .collect()
}

/// The columns that files with these keys have, by path; the keys of all must be the same.
pub(super) fn columns<'a>(
    files: impl Iterator<Item = (&'a Path, &'a [Key])>,
) -> Result<Vec<(String, DataType)>> {
    let mut files = files.peekable();
    let Some(&(first_path, first)) = files.peek() else { return Ok(Vec::new()) };
    let mut integers = vec![true; first.len()];
    for (path, keys) in files {
        let same = keys.len() == first.len() && keys.iter().zip(first).all(|(a, b)| a.0 == b.0);
        if !same {
            return Err(plan_error(format!(
                "partition folders differ: '{}' has {}, '{}' has {}",
                first_path.display(),
                names(first),
                path.display(),
                names(keys),
            )));
        }
        for (integer, (_, value)) in integers.iter_mut().zip(keys) {
            *integer &= value.as_deref().is_none_or(|value| parse_integer(value).is_some());
        }
    }
    for (at, (key, _)) in first.iter().enumerate() {
        if first[..at].iter().any(|(other, _)| other == key) {
            return Err(plan_error(format!(
                "'{}' has the partition folder '{key}=' twice",
                first_path.display()
            )));
        }
    }
    Ok(first
        .iter()
        .zip(integers)
        .map(|((key, _), integer)| {
            (key.clone(), if integer { DataType::Int64 } else { DataType::Utf8 })
        })
        .collect())
}

/// A file's value of a partition column.
pub(super) fn value(path: &Path, key: &Key, data_type: &DataType) -> Result<ScalarValue> {
    let (name, value) = key;
    if *data_type != DataType::Int64 {
        return Ok(ScalarValue::Utf8(value.clone()));
    }
    match value {
        None => Ok(ScalarValue::Int64(None)),
        Some(text) => parse_integer(text).map(|n| ScalarValue::Int64(Some(n))).ok_or_else(|| {
            // Only files that appear after the table was opened can get here.
            plan_error(format!(
                "'{}' has {name}={text}, which is not an integer like the others",
                path.display()
            ))
        }),
    }
}

fn names(keys: &[Key]) -> String {
    if keys.is_empty() {
        return "none".to_owned();
    }
    keys.iter().map(|(key, _)| format!("{key}=")).collect::<Vec<_>>().join("/")
}

fn parse_integer(text: &str) -> Option<i64> {
    if text.starts_with('+') { None } else { text.parse().ok() }
}

/// Undoes `%20` and the like, which Hive and Spark write for characters that a folder's name
/// should not have. What is no such escape, or no UTF-8 afterwards, stays as it is.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digit =
            |offset: usize| bytes.get(at + offset).and_then(|d| char::from(*d).to_digit(16));
        match (byte, digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                out.extend(u8::try_from(high * 16 + low));
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys are read from folders only where they are, with escapes and nulls.
    #[test]
    fn reads_keys() {
        let some = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
        assert_eq!(
            keys(Path::new("x/year=2024/day=a%20b=c/=3/50%")),
            [some("year", "2024"), some("day", "a b=c")]
        );
        assert_eq!(keys(Path::new("k=__HIVE_DEFAULT_PARTITION__")), [("k".to_owned(), None)]);
        assert_eq!(decode("50%"), "50%");
        assert_eq!(decode("%ff"), "%ff");
        assert_eq!(decode("%C3%A9"), "é");
    }

    /// A column is of integers only if every value is; leading zeros do not matter.
    #[test]
    fn types() {
        let types = |values: &[&str]| {
            let files: Vec<_> = values.iter().map(|v| keys(Path::new(&format!("k={v}")))).collect();
            let path = Path::new("f");
            columns(files.iter().map(|keys| (path, keys.as_slice()))).expect("columns")[0].1.clone()
        };
        assert_eq!(types(&["01", "-2", "12"]), DataType::Int64);
        assert_eq!(types(&["1", NULL_FOLDER]), DataType::Int64);
        assert_eq!(types(&["1", "+2"]), DataType::Utf8);
        assert_eq!(types(&["1", "99999999999999999999"]), DataType::Utf8);
        assert_eq!(types(&["1", ""]), DataType::Utf8);
    }
}
