//! One type for a column whose types differ from file to file.
//!
//! Files of one folder often differ in what their writers chose by the values: pandas has floats where an integer is missing,
//! and units of times that changed between its versions. Such a column gets the narrowest type that has the values of all; each
//! file is cast as it is read, and a value that does not fit, such as a time beyond the nanoseconds, is an error there.

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// The columns of all these files, in the order of the first that has each. Nothing if types of a column have nothing in common.
pub(super) fn widest(schemas: &[SchemaRef]) -> Option<Schema> {
    let mut fields: Vec<Field> = Vec::new();
    for schema in schemas {
        for field in schema.fields() {
            match fields.iter_mut().find(|known| known.name() == field.name()) {
                Some(known) => {
                    let wider = wider(known.data_type(), field.data_type())?;
                    let is_nullable = known.is_nullable() || field.is_nullable();
                    *known = known.clone().with_data_type(wider).with_nullable(is_nullable);
                }
                None => fields.push(field.as_ref().clone()),
            }
        }
    }
    Some(Schema::new(fields))
}

/// Bits of an integer, and whether it has a sign.
fn integer(kind: &DataType) -> Option<(usize, bool)> {
    let bytes = kind.primitive_width().filter(|_| kind.is_integer())?;
    Some((8 * bytes, kind.is_signed_integer()))
}

fn integers(
    (one, is_signed): (usize, bool),
    (other, other_is_signed): (usize, bool),
) -> Option<DataType> {
    // An unsigned integer needs a bit more where it has a sign.
    let bits = |bits: usize, has_sign: bool| {
        if !has_sign && (is_signed || other_is_signed) { bits * 2 } else { bits }
    };
    let bits = bits(one, is_signed).max(bits(other, other_is_signed));
    Some(match (bits, is_signed || other_is_signed) {
        (8, true) => DataType::Int8,
        (16, true) => DataType::Int16,
        (32, true) => DataType::Int32,
        (64, true) => DataType::Int64,
        (8, false) => DataType::UInt8,
        (16, false) => DataType::UInt16,
        (32, false) => DataType::UInt32,
        (64, false) => DataType::UInt64,
        _ => return None,
    })
}

fn wider(one: &DataType, other: &DataType) -> Option<DataType> {
    if one == other {
        return Some(one.clone());
    }
    if let (Some(one), Some(other)) = (integer(one), integer(other)) {
        return integers(one, other);
    }
    let is_number = |kind: &DataType| integer(kind).is_some() || kind.is_floating();
    Some(match (one, other) {
        (DataType::Null, kind) | (kind, DataType::Null) => kind.clone(),
        (one, other) if is_number(one) && is_number(other) => DataType::Float64,
        (DataType::Timestamp(one, zone), DataType::Timestamp(other, same)) if zone == same => {
            DataType::Timestamp(*one.max(other), zone.clone())
        }
        (DataType::Duration(one), DataType::Duration(other)) => DataType::Duration(*one.max(other)),
        (DataType::Dictionary(_, values), kind) | (kind, DataType::Dictionary(_, values)) => {
            wider(values, kind)?
        }
        (one, other) if one.is_string() && other.is_string() => DataType::LargeUtf8,
        (DataType::List(one), DataType::List(other)) => {
            let item = wider(one.data_type(), other.data_type())?;
            DataType::List(Arc::new(one.as_ref().clone().with_data_type(item).with_nullable(true)))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::datatypes::TimeUnit;

    /// The type of both has all values of both, in either order; where no such type exists, nothing is made up.
    #[test]
    fn types_become_as_wide_as_they_must() {
        let time = |unit| DataType::Timestamp(unit, None);
        let texts = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        for (one, other, expected) in [
            (DataType::Int64, DataType::Float64, Some(DataType::Float64)),
            (DataType::Int8, DataType::Int32, Some(DataType::Int32)),
            (DataType::UInt8, DataType::Int8, Some(DataType::Int16)),
            (DataType::UInt16, DataType::UInt8, Some(DataType::UInt16)),
            (DataType::UInt64, DataType::Int64, None),
            (DataType::Float32, DataType::Int32, Some(DataType::Float64)),
            (
                time(TimeUnit::Millisecond),
                time(TimeUnit::Nanosecond),
                Some(time(TimeUnit::Nanosecond)),
            ),
            (
                DataType::Timestamp(TimeUnit::Second, Some("UTC".into())),
                time(TimeUnit::Second),
                None,
            ),
            (texts.clone(), DataType::Utf8, Some(DataType::Utf8)),
            (DataType::Null, DataType::Date32, Some(DataType::Date32)),
            (DataType::Int64, DataType::Utf8, None),
            (DataType::Boolean, DataType::Int64, None),
        ] {
            assert_eq!(wider(&one, &other), expected, "{one} {other}");
            assert_eq!(wider(&other, &one), expected, "{other} {one}");
        }
    }

    /// Columns are found by their names, and may be missing.
    #[test]
    fn columns_are_found_by_name() {
        let schema = |fields: Vec<Field>| Arc::new(Schema::new(fields));
        let field = |name: &str, kind: DataType| Field::new(name, kind, false);
        let first = schema(vec![field("a", DataType::Int64), field("b", DataType::Utf8)]);
        let second = schema(vec![field("c", DataType::Int8), field("a", DataType::Float64)]);
        let found = widest(&[first, second]).unwrap();
        let names: Vec<_> = found.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(found.field(0).data_type(), &DataType::Float64);
    }
}
