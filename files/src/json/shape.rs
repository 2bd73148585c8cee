//! Which kinds of values fields have.

use std::collections::HashMap;
use std::fmt;

use datafusion::arrow::datatypes::{DataType, Field, Fields};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::Problem;

/// Fields of all objects of a file that have names of their own: each becomes a column, or a part of one.
const FIELDS_MAX: usize = 100_000;

const NULL: u16 = 1;
const TRUTH: u16 = 1 << 1;
const INT: u16 = 1 << 2;
const NEGATIVE: u16 = 1 << 3;
/// Too large for `i64`.
const LARGE: u16 = 1 << 4;
const FLOAT: u16 = 1 << 5;
const TEXT: u16 = 1 << 6;
const LIST: u16 = 1 << 7;
const OBJECT: u16 = 1 << 8;

const NUMBERS: u16 = INT | NEGATIVE | LARGE | FLOAT;
const SCALARS: u16 = TRUTH | NUMBERS | TEXT;

/// The kinds of values that a field has, with what is inside of lists and objects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Shape {
    kinds: u16,
    fields: Vec<(String, Shape)>,
    item: Option<Box<Shape>>,
    /// The places of fields, once there are many.
    #[serde(skip)]
    places: HashMap<String, usize>,
    /// Fields within, at any depth, where this is a whole record.
    #[serde(skip)]
    count: usize,
}

impl Shape {
    /// Adds what is in a record.
    pub(super) fn see(&mut self, record: &[u8]) -> Result<(), serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_slice(record);
        let mut count = self.count;
        let seen = Object { shape: self, count: &mut count }.deserialize(&mut reader);
        self.count = count;
        seen?;
        reader.end()
    }

    /// Adds what another part has.
    pub(super) fn merge(&mut self, other: &Shape) {
        self.kinds |= other.kinds;
        for (name, shape) in &other.fields {
            let at = self.place(name, usize::MAX);
            self.fields[at].1.merge(shape);
        }
        if let Some(item) = &other.item {
            self.item.get_or_insert_default().merge(item);
        }
    }

    /// The place of a field, which is often the one that is expected.
    fn place(&mut self, name: &str, expected: usize) -> usize {
        if self.fields.get(expected).is_some_and(|(known, _)| known == name) {
            return expected;
        }
        if self.places.len() < self.fields.len() {
            let places = self.fields.iter().enumerate();
            self.places = places.map(|(at, (name, _))| (name.clone(), at)).collect();
        }
        if let Some(at) = self.places.get(name) {
            return *at;
        }
        let at = self.fields.len();
        self.places.insert(name.to_owned(), at);
        self.fields.push((name.to_owned(), Shape::default()));
        at
    }

    /// The columns of records of this shape.
    pub(super) fn columns(&self) -> Result<Fields, Problem> {
        if self.count > FIELDS_MAX {
            return Err(Problem::Fields(FIELDS_MAX));
        }
        self.fields_of("")
    }

    fn fields_of(&self, prefix: &str) -> Result<Fields, Problem> {
        let field = |(name, shape): &(String, Shape)| {
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            Ok(Field::new(name, shape.kind(&path)?, true))
        };
        self.fields.iter().map(field).collect()
    }

    /// The type that holds all values of a field.
    fn kind(&self, path: &str) -> Result<DataType, Problem> {
        let kinds = self.kinds & !NULL;
        let is_only = |class: u16| kinds & !class == 0;
        Ok(match kinds {
            0 => DataType::Null,
            LIST => {
                let item = self.item.as_ref().map_or(Ok(DataType::Null), |item| item.kind(path))?;
                DataType::List(std::sync::Arc::new(Field::new("item", item, true)))
            }
            OBJECT => DataType::Struct(self.fields_of(path)?),
            TRUTH => DataType::Boolean,
            kinds if is_only(NUMBERS) && kinds & FLOAT != 0 => DataType::Float64,
            kinds if is_only(NUMBERS) && kinds & LARGE != 0 => match kinds & NEGATIVE {
                0 => DataType::UInt64,
                // The digits of all, as they are written.
                _ => DataType::Utf8,
            },
            _ if is_only(NUMBERS) => DataType::Int64,
            _ if is_only(SCALARS) => DataType::Utf8,
            _ => {
                let field = path.to_owned();
                return Err(Problem::Mixed { field, kinds: names(kinds) });
            }
        })
    }

    /// The first field that has values which a column does not hold, with the type of that.
    pub(super) fn misfit(&self, columns: &Fields) -> Option<(String, String)> {
        self.misfit_of("", columns)
    }

    fn misfit_of(&self, prefix: &str, columns: &Fields) -> Option<(String, String)> {
        let mut known = columns.iter();
        self.fields.iter().find_map(|(name, shape)| {
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            let next = known.next().filter(|field| field.name() == name);
            match next.or_else(|| columns.iter().find(|field| field.name() == name)) {
                Some(field) => shape.misfit_with(&path, field.data_type()),
                None => Some((path, "none".to_owned())),
            }
        })
    }

    fn misfit_with(&self, path: &str, kind: &DataType) -> Option<(String, String)> {
        let kinds = self.kinds & !NULL;
        let held = match kind {
            DataType::Null => 0,
            DataType::Boolean => TRUTH,
            DataType::Int64 => INT | NEGATIVE,
            DataType::UInt64 => INT | LARGE,
            DataType::Float64 => NUMBERS,
            DataType::Utf8 => SCALARS,
            DataType::List(_) => LIST,
            DataType::Struct(_) => OBJECT,
            _ => u16::MAX,
        };
        if kinds & !held != 0 {
            return Some((path.to_owned(), kind.to_string()));
        }
        match kind {
            DataType::List(item) => {
                self.item.as_ref().and_then(|shape| shape.misfit_with(path, item.data_type()))
            }
            DataType::Struct(fields) => self.misfit_of(path, fields),
            _ => None,
        }
    }
}

/// Kinds as an error names them.
fn names(kinds: u16) -> String {
    let all = [
        (TRUTH, "booleans"),
        (NUMBERS, "numbers"),
        (TEXT, "strings"),
        (LIST, "lists"),
        (OBJECT, "objects"),
    ];
    let named: Vec<&str> =
        all.iter().filter(|(class, _)| kinds & class != 0).map(|(_, name)| *name).collect();
    named.join(" and ")
}

/// Reads a record, which must be an object.
struct Object<'a> {
    shape: &'a mut Shape,
    count: &'a mut usize,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<(), M::Error> {
        Seer { shape: self.shape, count: self.count }.visit_map(map)
    }
}

/// Adds a value to a shape.
struct Seer<'a> {
    shape: &'a mut Shape,
    count: &'a mut usize,
}

impl Seer<'_> {
    fn is<E>(self, kinds: u16) -> Result<(), E> {
        self.shape.kinds |= kinds;
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Seer<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seer<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.is(NULL)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.is(TRUTH)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.is(if number < 0 { INT | NEGATIVE } else { INT })
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.is(if i64::try_from(number).is_ok() { INT } else { LARGE })
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.is(FLOAT)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.is(TEXT)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        self.shape.kinds |= LIST;
        let item = self.shape.item.get_or_insert_default();
        while list.next_element_seed(Seer { shape: item, count: self.count })?.is_some() {}
        Ok(())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        self.shape.kinds |= OBJECT;
        let mut expected = 0;
        while let Some(at) =
            map.next_key_seed(Name { shape: self.shape, expected, count: self.count })?
        {
            expected = at + 1;
            if *self.count > FIELDS_MAX {
                return Err(M::Error::custom(format!("more than {FIELDS_MAX} fields")));
            }
            map.next_value_seed(Seer { shape: &mut self.shape.fields[at].1, count: self.count })?;
        }
        Ok(())
    }
}

/// The name of a field, read as its place.
struct Name<'a> {
    shape: &'a mut Shape,
    expected: usize,
    count: &'a mut usize,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<usize, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        let before = self.shape.fields.len();
        let at = self.shape.place(name, self.expected);
        *self.count += self.shape.fields.len() - before;
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(records: &[&str]) -> Shape {
        let mut shape = Shape::default();
        records.iter().for_each(|record| shape.see(record.as_bytes()).expect("a record"));
        shape
    }

    fn kinds(records: &[&str]) -> Vec<String> {
        let columns = shape(records).columns().expect("columns");
        columns.iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect()
    }

    /// Types are those that hold every value, in the order in which fields come first.
    #[test]
    fn types() {
        for (records, expected) in [
            (&[r#"{"a": 1}"#, r#"{"b": null, "a": 1.5}"#][..], &["a Float64", "b Null"][..]),
            (&[r#"{"a": 18446744073709551615}"#], &["a UInt64"]),
            (&[r#"{"a": 18446744073709551615}"#, r#"{"a": -1}"#], &["a Utf8"]),
            (&[r#"{"a": true}"#, r#"{"a": "x"}"#, r#"{"a": 1}"#], &["a Utf8"]),
            (&[r#"{"a": [1, null]}"#, r#"{"a": [1.5]}"#], &["a List(Float64)"]),
            (
                &[r#"{"a": {"x": 1}}"#, r#"{"a": {"y": true}}"#],
                &[r#"a Struct("x": Int64, "y": Boolean)"#],
            ),
        ] {
            assert_eq!(kinds(records), expected, "{records:?}");
            let mut parts = Shape::default();
            records.iter().for_each(|record| parts.merge(&shape(&[record])));
            assert_eq!(
                parts.columns().expect("columns"),
                shape(records).columns().expect("columns")
            );
        }
    }

    /// Values of which no column can be made are refused by the name of the field; lines that are no objects too.
    #[test]
    fn refused() {
        let error = shape(&[r#"{"a": {"x": [1]}}"#, r#"{"a": {"x": 2}}"#]).columns();
        let text = error.expect_err("lists and numbers").to_string();
        assert!(text.contains("field 'a.x' has numbers and lists"), "{text}");
        for wrong in ["[1]", "1", "{\"a\": 1} {\"a\": 2}", "{\"a\": 1"] {
            assert!(Shape::default().see(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    /// A shape fits columns that hold all of its values, and the first that does not is named.
    #[test]
    fn misfits() {
        let columns = shape(&[r#"{"a": 1, "o": {"x": 1}}"#]).columns().expect("columns");
        let misfit = |record: &str| shape(&[record]).misfit(&columns).map(|(field, _)| field);
        assert_eq!(misfit(r#"{"o": {"x": null}, "a": -7}"#), None);
        assert_eq!(misfit(r#"{"a": 1.0}"#).as_deref(), Some("a"));
        assert_eq!(misfit(r#"{"a": 1, "b": null}"#).as_deref(), Some("b"));
        assert_eq!(misfit(r#"{"o": {"x": 1, "y": 2}}"#).as_deref(), Some("o.y"));
        assert_eq!(misfit(r#"{"o": {"x": "1"}}"#).as_deref(), Some("o.x"));
    }
}
