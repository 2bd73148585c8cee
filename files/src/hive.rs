//! Columns from folders named `key=value`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Component, Path};

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use percent_encoding::percent_decode_str;

use super::{plan_error, sink};

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

/// The name of the folder of a key, of one below a staging folder: there DataFusion encoded a text that tells
/// whether the key is missing. What Hive and Spark would not have in a name is escaped as they do.
///
/// # Errors
/// If other readers would take the key for a missing one.
pub fn folder_of_key(staged: &str) -> Result<String> {
    let (key, text) = staged.split_once('=').unwrap_or((staged, ""));
    let (key, text) = (decode(key), decode(text));
    match text.strip_prefix(sink::KEY_MARK) {
        None => Ok(format!("{}={NULL_FOLDER}", encode(&key))),
        Some(NULL_FOLDER) => Err(DataFusionError::Execution(format!(
            "column '{key}' has the text {NULL_FOLDER}, which stands for a missing key in folder names; \
             replace it before writing"
        ))),
        Some(text) => Ok(format!("{}={}", encode(&key), encode(text))),
    }
}

/// Writes `%2F` and the like for the characters that Hive and Spark escape.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '#' | '%' | '\'' | '*' | '/' | ':' | '=' | '?' | '\\' | '{' | '[' | ']' | '^' => {
                encoded.push_str(&format!("%{:02X}", u32::from(c)));
            }
            c if c.is_ascii_control() => encoded.push_str(&format!("%{:02X}", u32::from(c))),
            c => encoded.push(c),
        }
    }
    encoded
}

/// The columns that files with these keys have, by path; the keys of all must be the same. Those that were
/// `given` a type have it.
pub(super) fn columns<'a>(
    files: impl Iterator<Item = (&'a Path, &'a [Key])>,
    given: &BTreeMap<String, DataType>,
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
            let found = if integer { DataType::Int64 } else { DataType::Utf8 };
            (key.clone(), given.get(key).cloned().unwrap_or(found))
        })
        .collect())
}

/// A file's value of a partition column.
pub(super) fn value(path: &Path, key: &Key, data_type: &DataType) -> Result<ScalarValue> {
    let (name, value) = key;
    let Some(text) = value else { return ScalarValue::try_from(data_type) };
    // Only files that appear after the table was opened, or keys of given types, can be another thing.
    let misfit = |kind: &str| {
        plan_error(format!(
            "'{}' has {name}={text}, which is not {kind} like the others",
            path.display()
        ))
    };
    match data_type {
        DataType::Utf8 => Ok(ScalarValue::Utf8(Some(text.clone()))),
        DataType::Int64 => match parse_integer(text) {
            Some(number) => Ok(ScalarValue::Int64(Some(number))),
            None => Err(misfit("an integer")),
        },
        other => ScalarValue::try_from_string(text.clone(), other)
            .map_err(|_| misfit(&other.to_string())),
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

/// Undoes `%20` and the like, which Hive and Spark write for characters that a folder's name should
/// not have. Invalid escapes, and names that are not UTF-8 afterwards, stay as they are.
fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), Cow::into_owned)
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

    /// Folders are named as Spark names them, and their keys are read back.
    #[test]
    fn names_folders() {
        for (key, folder) in [
            ("V", "k="),
            ("Va b", "k=a b"),
            ("Vd%2Fe%25=\u{e9}", "k=d%2Fe%25%3D\u{e9}"),
            ("N", "k=__HIVE_DEFAULT_PARTITION__"),
            ("VN", "k=N"),
        ] {
            assert_eq!(folder_of_key(&format!("k={key}")).expect(key), folder);
            let text = (key != "N").then(|| decode(&key[1..]));
            assert_eq!(keys(Path::new(folder)), [("k".to_owned(), text)]);
        }
        assert!(folder_of_key("k=V__HIVE_DEFAULT_PARTITION__").is_err());
    }

    /// A column is of integers only if every value is; leading zeros do not matter.
    #[test]
    fn types() {
        let types = |values: &[&str]| {
            let files: Vec<_> = values.iter().map(|v| keys(Path::new(&format!("k={v}")))).collect();
            let path = Path::new("f");
            columns(files.iter().map(|keys| (path, keys.as_slice())), &BTreeMap::new())
                .expect("columns")[0]
                .1
                .clone()
        };
        assert_eq!(types(&["01", "-2", "12"]), DataType::Int64);
        assert_eq!(types(&["1", NULL_FOLDER]), DataType::Int64);
        assert_eq!(types(&["1", "+2"]), DataType::Utf8);
        assert_eq!(types(&["1", "99999999999999999999"]), DataType::Utf8);
        assert_eq!(types(&["1", ""]), DataType::Utf8);
    }
}
