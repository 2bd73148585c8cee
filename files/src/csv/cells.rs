//! From fields to values, and from fields to the types that hold them.

use std::borrow::Cow;
use std::ops::BitOrAssign;
use std::sync::Arc;

use chrono::Utc;
use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Int64Array, PrimitiveBuilder, StringBuilder,
};
use datafusion::arrow::compute::kernels::cast_utils::string_to_datetime;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Float64Type, Int64Type, TimeUnit, UInt64Type,
};

use super::dialect::{Dialect, Words};
use super::error::Problem;

/// How numbers and truths are written.
#[derive(Debug)]
struct Forms<'a> {
    dialect: &'a Dialect,
    plain: bool,
}

impl<'a> Forms<'a> {
    fn new(dialect: &'a Dialect) -> Self {
        Self { dialect, plain: dialect.decimal == b'.' && dialect.thousands.is_none() }
    }

    /// A number as Rust writes it. None if the signs rule out a number.
    fn number<'b>(&self, field: &'b str) -> Option<Cow<'b, str>> {
        let field = field.trim_matches([' ', '\t']);
        if self.plain {
            return Some(Cow::Borrowed(field));
        }
        let (decimal, thousands) = (self.dialect.decimal, self.dialect.thousands);
        let is_separator = |c: char| thousands.is_some_and(|sign| c == char::from(sign));
        if field.starts_with(is_separator) {
            return None;
        }
        let mut number = String::with_capacity(field.len());
        for c in field.chars().filter(|c| !is_separator(*c)) {
            match c {
                c if c == char::from(decimal) => number.push('.'),
                '.' => return None,
                c => number.push(c),
            }
        }
        Some(Cow::Owned(number))
    }

    fn int<T: std::str::FromStr>(&self, field: &str) -> Option<T> {
        self.number(field)?.parse().ok()
    }

    fn float(&self, field: &str) -> Option<f64> {
        self.number(field)?.parse().ok()
    }

    fn truth(&self, field: &str) -> Option<bool> {
        if field.eq_ignore_ascii_case("true") || self.dialect.true_words.iter().any(|w| w == field)
        {
            return Some(true);
        }
        let is_false = field.eq_ignore_ascii_case("false")
            || self.dialect.false_words.iter().any(|w| w == field);
        is_false.then_some(false)
    }
}

/// A truth that is written as a number.
fn digit(field: &str) -> Option<bool> {
    match field {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// Nanoseconds since 1970 of a time as ISO 8601 has it.
fn nanoseconds(field: &str) -> Option<i64> {
    string_to_datetime(&Utc, field).ok()?.timestamp_nanos_opt()
}

/// What makes the values of a column.
pub(super) struct Converter<'a> {
    name: &'a str,
    kind: &'a DataType,
    words: Words,
    forms: Forms<'a>,
    /// Whether the column was given the type, which then says what its fields mean.
    is_given: bool,
}

impl<'a> Converter<'a> {
    pub(super) fn new(dialect: &'a Dialect, name: &'a str, kind: &'a DataType) -> Self {
        let words = dialect.missing(name, is_text(kind));
        Self { name, kind, words, forms: Forms::new(dialect), is_given: false }
    }

    /// The converter of a column that was given its type, or was not.
    pub(super) fn given(self, is_given: bool) -> Self {
        Self { is_given, ..self }
    }

    /// The values of these fields.
    pub(super) fn values<'b>(
        &self,
        fields: impl Iterator<Item = &'b str>,
    ) -> Result<ArrayRef, Problem> {
        match self.kind {
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
                let made = self.primitive::<Int64Type>(fields, |forms, field| forms.int(field))?;
                self.cast(&made)
            }
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
                let made = self.primitive::<UInt64Type>(fields, |forms, field| forms.int(field))?;
                self.cast(&made)
            }
            DataType::Float16 | DataType::Float32 | DataType::Float64 => {
                let made =
                    self.primitive::<Float64Type>(fields, |forms, field| forms.float(field))?;
                self.cast(&made)
            }
            DataType::Boolean => self.truths(fields),
            DataType::Timestamp(unit, _) => self.times(*unit, fields),
            _ => self.others(fields),
        }
    }

    fn misfit(&self, field: &str) -> Problem {
        Problem::misfit(self.name, field, self.kind)
    }

    fn cast(&self, made: &ArrayRef) -> Result<ArrayRef, Problem> {
        if made.data_type() == self.kind {
            return Ok(Arc::clone(made));
        }
        let options = CastOptions { safe: false, ..CastOptions::default() };
        Ok(cast_with_options(made, self.kind, &options)?)
    }

    fn primitive<'b, T: ArrowPrimitiveType>(
        &self,
        fields: impl Iterator<Item = &'b str>,
        parse: impl Fn(&Forms<'_>, &str) -> Option<T::Native>,
    ) -> Result<ArrayRef, Problem> {
        let mut builder = PrimitiveBuilder::<T>::new();
        for field in fields {
            if self.words.contains(field) {
                builder.append_null();
            } else {
                let value = parse(&self.forms, field).ok_or_else(|| self.misfit(field))?;
                builder.append_value(value);
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    fn truths<'b>(&self, fields: impl Iterator<Item = &'b str>) -> Result<ArrayRef, Problem> {
        let mut builder = BooleanBuilder::new();
        // As pandas does, a column that was given the type may have it as numbers, but not beside words.
        let mut is_numeric = None;
        for field in fields {
            if self.words.contains(field) {
                builder.append_null();
                continue;
            }
            let digit = if self.is_given { digit(field) } else { None };
            let truth = self.forms.truth(field).or(digit).ok_or_else(|| self.misfit(field))?;
            if *is_numeric.get_or_insert(digit.is_some()) != digit.is_some() {
                return Err(self.misfit(field));
            }
            builder.append_value(truth);
        }
        Ok(Arc::new(builder.finish()))
    }

    fn times<'b>(
        &self,
        unit: TimeUnit,
        fields: impl Iterator<Item = &'b str>,
    ) -> Result<ArrayRef, Problem> {
        let mut values = Vec::new();
        for field in fields {
            if self.words.contains(field) {
                values.push(None);
                continue;
            }
            // A time in a zone would become another one here, where pandas keeps the zone.
            if self.forms.dialect.is_pandas && has_zone(field) {
                return Err(self.misfit(field));
            }
            let time = string_to_datetime(&Utc, field).map_err(|_| self.misfit(field))?;
            values.push(Some(match unit {
                TimeUnit::Second => time.timestamp(),
                TimeUnit::Millisecond => time.timestamp_millis(),
                TimeUnit::Microsecond => time.timestamp_micros(),
                TimeUnit::Nanosecond => {
                    time.timestamp_nanos_opt().ok_or_else(|| self.misfit(field))?
                }
            }));
        }
        let counts: ArrayRef = Arc::new(Int64Array::from(values));
        self.cast(&counts)
    }

    /// Text, and values of any other type as Arrow reads them from text.
    fn others<'b>(&self, fields: impl Iterator<Item = &'b str>) -> Result<ArrayRef, Problem> {
        let mut builder = StringBuilder::new();
        for field in fields {
            builder.append_option((!self.words.contains(field)).then_some(field));
        }
        self.cast(&(Arc::new(builder.finish()) as ArrayRef))
    }
}

/// Whether a time says its zone.
fn has_zone(field: &str) -> bool {
    field.get(10..).is_some_and(|time| time.contains(['Z', 'z', '+', '-']))
}

/// Whether a column is of text, or of categories that are.
pub(super) fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// The kinds of fields that a column has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen(u16);

impl Seen {
    const WORD: Seen = Seen(1);
    const TRUTH: Seen = Seen(1 << 1);
    const INT: Seen = Seen(1 << 2);
    const NEGATIVE: Seen = Seen(1 << 3);
    /// Too large for `i64`.
    const LARGE: Seen = Seen(1 << 4);
    /// Too large for `u64`.
    const HUGE: Seen = Seen(1 << 5);
    const FLOAT: Seen = Seen(1 << 6);
    const DATE: Seen = Seen(1 << 7);
    const SECOND: Seen = Seen(1 << 8);
    const MILLISECOND: Seen = Seen(1 << 9);
    const MICROSECOND: Seen = Seen(1 << 10);
    const NANOSECOND: Seen = Seen(1 << 11);
    const TEXT: Seen = Seen(1 << 12);

    /// As a number, for another process.
    pub(super) fn bits(self) -> u16 {
        self.0
    }

    /// What another process saw.
    pub(super) fn of_bits(bits: u16) -> Self {
        Seen(bits)
    }

    fn has(self, other: Seen) -> bool {
        self.0 & other.0 != 0
    }

    fn with(self, other: Seen) -> Seen {
        Seen(self.0 | other.0)
    }

    /// The type of a column of such fields. None if there is no value.
    pub(super) fn kind(self) -> Option<DataType> {
        let numbers = Seen::INT.with(Seen::LARGE).with(Seen::HUGE).with(Seen::FLOAT);
        let times =
            Seen::SECOND.with(Seen::MILLISECOND).with(Seen::MICROSECOND).with(Seen::NANOSECOND);
        let classes = [Seen::TRUTH, numbers, Seen::DATE, times];
        let found: Vec<Seen> = classes.into_iter().filter(|class| self.has(*class)).collect();
        Some(match found.as_slice() {
            _ if self.has(Seen::TEXT) => DataType::Utf8,
            [] => return None,
            [class] if *class == Seen::TRUTH => DataType::Boolean,
            [class] if *class == Seen::DATE => DataType::Date32,
            [class] if *class == times => DataType::Timestamp(self.unit(), None),
            [_] if self.has(Seen::FLOAT) => DataType::Float64,
            [_] if self.has(Seen::HUGE) => DataType::Utf8,
            [_] if self.has(Seen::LARGE) && self.has(Seen::NEGATIVE) => DataType::Utf8,
            [_] if self.has(Seen::LARGE) => DataType::UInt64,
            [_] => DataType::Int64,
            _ => DataType::Utf8,
        })
    }

    fn unit(self) -> TimeUnit {
        if self.has(Seen::NANOSECOND) {
            TimeUnit::Nanosecond
        } else if self.has(Seen::MICROSECOND) {
            TimeUnit::Microsecond
        } else if self.has(Seen::MILLISECOND) {
            TimeUnit::Millisecond
        } else {
            TimeUnit::Second
        }
    }
}

impl BitOrAssign for Seen {
    fn bitor_assign(&mut self, other: Seen) {
        self.0 |= other.0;
    }
}

/// What finds the type of a column.
pub(super) struct Classifier<'a> {
    forms: Forms<'a>,
    texts: Words,
    others: Words,
    finds_times: bool,
    seen: Seen,
}

impl<'a> Classifier<'a> {
    pub(super) fn new(dialect: &'a Dialect, name: &str) -> Self {
        Self {
            forms: Forms::new(dialect),
            texts: dialect.missing(name, true),
            others: dialect.missing(name, false),
            finds_times: dialect.finds_times,
            seen: Seen::default(),
        }
    }

    /// The same after what was seen before.
    pub(super) fn after(self, seen: Seen) -> Self {
        Self { seen, ..self }
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen
    }

    pub(super) fn see<'b>(&mut self, fields: impl Iterator<Item = &'b str>) {
        for field in fields {
            if self.seen.has(Seen::TEXT) {
                return;
            }
            self.seen |= self.class(field);
        }
    }

    fn class(&self, field: &str) -> Seen {
        if self.others.contains(field) {
            return if self.texts.contains(field) { Seen::default() } else { Seen::WORD };
        }
        if let Some(number) = self.forms.int::<i64>(field) {
            return if number < 0 { Seen::INT.with(Seen::NEGATIVE) } else { Seen::INT };
        }
        if self.forms.int::<u64>(field).is_some() {
            return Seen::LARGE;
        }
        if self.forms.float(field).is_some() {
            let digits = field.trim_matches([' ', '\t']).trim_start_matches(['-', '+']);
            let is_int = digits.bytes().all(|byte| byte.is_ascii_digit());
            return if is_int { Seen::HUGE } else { Seen::FLOAT };
        }
        if self.forms.truth(field).is_some() {
            return Seen::TRUTH;
        }
        if self.finds_times { time_class(field) } else { Seen::TEXT }
    }
}

/// Whether a field is a date, or a time and how fine, as ISO 8601 writes it.
fn time_class(field: &str) -> Seen {
    let has_form = |form: &str, text: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                b'd' => byte.is_ascii_digit(),
                b'T' => byte == b'T' || byte == b' ',
                form => byte == form,
            })
    };
    if has_form("dddd-dd-dd", field) && nanoseconds(field).is_some() {
        return Seen::DATE;
    }
    let (Some(seconds), Some(rest)) = (field.get(..19), field.get(19..)) else { return Seen::TEXT };
    if !has_form("dddd-dd-ddTdd:dd:dd", seconds) || string_to_datetime(&Utc, field).is_err() {
        return Seen::TEXT;
    }
    let Some(fraction) = rest.strip_prefix('.') else { return Seen::SECOND };
    match fraction.bytes().take_while(u8::is_ascii_digit).count() {
        1..=3 => Seen::MILLISECOND,
        4..=6 => Seen::MICROSECOND,
        7..=9 if nanoseconds(field).is_some() => Seen::NANOSECOND,
        _ => Seen::TEXT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{AsArray, BooleanArray};

    fn kind(fields: &[&str], dialect: &Dialect) -> Option<DataType> {
        let mut classifier = Classifier::new(dialect, "x");
        classifier.see(fields.iter().copied());
        classifier.seen().kind()
    }

    /// Types are those that hold every field.
    #[test]
    fn types() {
        let plain = Dialect::default();
        for (fields, expected) in [
            (&["1", "-2", " 3 "][..], Some(DataType::Int64)),
            (&["1", "", "2.5", "1e3", "inf"], Some(DataType::Float64)),
            (&["18446744073709551615", "1"], Some(DataType::UInt64)),
            (&["18446744073709551615", "-1"], Some(DataType::Utf8)),
            (&["18446744073709551616", "1"], Some(DataType::Utf8)),
            (&["18446744073709551616", "1.5"], Some(DataType::Float64)),
            (&["true", "False", "NA"], Some(DataType::Boolean)),
            (&["true", "1"], Some(DataType::Utf8)),
            (&["", "NA"], None),
            (&["2024-01-31", ""], Some(DataType::Date32)),
            (&["2024-02-31"], Some(DataType::Utf8)),
            (&["2024-01-31 10:00:00"], Some(DataType::Timestamp(TimeUnit::Second, None))),
            (
                &["2024-01-31T10:00:00Z", "2024-01-31T10:00:00.1234"],
                Some(DataType::Timestamp(TimeUnit::Microsecond, None)),
            ),
            (&["2024-01-31 10:00:00", "2024-01-31"], Some(DataType::Utf8)),
            (&["1", "x"], Some(DataType::Utf8)),
        ] {
            assert_eq!(kind(fields, &plain), expected, "{fields:?}");
        }
        let german = Dialect { decimal: b',', thousands: Some(b'.'), ..Dialect::default() };
        assert_eq!(kind(&["1.234,5", "2"], &german), Some(DataType::Float64));
        assert_eq!(kind(&["1.234"], &german), Some(DataType::Int64));
        let words =
            Dialect { true_words: vec!["yes".into()], false_words: vec!["no".into()], ..plain };
        assert_eq!(kind(&["yes", "no"], &words), Some(DataType::Boolean));
    }

    /// Truths may be numbers where the column was given the type, but not beside words.
    #[test]
    fn truths_as_numbers() {
        let dialect = Dialect::default();
        let values = |is_given, fields: &[&'static str]| {
            let converter = Converter::new(&dialect, "x", &DataType::Boolean).given(is_given);
            converter.values(fields.iter().copied())
        };
        let made = values(true, &["1", "", "0"]).expect("truths");
        let expected = BooleanArray::from(vec![Some(true), None, Some(false)]);
        assert_eq!(made.as_boolean(), &expected);
        for fields in [&["1", "true"][..], &["false", "0"], &["2"], &["1.0"]] {
            assert!(values(true, fields).is_err(), "{fields:?}");
        }
        assert!(values(false, &["1"]).is_err());
    }

    /// What does not fit a type is an error that names the column and the field.
    #[test]
    fn misfits() {
        let dialect = Dialect::default();
        let error = Converter::new(&dialect, "x", &DataType::Int64).values(["1", "?"].into_iter());
        let text = error.expect_err("misfit").to_string();
        assert!(text.starts_with("column 'x' has '?', which is not Int64"), "{text}");
    }
}
