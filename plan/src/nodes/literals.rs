//! Types and values of messages.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use serde_json::Value;

/// The type of this name.
///
/// # Errors
/// If Arrow has no such type.
pub(super) fn data_type(name: &str) -> Result<DataType> {
    name.parse().map_err(|error| {
        DataFusionError::Plan(format!("internal error: unknown type {name:?}: {error}"))
    })
}

/// A value of a type. Times and durations are integers of the unit of their type; floating-point numbers,
/// decimals, dates and intervals are texts.
///
/// # Errors
/// If the type has no such value.
pub(super) fn scalar(kind: &DataType, value: &Value) -> Result<ScalarValue> {
    let wrong =
        || DataFusionError::Plan(format!("internal error: {value} is not a value of type {kind}"));
    let found = match value {
        Value::Null => return ScalarValue::try_from(kind),
        Value::Bool(value) => ScalarValue::Boolean(Some(*value)),
        Value::Number(value) => match (value.as_i64(), value.as_u64()) {
            (Some(value), _) => ScalarValue::Int64(Some(value)),
            (None, Some(value)) => ScalarValue::UInt64(Some(value)),
            (None, None) => return Err(wrong()),
        },
        // The text of a number is read exactly; JSON's numbers are not.
        Value::String(text) if kind.is_floating() => {
            ScalarValue::Float64(Some(text.parse().map_err(|_| wrong())?))
        }
        Value::String(text) => ScalarValue::Utf8(Some(text.clone())),
        Value::Array(_) | Value::Object(_) => return Err(wrong()),
    };
    let made = found.cast_to(kind)?;
    if made.is_null() { Err(wrong()) } else { Ok(made) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Values keep all of their digits, and a value of another type is refused.
    #[test]
    fn values_are_exact() {
        let made = |name: &str, value: Value| scalar(&data_type(name).unwrap(), &value);
        let is = |name: &str, value: Value, wanted: ScalarValue| {
            assert_eq!(made(name, value).unwrap(), wanted);
        };
        is("Int64", json!(i64::MIN), ScalarValue::Int64(Some(i64::MIN)));
        is("UInt64", json!(u64::MAX), ScalarValue::UInt64(Some(u64::MAX)));
        is("Float64", json!("0.1"), ScalarValue::Float64(Some(0.1)));
        is("Float64", json!("-inf"), ScalarValue::Float64(Some(f64::NEG_INFINITY)));
        is("Utf8", json!("a'b"), ScalarValue::Utf8(Some("a'b".into())));
        is("Decimal128(5, 2)", json!("1.25"), ScalarValue::Decimal128(Some(125), 5, 2));
        is("Date32", json!("1970-01-03"), ScalarValue::Date32(Some(2)));
        let zone = "Timestamp(Nanosecond, Some(\"UTC\"))";
        is(zone, json!(7), ScalarValue::TimestampNanosecond(Some(7), Some("UTC".into())));
        is("Duration(Millisecond)", json!(7), ScalarValue::DurationMillisecond(Some(7)));
        assert!(made("Interval(MonthDayNano)", json!("1 month")).is_ok());
        assert!(made("Int64", Value::Null).unwrap().is_null());
        assert!(made("Int8", json!(300)).is_err());
        assert!(made("Int64", json!(1.5)).is_err());
        assert!(made("Float64", json!("x")).is_err());
        assert!(data_type("Int65").is_err());
    }
}
