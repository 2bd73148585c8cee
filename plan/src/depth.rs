//! How deep statements and plans are nested.
//!
//! Parsers, planners and operators call themselves for what is nested, and so does the code that frees
//! it: without a limit, one statement of a client could overflow a stack and end the process for all
//! clients. A statement is checked three times. Its tokens bound what the parser can nest, before there
//! is a syntax tree that could not even be freed; the syntax tree tells how deep it is; the plan has the
//! views in it, which nest too.

use crate::walk;
use datafusion::config::Dialect as DialectName;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{CopyToSource, DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::{Dialect, dialect_from_str};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use std::convert::Infallible;
use std::ops::ControlFlow;

/// Levels that a statement may be nested: expressions, queries, and the joins and set operations of a query.
pub const STATEMENT_LEVELS_MAX: usize = 1_000;
/// Operators that may be one within the other in a plan. A query of a statement becomes several.
pub const PLAN_LEVELS_MAX: usize = 4_000;
/// Operators of a plan in all: each view that reads another one twice doubles them.
pub const PLAN_OPERATORS_MAX: usize = 20_000;
/// The stack of the threads that parse, plan and free what is within these limits, in debug builds too. Only
/// what is used of it takes memory.
pub const PLANNING_STACK_BYTES: usize = 256 << 20;
/// The stack of the threads that run fragments, and of those that free plans. Only what is used takes memory.
pub const RUNNING_STACK_BYTES: usize = 64 << 20;

/// How deep the parser may call itself: up to four times for a level of a statement.
pub(crate) const PARSER_CALLS_MAX: usize = 4 * STATEMENT_LEVELS_MAX;
/// Operators and keywords that may nest without a comma or the end of a parenthesis between them. Most do
/// not nest (`case when .. then .. when`), so it is more than the levels that they make.
const CHAINED_TOKENS_MAX: usize = 20 * STATEMENT_LEVELS_MAX;

/// The one statement in a text.
///
/// # Errors
/// If it is not exactly one statement, or nested too deeply.
pub fn statement(sql: &str, dialect: &DialectName) -> Result<Statement> {
    let dialect = dialect_from_str(dialect).ok_or_else(|| {
        DataFusionError::Plan(format!("the SQL dialect {dialect} is not supported"))
    })?;
    let mut statements = statements(sql, dialect.as_ref())?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        (Some(_), false) => {
            Err(DataFusionError::Plan("more than one statement; send them one by one".to_string()))
        }
        (None, _) => Err(DataFusionError::Plan("no statement given".to_string())),
    }
}

fn statements(sql: &str, dialect: &dyn Dialect) -> Result<Vec<Statement>> {
    let parser_error = |error: ParserError| match error {
        ParserError::RecursionLimitExceeded => too_deep(None),
        other => DataFusionError::from(other),
    };
    let tokens = Tokenizer::new(dialect, sql).tokenize_with_location();
    let tokens = tokens.map_err(|error| parser_error(error.into()))?;
    check_tokens(&tokens)?;
    let mut parser = DFParserBuilder::new(tokens)
        .with_dialect(dialect)
        .with_recursion_limit(PARSER_CALLS_MAX)
        .build()?;
    let statements = parser.parse_statements().map_err(|error| match error {
        DataFusionError::SQL(error, _) if *error == ParserError::RecursionLimitExceeded => {
            too_deep(None)
        }
        other => other,
    })?;
    for statement in &statements {
        let levels = levels(statement);
        if levels > STATEMENT_LEVELS_MAX {
            return Err(too_deep(Some(levels)));
        }
    }
    Ok(statements.into())
}

fn too_deep(levels: Option<usize>) -> DataFusionError {
    let levels = levels.map_or(String::new(), |levels| format!("{levels} levels deep, "));
    DataFusionError::Plan(format!(
        "the statement is nested too deeply ({levels}at most {STATEMENT_LEVELS_MAX} levels are supported); use IN for many comparisons, a table for many values, or persist a part of it with CREATE TABLE"
    ))
}

/// Refuses what would become a syntax tree that is too deep to be freed.
fn check_tokens(tokens: &[TokenWithSpan]) -> Result<()> {
    let prefixes = most_prefixes(tokens);
    if prefixes > STATEMENT_LEVELS_MAX {
        return Err(too_deep(Some(prefixes)));
    }
    // For each open parenthesis: what may nest before the next comma, and the set operations, which nest
    // over commas.
    let mut open = vec![(0_usize, 0_usize)];
    let (mut nested, mut most) = (0_usize, 0_usize);
    for token in tokens {
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                open.push((0, 0));
                nested += 1;
                if open.len() > STATEMENT_LEVELS_MAX {
                    return Err(too_deep(Some(deepest(tokens))));
                }
            }
            Token::RParen | Token::RBracket | Token::RBrace if open.len() > 1 => {
                let (run, sets) = open.pop().unwrap_or_default();
                nested = nested.saturating_sub(run + sets + 1);
            }
            Token::Comma | Token::SemiColon => {
                if let Some((run, sets)) = open.last_mut() {
                    let ended = std::mem::take(run);
                    nested = nested.saturating_sub(ended);
                    if token.token == Token::SemiColon {
                        nested = nested.saturating_sub(std::mem::take(sets));
                    }
                }
            }
            other if may_nest(other) => {
                if let Some((run, sets)) = open.last_mut() {
                    *(if is_set_operation(other) { sets } else { run }) += 1;
                }
                nested += 1;
            }
            _ => {}
        }
        most = most.max(nested);
    }
    match most > CHAINED_TOKENS_MAX {
        true => Err(DataFusionError::Plan(format!(
            "the statement chains {most} operators and keywords, but at most {CHAINED_TOKENS_MAX} are supported; use IN for many comparisons, or a table for many values"
        ))),
        false => Ok(()),
    }
}

/// How many operators before a value follow each other, at most. Where they are too many for the parser, it
/// takes some of them for the end of the statement.
fn most_prefixes(tokens: &[TokenWithSpan]) -> usize {
    let (mut run, mut most) = (0_usize, 0);
    for token in tokens {
        match &token.token {
            Token::Whitespace(_) => continue,
            Token::Minus | Token::Plus | Token::Tilde => run += 1,
            Token::Word(word) if word.keyword == Keyword::NOT => run += 1,
            _ => run = 0,
        }
        most = most.max(run);
    }
    most
}

/// How many parentheses are open at once, at most.
fn deepest(tokens: &[TokenWithSpan]) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    for token in tokens {
        match token.token {
            Token::LParen | Token::LBracket | Token::LBrace => open += 1,
            Token::RParen | Token::RBracket | Token::RBrace => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

fn may_nest(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.keyword != Keyword::NoKeyword,
        Token::EOF
        | Token::Whitespace(_)
        | Token::Number(..)
        | Token::Char(_)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::Placeholder(_)
        | Token::Period => false,
        _ => true,
    }
}

fn is_set_operation(token: &Token) -> bool {
    let Token::Word(word) = token else { return false };
    matches!(word.keyword, Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::MINUS)
}

/// How deep a statement is nested.
fn levels(mut statement: &Statement) -> usize {
    let mut levels = Levels::default();
    while let Statement::Explain(explain) = statement {
        let ControlFlow::Continue(()) = levels.enter(1);
        statement = &explain.statement;
    }
    match statement {
        Statement::Statement(inner) => walk::visit_statement(inner, &mut levels),
        Statement::CopyTo(copy) => {
            if let CopyToSource::Query(query) = &copy.source {
                walk::visit_syntax(query.as_ref(), &mut levels);
            }
        }
        Statement::Explain(_) | Statement::CreateExternalTable(_) | Statement::Reset(_) => {}
    }
    levels.most
}

/// Counts the levels around what is visited.
#[derive(Default)]
struct Levels {
    open: usize,
    most: usize,
    /// For each open query, what its set operations and joins add.
    queries: Vec<usize>,
}

impl Levels {
    fn enter(&mut self, levels: usize) -> ControlFlow<Infallible> {
        self.open += levels;
        self.most = self.most.max(self.open);
        ControlFlow::Continue(())
    }

    fn leave(&mut self, levels: usize) -> ControlFlow<Infallible> {
        self.open = self.open.saturating_sub(levels);
        ControlFlow::Continue(())
    }
}

impl ast::Visitor for Levels {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &ast::Query) -> ControlFlow<Infallible> {
        let own = 1 + steps(&query.body);
        self.queries.push(own);
        self.enter(own)
    }

    fn post_visit_query(&mut self, _: &ast::Query) -> ControlFlow<Infallible> {
        let own = self.queries.pop().unwrap_or_default();
        self.leave(own)
    }

    fn pre_visit_table_factor(&mut self, _: &ast::TableFactor) -> ControlFlow<Infallible> {
        self.enter(1)
    }

    fn post_visit_table_factor(&mut self, _: &ast::TableFactor) -> ControlFlow<Infallible> {
        self.leave(1)
    }

    fn pre_visit_expr(&mut self, _: &ast::Expr) -> ControlFlow<Infallible> {
        self.enter(1)
    }

    fn post_visit_expr(&mut self, _: &ast::Expr) -> ControlFlow<Infallible> {
        self.leave(1)
    }
}

/// The set operations of a query that are one within the other, and the joins of one of its parts. Both are
/// chains that become as many steps of a plan. It does not call itself.
fn steps(body: &ast::SetExpr) -> usize {
    let (mut rest, mut most) = (vec![(body, 0)], 0);
    while let Some((part, depth)) = rest.pop() {
        let joins = match part {
            ast::SetExpr::SetOperation { left, right, .. } => {
                rest.push((left, depth + 1));
                rest.push((right, depth + 1));
                0
            }
            ast::SetExpr::Select(select) => {
                let tables = select.from.iter().map(|table| 1 + table.joins.len());
                tables.sum::<usize>().saturating_sub(1)
            }
            _ => 0,
        };
        most = most.max(depth + joins);
    }
    most
}

/// The levels and operators of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanSize {
    /// Operators on the longest way down.
    pub levels: usize,
    /// All operators.
    pub operators: usize,
}

/// Refuses plans that are nested too deep, or too large, with the views and tables in it that are queries
/// themselves. Returns the size of others. It does not call itself.
///
/// # Errors
/// If the plan is too deep or too large; the error names the limit.
pub fn check_plan(plan: &LogicalPlan) -> Result<PlanSize> {
    let (mut level, mut depth, mut operators) = (vec![plan], 0, 0);
    while !level.is_empty() {
        operators += level.len();
        depth += 1;
        if depth > PLAN_LEVELS_MAX || operators > PLAN_OPERATORS_MAX {
            return Err(DataFusionError::Plan(format!(
                "the plan, including the views that it reads, has more than {PLAN_LEVELS_MAX} nested steps or more than {PLAN_OPERATORS_MAX} steps in total; persist a part of it with CREATE TABLE"
            )));
        }
        level = level.into_iter().flat_map(LogicalPlan::inputs).collect();
    }
    Ok(PlanSize { levels: depth, operators })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::planning_context;

    /// Runs something on a stack such as planning has.
    fn deep<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        let thread = std::thread::Builder::new().stack_size(PLANNING_STACK_BYTES);
        thread.spawn(work).unwrap().join().unwrap()
    }

    fn parsed(sql: &str) -> Result<Statement> {
        statement(sql, &DialectName::default())
    }

    /// Statements with something in them that is nested `times` times, each in another way.
    fn nested(times: usize) -> Vec<String> {
        let repeated = |text: &str| text.repeat(times);
        vec![
            format!("select 1{}", repeated(" + 1")),
            format!("select * from t where a = 1{}", repeated(" or a = 1")),
            format!("select 1{}", repeated(" union all select 1")),
            format!("select 1, 2{}", repeated(" except select 1, 2")),
            format!("select {}1{}", repeated("("), repeated(")")),
            format!("select {}1{}", repeated("abs("), repeated(")")),
            format!("select {}true", repeated("not ")),
            format!("select 1{}", repeated("::int")),
            format!("select {}1{}", repeated("case when true then "), repeated(" end")),
            format!("{}select 1 as a{}", repeated("select a from ("), repeated(") as t")),
            format!("select 1 from t{}", repeated(" cross join t")),
            format!("select 1 from t{}", repeated(", t")),
            format!("select {}1{}", repeated("[1, "), repeated("]")),
            format!("copy (select 1{}) to 'x.csv'", repeated(" + 1")),
            format!("create table u as select 1{}", repeated(" || 'a'")),
        ]
    }

    /// A statement that is nested too deeply is refused with the limit, however deep it is; others
    /// are parsed.
    #[test]
    fn depth_is_limited() {
        deep(|| {
            for sql in nested(450) {
                parsed(&sql).unwrap_or_else(|error| panic!("{error}: {}", &sql[..60]));
            }
            for (times, kinds) in [(1_100, 15), (20_000, 15), (300_000, 1)] {
                for sql in nested(times).into_iter().take(kinds) {
                    let error = parsed(&sql).expect_err(&sql[..60]).to_string();
                    assert!(error.contains("are supported"), "{error}: {}", &sql[..60]);
                }
            }
            let error = parsed(&nested(2_000)[0]).unwrap_err().to_string();
            assert!(error.contains("2002 levels deep") && error.contains("1000"), "{error}");
        });
    }

    /// Long statements that are not deep are no deep ones.
    #[test]
    fn length_is_not_limited() {
        deep(|| {
            let many = |text: &str, count: usize| vec![text; count].join(", ");
            for sql in [
                format!("select 1 in ({})", many("7", 100_000)),
                format!("insert into t values {}", many("(1 + 2, 'a', null)", 20_000)),
                format!("select {}", many("a + b * c", 5_000)),
                format!("select case a {} end from t", "when 1 then 2 ".repeat(5_000)),
                format!("select f({}) from t", many("(a, b)", 5_000)),
            ] {
                parsed(&sql).unwrap_or_else(|error| panic!("{error}: {}", &sql[..60]));
            }
        });
    }

    /// Only one statement is one.
    #[test]
    fn one_statement_is_parsed() {
        assert!(parsed("select 1;").is_ok());
        for wrong in ["", "-- nothing", "select 1; select 2"] {
            parsed(wrong).expect_err(wrong);
        }
    }

    /// Views that read others twice are refused before they fill the memory.
    #[tokio::test]
    async fn views_are_counted() {
        let context = planning_context();
        context.sql("create view v0 as select 1 as a").await.unwrap();
        let mut refused = None;
        for view in 1..40 {
            let before = view - 1;
            let sql = format!(
                "create view v{view} as select x.a from v{before} x cross join v{before} y"
            );
            let plan = context.state().create_logical_plan(&sql).await.unwrap();
            if let Err(error) = check_plan(&plan) {
                refused = Some((view, error.to_string()));
                break;
            }
            context.execute_logical_plan(plan).await.unwrap();
        }
        let (view, error) = refused.expect("a view is refused");
        assert!(view < 20 && error.contains("CREATE TABLE"), "{view}: {error}");
    }
}
