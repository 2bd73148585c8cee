//! Where in a statement an error is.

use crate::query::functions;
use datafusion::common::{DataFusionError, SchemaError};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};

/// Characters of a line that are shown around a place.
const SOURCE_CHARS_MAX: usize = 120;

/// A line and a column, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    line: u64,
    column: u64,
}

/// An error with the place in the statement marked, where one is known.
pub(super) fn located(sql: &str, error: &DataFusionError) -> String {
    let parser = parser_message(error);
    let ended = parser.and_then(|message| message.strip_suffix(", found: EOF"));
    let mut text = match (ended, parser) {
        (Some(expected), _) => format!("{expected}, but the statement ends here"),
        (None, Some(message)) => message.to_string(),
        (None, None) => partita_plan::error::missing_function(error)
            .and_then(|name| functions::remedy(&name))
            .unwrap_or_else(|| partita_plan::error::plain(error)),
    };
    let mut found = missing_column(error).map_or(Vec::new(), |name| find_words(sql, name));
    let is_alias = found.first().is_some_and(|(word, _)| is_alias(sql, &word.value));
    // An alias is where it is defined first, and where it is missing last.
    let missing = if is_alias { found.pop() } else { found.into_iter().next() };
    if let Some((word, _)) = &missing
        && word.quote_style == Some('"')
    {
        let value = &word.value;
        text += &format!("\nuse single quotes for strings: '{value}'; double quotes are for names");
    }
    if let Some((word, _)) = &missing
        && is_alias
    {
        let name = &word.value;
        text += &format!(
            "\n{name} is an alias of the select list, which only GROUP BY, HAVING and ORDER BY know; repeat its expression, or filter an outer query: SELECT * FROM (..) WHERE {name} .."
        );
    }
    let place = match (missing, error.diagnostic().and_then(|found| found.span)) {
        (Some((_, place)), _) => Some(place),
        (None, Some(span)) => Some(Place { line: span.start.line, column: span.start.column }),
        (None, None) if ended.is_some() => end_of(sql),
        (None, None) => parser.and_then(place_in),
    };
    match place.and_then(|place| marked(sql, place).map(|marked| (place, marked))) {
        Some((Place { line, column }, marked)) => {
            format!("{text}\nline {line}, column {column}:\n{marked}")
        }
        None => text,
    }
}

/// What the parser says, if the error is one of its.
fn parser_message(error: &DataFusionError) -> Option<&str> {
    let mut at = error;
    while let DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) = at {
        at = inner;
    }
    match at {
        DataFusionError::SQL(error, _) => match error.as_ref() {
            ParserError::ParserError(text) | ParserError::TokenizerError(text) => Some(text),
            ParserError::RecursionLimitExceeded => None,
        },
        _ => None,
    }
}

/// The column that an error says is missing.
fn missing_column(error: &DataFusionError) -> Option<&str> {
    match error {
        DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => {
            missing_column(inner)
        }
        DataFusionError::SchemaError(error, _) => match error.as_ref() {
            SchemaError::FieldNotFound { field, .. } => Some(&field.name),
            _ => None,
        },
        _ => None,
    }
}

/// The words of a statement that can mean a name, and their places.
fn find_words(sql: &str, name: &str) -> Vec<(Word, Place)> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location();
    let is_name = |word: &Word| match word.quote_style {
        Some(_) => word.value == name,
        None => word.value.eq_ignore_ascii_case(name),
    };
    let word = |TokenWithSpan { token, span }| match token {
        Token::Word(word) if is_name(&word) => {
            Some((word, Place { line: span.start.line, column: span.start.column }))
        }
        _ => None,
    };
    tokens.unwrap_or_default().into_iter().filter_map(word).collect()
}

/// Whether a statement has `AS name` in a select list: before a comma or FROM.
fn is_alias(sql: &str, name: &str) -> bool {
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else { return false };
    let tokens: Vec<Token> =
        tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    let is = |token: &Token, wanted: &str| match token {
        Token::Word(word) => word.value.eq_ignore_ascii_case(wanted),
        _ => false,
    };
    tokens.windows(3).any(|three| match three {
        [one, two, next] => {
            is(one, "as") && is(two, name) && (*next == Token::Comma || is(next, "from"))
        }
        _ => false,
    })
}

/// The place behind the last word of a statement.
fn end_of(sql: &str) -> Option<Place> {
    let text = sql.trim_end();
    let line = text.lines().count();
    let column = text.lines().last()?.chars().count() + 1;
    Some(Place { line: u64::try_from(line).ok()?, column: u64::try_from(column).ok()? })
}

/// Reads `Line: 3, Column: 14` out of a parser's message: it says its places nowhere else.
fn place_in(text: &str) -> Option<Place> {
    let number = |text: &str| -> Option<u64> {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    let line = number(text.split("Line: ").nth(1)?)?;
    let column = number(text.split("Column: ").nth(1)?)?;
    Some(Place { line, column })
}

/// The line of a place, as far as it is near it, and a mark below.
fn marked(sql: &str, place: Place) -> Option<String> {
    let line = usize::try_from(place.line.checked_sub(1)?).ok()?;
    let column = usize::try_from(place.column.checked_sub(1)?).ok()?;
    let source: Vec<char> = sql.lines().nth(line)?.chars().collect();
    let before = column.min(source.len());
    let from = before.saturating_sub(SOURCE_CHARS_MAX / 2);
    let shown: String = source.iter().skip(from).take(SOURCE_CHARS_MAX).collect();
    // Tabs stay, so that the mark is below its place however wide they are.
    let indent: String =
        source[from..before].iter().map(|c| if *c == '\t' { '\t' } else { ' ' }).collect();
    Some(format!("  {}\n  {indent}^", shown.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::prelude::SessionContext;

    async fn error(sql: &str) -> String {
        let context = SessionContext::new();
        context.sql("create table t (a int, \"B\" int)").await.unwrap();
        located(sql, &context.sql(sql).await.unwrap_err())
    }

    /// Errors of the parser and of the planner say and show where they are, in statements of several lines too.
    #[tokio::test]
    async fn errors_have_a_place() {
        let text = error("select a\nfrom t where\n\ta = = 1").await;
        assert!(text.ends_with("line 3, column 6:\n  \ta = = 1\n  \t    ^"), "{text}");
        assert!(text.starts_with("Expected: an expression"), "{text}");
        let text = error("select a,\n  nme from t").await;
        assert!(text.ends_with("line 2, column 3:\n    nme from t\n    ^"), "{text}");
        let text = error("select a from\nnowhere").await;
        assert!(text.ends_with("line 2, column 1:\n  nowhere\n  ^"), "{text}");
        let text = error("select a,\n sqroot(a) from t").await;
        assert!(text.ends_with("line 2, column 2:\n   sqroot(a) from t\n   ^"), "{text}");
    }

    /// A string in double quotes gets the remedy; a column that is there in other letters, and one without quotes, do
    /// not.
    #[tokio::test]
    async fn strings_take_single_quotes() {
        let text = error("select a from t where a = \"EWR\"").await;
        assert!(text.contains("use single quotes for strings: 'EWR'"), "{text}");
        assert!(text.ends_with("line 1, column 27:\n  select a from t where a = \"EWR\"\n                            ^"), "{text}");
        assert!(!error("select nme from t").await.contains("single quotes"));
    }

    /// A statement that ends too early is marked at its end.
    #[tokio::test]
    async fn ends_have_a_place() {
        let text = error("select a\nfrom t where\n").await;
        assert!(text.starts_with("Expected: an expression, but the statement ends here"), "{text}");
        assert!(text.ends_with("line 2, column 13:\n  from t where\n              ^"), "{text}");
    }

    /// Functions of other systems get their names here, and an alias in WHERE the clause that knows it.
    #[tokio::test]
    async fn habits_get_a_hint() {
        let text = error("select dayofyear(a) from t").await;
        assert!(text.contains("date_part('doy', x)") && !text.contains("Did you mean"), "{text}");
        assert!(text.contains("line 1, column 8:"), "{text}");
        assert!(error("select sqroot(a) from t").await.contains("Did you mean"));
        let text = error("select a + 1 as b1 from t where b1 > 1").await;
        assert!(text.contains("HAVING") && text.contains("line 1, column 33:"), "{text}");
        assert!(!error("select a as x1 from t where x2 > 1").await.contains("HAVING"));
    }

    /// Only the part of a long line around the error is shown.
    #[test]
    fn long_lines_are_cut() {
        let sql = format!("select {}x{}", "a, ".repeat(1000), ", b".repeat(1000));
        let shown = marked(&sql, Place { line: 1, column: 3008 }).unwrap();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[0].len() <= SOURCE_CHARS_MAX + 2, "{shown}");
        assert_eq!(lines[0].as_bytes()[lines[1].len() - 1], b'x', "{shown}");
        assert_eq!(marked("one", Place { line: 2, column: 1 }), None);
        assert_eq!(marked("one", Place { line: 0, column: 0 }), None);
    }
}
