//! The clauses of tables and joins.

use super::outer_using::refuse_outer_using;
use super::{Flow, placed, refuse, refuse_at};
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::ast::{
    Join, JoinConstraint, JoinOperator, TableAlias, TableFactor,
};
use std::ops::ControlFlow;

const SAMPLE: &str = "TABLESAMPLE is not supported; use WHERE random() < 0.1 for about a tenth of the rows, or LIMIT for a number of rows";
const ORDINALITY: &str =
    "WITH ORDINALITY is not supported; use row_number() OVER (ORDER BY ..) in the select list";

pub(super) fn check_relation(relation: &mut TableFactor) -> Flow {
    match relation {
        TableFactor::Table { .. } => check_table(relation),
        TableFactor::Derived { lateral: _, subquery: _, alias, sample } => {
            if sample.is_some() {
                return refuse(SAMPLE);
            }
            check_alias(alias.as_ref())
        }
        TableFactor::NestedJoin { table_with_joins, alias } => {
            let tables = table_with_joins.as_mut();
            for join in &mut tables.joins {
                refuse_outer_using(join)?;
                check_join(Some(&tables.relation), join)?;
            }
            check_alias(alias.as_ref())
        }
        TableFactor::Function { lateral: _, name, args: _, with_ordinality, alias } => {
            if *with_ordinality {
                return refuse_at(name, ORDINALITY);
            }
            check_alias(alias.as_ref())
        }
        TableFactor::UNNEST {
            alias,
            array_exprs: _,
            with_offset,
            with_offset_alias,
            with_ordinality,
        } => {
            if *with_ordinality || *with_offset || with_offset_alias.is_some() {
                return refuse(
                    "UNNEST WITH ORDINALITY and WITH OFFSET are not supported; use row_number() OVER (ORDER BY ..) in the select list",
                );
            }
            check_alias(alias.as_ref())
        }
        TableFactor::TableFunction { .. } => {
            refuse("TABLE(f(..)) is not supported; write FROM f(..)")
        }
        TableFactor::Pivot { table, .. } => refuse_at(
            table.as_ref(),
            "PIVOT is not supported; use an aggregate for each column: sum(x) FILTER (WHERE key = 'a') AS a",
        ),
        TableFactor::Unpivot { table, .. } => refuse_at(
            table.as_ref(),
            "UNPIVOT is not supported; use UNION ALL of one SELECT for each column",
        ),
        TableFactor::JsonTable { .. }
        | TableFactor::OpenJsonTable { .. }
        | TableFactor::XmlTable { .. } => refuse(
            "JSON_TABLE, OPENJSON and XMLTABLE are not supported; read JSON files by their names: FROM 'file.json'",
        ),
        TableFactor::MatchRecognize { .. } => {
            refuse("MATCH_RECOGNIZE is not supported; use window functions such as lag")
        }
        TableFactor::SemanticView { .. } => refuse("SEMANTIC_VIEW is not supported; use GROUP BY"),
    }
}

fn check_table(relation: &TableFactor) -> Flow {
    let TableFactor::Table {
        name,
        alias,
        args,
        with_hints,
        version,
        with_ordinality,
        partitions,
        json_path,
        sample,
        index_hints,
    } = relation
    else {
        return ControlFlow::Continue(());
    };
    let has_settings = args.as_ref().is_some_and(|args| args.settings.is_some());
    let clauses = [
        (sample.is_some(), SAMPLE),
        (*with_ordinality, ORDINALITY),
        (
            !with_hints.is_empty() || !index_hints.is_empty(),
            "hints after a table, such as WITH (NOLOCK) or USE INDEX, are not supported; omit them",
        ),
        (
            version.is_some(),
            "earlier versions of a table are not stored; omit FOR SYSTEM_TIME AS OF",
        ),
        (!partitions.is_empty(), "PARTITION after a table is not supported; use WHERE"),
        (json_path.is_some(), "paths into a table are not supported; use unnest(..)"),
        (has_settings, "SETTINGS is not supported; use SET name = value"),
    ];
    match clauses.iter().find(|(is_present, _)| *is_present) {
        Some((_, text)) => refuse_at(name, *text),
        None => check_alias(alias.as_ref()),
    }
}

fn check_alias(alias: Option<&TableAlias>) -> Flow {
    let Some(alias) = alias else { return ControlFlow::Continue(()) };
    if alias.at.is_some() {
        return refuse("AS name AT index is not supported; use row_number() in the select list");
    }
    if alias.columns.iter().any(|column| column.data_type.is_some()) {
        return refuse(format!(
            "types in the columns of the alias {} are not supported; use CAST in the select list",
            alias.name
        ));
    }
    ControlFlow::Continue(())
}

/// A join, and the first table before it where that is known.
pub(super) fn check_join(left: Option<&TableFactor>, join: &mut Join) -> Flow {
    let Join { relation, global, join_operator } = join;
    if *global {
        return refuse_at(relation, "GLOBAL JOIN is not supported; omit GLOBAL");
    }
    match join_operator {
        JoinOperator::Semi(constraint) => {
            let constraint = std::mem::replace(constraint, JoinConstraint::None);
            *join_operator = JoinOperator::LeftSemi(constraint);
        }
        JoinOperator::Anti(constraint) => {
            let constraint = std::mem::replace(constraint, JoinConstraint::None);
            *join_operator = JoinOperator::LeftAnti(constraint);
        }
        _ => {}
    }
    let text = match join_operator {
        JoinOperator::CrossJoin(JoinConstraint::None) => return ControlFlow::Continue(()),
        JoinOperator::CrossJoin(_) => "CROSS JOIN takes no condition; use JOIN .. ON",
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::Semi(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::RightSemi(constraint)
        | JoinOperator::Anti(constraint)
        | JoinOperator::LeftAnti(constraint)
        | JoinOperator::RightAnti(constraint) => match constraint {
            JoinConstraint::None if is_positional(left) => {
                "POSITIONAL JOIN is not supported; number the rows of both tables with row_number() OVER (ORDER BY ..), and join by the numbers"
            }
            JoinConstraint::None => {
                let text = "a join needs a condition; add ON or USING, or use CROSS JOIN for all pairs of rows";
                let error = DataFusionError::Plan(text.to_string());
                let error = placed(error, relation, text.to_string());
                return ControlFlow::Break(Box::new(error));
            }
            JoinConstraint::On(_) | JoinConstraint::Using(_) | JoinConstraint::Natural => {
                return ControlFlow::Continue(());
            }
        },
        JoinOperator::CrossApply | JoinOperator::OuterApply => {
            "CROSS APPLY and OUTER APPLY are not supported; use JOIN LATERAL (..) ON true"
        }
        JoinOperator::AsOf { .. } => {
            "ASOF JOIN is not supported; join with >=, and keep the latest row with QUALIFY row_number() OVER (PARTITION BY .. ORDER BY .. DESC) = 1"
        }
        JoinOperator::StraightJoin(_) => "STRAIGHT_JOIN is not supported; use JOIN .. ON",
        JoinOperator::ArrayJoin | JoinOperator::LeftArrayJoin | JoinOperator::InnerArrayJoin => {
            "ARRAY JOIN is not supported; use unnest(..) in the select list"
        }
    };
    refuse_at(relation, text)
}

/// Whether the word `POSITIONAL` was taken for the alias of the table before a join.
fn is_positional(left: Option<&TableFactor>) -> bool {
    let (Some(TableFactor::Table { alias, .. }) | Some(TableFactor::Derived { alias, .. })) = left
    else {
        return false;
    };
    alias
        .as_ref()
        .is_some_and(|alias| !alias.explicit && alias.name.value.eq_ignore_ascii_case("positional"))
}
