//! The parameters of prepared statements: how they are written, and the values that clients send.

use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use futures::{Stream, TryStreamExt, future};
use std::collections::HashSet;
use tonic::Status;

/// Bytes of the values that are kept for one prepared statement.
const VALUES_BYTES_MAX: usize = 16 << 20;

/// The values of parameters, by their names.
pub(crate) type Values = Vec<(String, ScalarValue)>;

/// Writes `?`, which most clients use, as `$1`, `$2`, …: the planner tells parameters apart by
/// name. A statement that cannot be read stays as it is, for the planner to say what is wrong.
pub(crate) fn numbered(sql: &str) -> String {
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location() else {
        return sql.to_string();
    };
    let places: HashSet<(u64, u64)> = tokens
        .into_iter()
        .filter(|token| matches!(&token.token, Token::Placeholder(text) if text == "?"))
        .map(|token| (token.span.start.line, token.span.start.column))
        .collect();
    let mut text = String::with_capacity(sql.len() + places.len());
    let (mut line, mut column, mut number) = (1, 1, 0);
    for character in sql.chars() {
        if character == '?' && places.contains(&(line, column)) {
            number += 1;
            text.push_str(&format!("${number}"));
        } else {
            text.push(character);
        }
        if character == '\n' {
            (line, column) = (line + 1, 1);
        } else {
            column += 1;
        }
    }
    text
}

/// Reads the values of parameters, one row, out of what a client sends. None if it sends none.
///
/// # Errors
/// If there are more rows than one, or not one value for each parameter.
pub(crate) async fn read(
    messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
    names: &[String],
) -> Result<Option<Values>, Status> {
    // The first message of some clients carries nothing but the command.
    let messages = messages
        .try_filter(|message| future::ready(!message.data_header.is_empty()))
        .map_err(FlightError::from);
    let mut batches = FlightRecordBatchStream::new_from_flight_data(messages);
    let mut row: Option<RecordBatch> = None;
    let mut rows = 0;
    while let Some(batch) = batches.try_next().await? {
        rows += batch.num_rows();
        if rows > 1 {
            return Err(Status::invalid_argument(
                "more than one row of parameter values was sent; run the statement once for each row",
            ));
        }
        if batch.num_rows() == 1 {
            row = Some(batch);
        }
    }
    let columns = batches.schema().map_or(0, |schema| schema.fields().len());
    match row {
        Some(batch) if columns > 0 => values(&batch, names).map(Some),
        _ if columns == 0 || names.is_empty() => Ok(None),
        _ => Err(Status::invalid_argument("no row of parameter values was sent")),
    }
}

/// The values of the only row of a batch. Parameters with names are found by name, if all of them
/// exist; else the order counts.
fn values(batch: &RecordBatch, names: &[String]) -> Result<Values, Status> {
    if batch.num_columns() != names.len() {
        return Err(Status::invalid_argument(format!(
            "the statement has {} parameters, but {} values were sent",
            names.len(),
            batch.num_columns()
        )));
    }
    let schema = batch.schema();
    let is_number = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
    let by_name = names.iter().all(|name| !is_number(name) && schema.index_of(name).is_ok());
    let mut values = Vec::with_capacity(names.len());
    let mut bytes = 0;
    for (position, name) in names.iter().enumerate() {
        let index = if by_name { schema.index_of(name).unwrap_or(position) } else { position };
        let value = ScalarValue::try_from_array(batch.column(index), 0).map_err(|error| {
            Status::invalid_argument(format!("cannot read the value of parameter {name}: {error}"))
        })?;
        bytes += value.size();
        values.push((name.clone(), value));
    }
    if bytes > VALUES_BYTES_MAX {
        return Err(Status::invalid_argument(format!(
            "the parameter values have {bytes} bytes; the limit is {VALUES_BYTES_MAX}"
        )));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_flight::encode::FlightDataEncoderBuilder;
    use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};
    use futures::stream;
    use std::sync::Arc;

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn numbers(values: &[i64]) -> ArrayRef {
        Arc::new(Int64Array::from(values.to_vec()))
    }

    async fn sent(batches: Vec<RecordBatch>, names: &[&str]) -> Result<Option<Values>, Status> {
        let bare = FlightData::new().with_app_metadata("the command alone");
        let encoded = FlightDataEncoderBuilder::new()
            .build(stream::iter(batches.into_iter().map(Ok)))
            .map_err(Status::from);
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let first = stream::iter([Ok(bare)]);
        read(futures::StreamExt::chain(first, encoded), &names).await
    }

    /// Proves that question marks are numbered, and left alone in texts and comments.
    #[test]
    fn question_marks_are_numbered() {
        assert_eq!(numbered("select ? + ?"), "select $1 + $2");
        assert_eq!(
            numbered("select 'ä?', \"?\" -- why?\n  where x=? /* ? */ and y = ?"),
            "select 'ä?', \"?\" -- why?\n  where x=$1 /* ? */ and y = $2"
        );
        assert_eq!(numbered("select $1, $name"), "select $1, $name");
        assert_eq!(numbered("select 'open ?"), "select 'open ?");
    }

    /// Proves that values are taken in order, and by name where parameters have names.
    #[tokio::test]
    async fn values_are_bound() {
        let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        let row = batch(vec![("b", text), ("a", numbers(&[5]))]);
        let (x, five) = (ScalarValue::from("x"), ScalarValue::from(5i64));
        let ordered = sent(vec![row.clone()], &["1", "2"]).await.unwrap().unwrap();
        assert_eq!(ordered, [("1".into(), x.clone()), ("2".into(), five.clone())]);
        let named = sent(vec![row], &["a", "b"]).await.unwrap().unwrap();
        assert_eq!(named, [("a".into(), five), ("b".into(), x)]);
    }

    /// An empty message carries no values, and too few or too many values are refused.
    #[tokio::test]
    async fn values_must_fit() {
        assert_eq!(sent(vec![], &["1"]).await.unwrap(), None);
        for (batches, names, part) in [
            (vec![batch(vec![("0", numbers(&[1, 2]))])], vec!["1"], "more than one row"),
            (vec![batch(vec![("0", numbers(&[1]))]); 2], vec!["1"], "more than one row"),
            (vec![batch(vec![("0", numbers(&[]))])], vec!["1"], "no row"),
            (vec![batch(vec![("0", numbers(&[1]))])], vec!["1", "2"], "2 parameters, but 1 values"),
        ] {
            let status = sent(batches, &names).await.unwrap_err();
            assert_eq!(status.code(), tonic::Code::InvalidArgument);
            assert!(status.message().contains(part), "{status}");
        }
    }
}
