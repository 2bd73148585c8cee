//! The clauses of expressions.

use super::{Flow, normalized, number, placed, refuse_at};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, DataType, DuplicateTreatment, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArguments, Ident, ObjectName, ObjectNamePart, Subscript, TypedString,
    Value, WindowType,
};
use std::ops::ControlFlow;

/// A place beyond the end of every list.
const LAST_ELEMENT: usize = i32::MAX as usize;

/// How durations are written by `to_char`, in its words.
const DURATION_FORMS: [&str; 2] = ["pretty", "iso8601"];

/// Functions of other systems, and what the planner calls them.
const SYNONYMS: [(&str, &str); 5] = [
    ("sign", "signum"),
    ("ceiling", "ceil"),
    ("variance", "var_samp"),
    ("gen_random_uuid", "uuid"),
    ("list_value", "make_array"),
];

/// Functions of other systems that are parts of a time with this name.
const PARTS: [&str; 8] = ["year", "quarter", "month", "week", "day", "hour", "minute", "second"];

pub(super) fn check_expression(expr: &mut Expr, state: &SessionState) -> Flow {
    in_other_words(expr, state);
    let text = match expr {
        Expr::Function(function) => return check_function(function, state),
        Expr::Collate { .. } => {
            "COLLATE is not supported: strings are compared by their bytes; use lower(x) to ignore the case"
        }
        Expr::BinaryOp { op: BinaryOperator::BitwiseXor, .. } => {
            "the operator ^ is the power in some systems and the exclusive or in others; write power(a, b), or (a | b) - (a & b) for the exclusive or of bits"
        }
        Expr::BinaryOp { op: BinaryOperator::DuckIntegerDivide, .. } => {
            "the operator // is not supported; / of two integers gives an integer, and floor(a / b) rounds down"
        }
        Expr::Cast { data_type: DataType::Datetime(_), .. }
        | Expr::TypedString(TypedString { data_type: DataType::Datetime(_), .. }) => {
            "the type DATETIME is not supported; use TIMESTAMP"
        }
        _ => return ControlFlow::Continue(()),
    };
    refuse_at(expr, text)
}

fn check_function(function: &Function, state: &SessionState) -> Flow {
    let Function {
        name,
        uses_odbc_syntax: _,
        parameters,
        args,
        filter,
        null_treatment,
        over,
        within_group,
    } = function;
    if *parameters != FunctionArguments::None {
        return refuse_at(
            name,
            format!("{name}(..)(..) is not supported; write all arguments in one list"),
        );
    }
    match over {
        Some(WindowType::NamedWindow(window)) => {
            let text = format!("the window {window} is not defined; add WINDOW {window} AS (..)");
            let error = placed(DataFusionError::Plan(text.clone()), name, text);
            return ControlFlow::Break(Box::new(error));
        }
        Some(WindowType::WindowSpec(spec)) if spec.window_name.is_some() => {
            return refuse_at(
                name,
                "a window that extends another one is not supported; write its PARTITION BY and ORDER BY in OVER (..)",
            );
        }
        Some(WindowType::WindowSpec(_)) | None => {}
    }
    let [part] = name.0.as_slice() else { return ControlFlow::Continue(()) };
    let Some(ident) = part.as_ident() else { return ControlFlow::Continue(()) };
    let called = normalized(ident);
    let (is_distinct, has_clauses, first) = match args {
        FunctionArguments::List(list) => (
            list.duplicate_treatment == Some(DuplicateTreatment::Distinct),
            !list.clauses.is_empty(),
            list.args.as_slice(),
        ),
        FunctionArguments::None | FunctionArguments::Subquery(_) => {
            (false, false, &[] as &[FunctionArg])
        }
    };
    let has_rows = is_distinct
        || has_clauses
        || filter.is_some()
        || null_treatment.is_some()
        || over.is_some()
        || !within_group.is_empty();
    // The planner looks for a function of one row first, and reads nothing but its arguments.
    if has_rows && state.scalar_functions().contains_key(&called) {
        return refuse_at(
            name,
            format!(
                "{called} is computed for each row; DISTINCT, ORDER BY, FILTER and OVER are for aggregates and window functions"
            ),
        );
    }
    if matches!(called.as_str(), "array_sort" | "list_sort")
        && !first.iter().skip(1).all(is_literal)
    {
        return refuse_at(
            name,
            format!("the order of {called} must be a constant, such as 'DESC', 'NULLS LAST'"),
        );
    }
    if matches!(called.as_str(), "to_char" | "date_format") {
        return check_pattern(name, &called, first);
    }
    ControlFlow::Continue(())
}

/// What other systems write in words that the planner does not know: slices with one bound, `mod`, [`SYNONYMS`] and [`PARTS`].
fn in_other_words(expr: &mut Expr, state: &SessionState) {
    match expr {
        Expr::CompoundFieldAccess { access_chain, .. } => {
            for access in access_chain {
                if let AccessExpr::Subscript(Subscript::Slice {
                    lower_bound, upper_bound, ..
                }) = access
                {
                    lower_bound.get_or_insert_with(|| number(1));
                    upper_bound.get_or_insert_with(|| number(LAST_ELEMENT));
                }
            }
        }
        Expr::Function(function) if function.over.is_none() => {
            let [ObjectNamePart::Identifier(name)] = function.name.0.as_mut_slice() else { return };
            let FunctionArguments::List(list) = &function.args else { return };
            if name.quote_style.is_some() {
                return;
            }
            let called = normalized(name);
            // One of the user's own.
            if state.scalar_functions().contains_key(&called)
                || state.aggregate_functions().contains_key(&called)
            {
                return;
            }
            if let Some((_, known)) = SYNONYMS.iter().find(|(other, _)| *other == called) {
                *name = Ident::new(*known);
            } else if PARTS.contains(&called.as_str())
                && let [only @ FunctionArg::Unnamed(_)] = list.args.as_slice()
            {
                let part = Value::SingleQuotedString(called).with_empty_span();
                let part = FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(part)));
                let args = vec![part, only.clone()];
                *name = Ident::new("date_part");
                if let FunctionArguments::List(list) = &mut function.args {
                    list.args = args;
                }
            } else if called == "mod"
                && let [
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(left)),
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(right)),
                ] = list.args.as_slice()
            {
                let nested = |part: &Expr| Box::new(Expr::Nested(Box::new(part.clone())));
                let (left, right) = (nested(left), nested(right));
                let remainder = Expr::BinaryOp { left, op: BinaryOperator::Modulo, right };
                *expr = Expr::Nested(Box::new(remainder));
            }
        }
        _ => {}
    }
}

/// Whether an argument is a constant. `array_sort` takes the order of the first row for all others
/// (apache/datafusion#24132).
fn is_literal(argument: &FunctionArg) -> bool {
    matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(_))))
}

/// A pattern in PostgreSQL's letters has nothing to replace, and would be the answer itself.
fn check_pattern(name: &ObjectName, called: &str, args: &[FunctionArg]) -> Flow {
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))) = args.get(1) else {
        return ControlFlow::Continue(());
    };
    let Value::SingleQuotedString(pattern) = &value.value else {
        return ControlFlow::Continue(());
    };
    let is_known = pattern.contains('%')
        || DURATION_FORMS.iter().any(|form| pattern.eq_ignore_ascii_case(form));
    if is_known {
        return ControlFlow::Continue(());
    }
    let text = format!(
        "{called} takes a pattern of strftime, such as '%Y-%m-%d %H:%M:%S'; '{pattern}' has nothing to replace"
    );
    let error = placed(DataFusionError::Plan(text.clone()), name, text);
    ControlFlow::Break(Box::new(error))
}
