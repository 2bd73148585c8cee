//! `RIGHT JOIN` and `FULL JOIN` with `USING`.
//!
//! The planner of DataFusion 55 takes the column of the first table for the one that `USING` makes of two
//! (apache/datafusion#22881), which is NULL in rows without a match there. Here such a join gets a condition with `ON`, and its
//! column is written out wherever it is named without a table: as that of the right table, or as the first of both that is
//! not NULL. `*` gives it once, where the first table has it.

use super::{Flow, normalized, refuse, refuse_at};
use crate::walk;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Distinct, ExcludeSelectItem, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, Join, JoinConstraint, JoinOperator, ObjectName,
    ObjectNamePart, OrderBy, Query, ReplaceSelectElement, ReplaceSelectItem, Select, SelectItem,
    SelectItemQualifiedWildcardKind, TableAlias, TableFactor, TableWithJoins, VisitMut, VisitorMut,
    WildcardAdditionalOptions,
};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::ControlFlow;

const REMEDY: &str = "write ON l.k = r.k, and coalesce(l.k, r.k) AS k in the select list";

/// How a join keeps rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
    Full,
}

/// The condition of a join, and the rows that it keeps.
fn constraint_of(join: &mut Join) -> Option<(&mut JoinConstraint, Side)> {
    match &mut join.join_operator {
        JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
            Some((constraint, Side::Right))
        }
        JoinOperator::FullOuter(constraint) => Some((constraint, Side::Full)),
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint) => Some((constraint, Side::Left)),
        _ => None,
    }
}

/// Whether a join has one column of two, and rows without a match on its left.
pub(super) fn is_outer_using(join: &mut Join) -> bool {
    constraint_of(join).is_some_and(|(constraint, side)| {
        side != Side::Left
            && matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural)
    })
}

/// Refuses such a join where it is not written out.
pub(super) fn refuse_outer_using(join: &mut Join) -> Flow {
    match is_outer_using(join) {
        true => refuse(format!("RIGHT and FULL JOIN with USING are not supported here; {REMEDY}")),
        false => ControlFlow::Continue(()),
    }
}

/// Writes out such joins of a query.
pub(super) fn write_out(select: &mut Select, order_by: Option<&mut OrderBy>) -> Flow {
    if !select.from.iter_mut().any(|item| item.joins.iter_mut().any(is_outer_using)) {
        return ControlFlow::Continue(());
    }
    let mut tables = Tables::default();
    for item in &mut select.from {
        tables.add(item)?;
    }
    let outputs = tables.project(&mut select.projection)?;
    let Select { selection, group_by, having, qualify, named_window, distinct, .. } = select;
    tables.name(selection);
    tables.name(group_by);
    tables.name(having);
    tables.name(qualify);
    tables.name(named_window);
    if let Some(Distinct::On(keys)) = distinct {
        tables.name(keys);
    }
    // A name of the select list comes first there.
    if let Some(order_by) = order_by {
        tables.keys.retain(|name, _| !outputs.contains(name));
        tables.name(order_by);
    }
    ControlFlow::Continue(())
}

/// A table of a FROM clause.
struct Table {
    path: Vec<Ident>,
    /// Columns of USING that it has first.
    shown: Vec<Ident>,
    /// Columns of USING that a table before it has.
    hidden: Vec<Ident>,
}

/// The tables of a FROM clause, and the columns that USING makes of theirs.
#[derive(Default)]
struct Tables {
    all: Vec<Table>,
    /// By their names: the columns of which the first that is not NULL counts.
    keys: BTreeMap<String, Vec<Expr>>,
}

impl Tables {
    /// Adds a table with its joins, which get conditions.
    fn add(&mut self, item: &mut TableWithJoins) -> Flow {
        let first = self.all.len();
        self.add_table(&mut item.relation)?;
        for join in &mut item.joins {
            self.add_table(&mut join.relation)?;
            let right = self.all.len() - 1;
            let Some((constraint, side)) = constraint_of(join) else { continue };
            match constraint {
                JoinConstraint::Using(columns) => {
                    let mut conditions = Vec::new();
                    for column in std::mem::take(columns) {
                        let Some(column) = single(column) else {
                            return refuse("USING takes names of columns without their table");
                        };
                        conditions.push(self.add_key(column, first..right, side)?);
                    }
                    let joined = conditions
                        .into_iter()
                        .reduce(|left, right| binary(left, BinaryOperator::And, right));
                    *constraint = joined.map_or(JoinConstraint::None, JoinConstraint::On);
                }
                JoinConstraint::On(condition) => self.name(condition),
                JoinConstraint::Natural => {
                    return refuse(format!(
                        "NATURAL RIGHT and FULL JOIN, and NATURAL beside them, are not supported; {REMEDY}"
                    ));
                }
                JoinConstraint::None => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn add_table(&mut self, relation: &mut TableFactor) -> Flow {
        let unnamed = Ident::with_quote('"', format!("table {}", self.all.len() + 1));
        let path = match relation {
            TableFactor::Table { alias: Some(alias), .. } => vec![alias.name.clone()],
            TableFactor::Table { name, args: None, .. } => {
                name.0.iter().filter_map(ObjectNamePart::as_ident).cloned().collect()
            }
            TableFactor::Table { alias, .. }
            | TableFactor::Derived { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::Function { alias, .. } => {
                let alias = alias.get_or_insert_with(|| TableAlias {
                    explicit: true,
                    name: unnamed,
                    columns: Vec::new(),
                    at: None,
                });
                vec![alias.name.clone()]
            }
            other => {
                return refuse_at(
                    other,
                    format!(
                        "RIGHT and FULL JOIN with USING are not supported beside joins in parentheses; {REMEDY}"
                    ),
                );
            }
        };
        self.all.push(Table { path, shown: Vec::new(), hidden: Vec::new() });
        ControlFlow::Continue(())
    }

    /// Makes one column of two: that of tables on the left, and that of the table after them. Gives the condition.
    fn add_key(
        &mut self,
        column: Ident,
        left: std::ops::Range<usize>,
        side: Side,
    ) -> ControlFlow<super::Break, Expr> {
        let name = normalized(&column);
        let right = left.end;
        if !self.keys.contains_key(&name) {
            if left.len() > 1 {
                refuse(format!(
                    "RIGHT and FULL JOIN with USING ({column}) after other joins are not supported; {REMEDY}"
                ))?;
            }
            let first = &mut self.all[left.start];
            first.shown.push(column.clone());
            self.keys.insert(name.clone(), vec![column_of(&first.path, &column)]);
        }
        let table = &mut self.all[right];
        table.hidden.push(column.clone());
        let other = column_of(&table.path, &column);
        let values = self.keys.entry(name).or_default();
        let condition = binary(value_of(values), BinaryOperator::Eq, other.clone());
        match side {
            Side::Left => {}
            Side::Right => *values = vec![other],
            Side::Full => values.push(other),
        }
        ControlFlow::Continue(condition)
    }

    /// Writes the select list, and gives the names of keys that it has.
    fn project(&self, projection: &mut Vec<SelectItem>) -> ControlFlow<super::Break, Vec<String>> {
        let (mut written, mut outputs) = (Vec::new(), Vec::new());
        for item in std::mem::take(projection) {
            match item {
                SelectItem::Wildcard(options) => {
                    let plain = WildcardAdditionalOptions {
                        wildcard_token: options.wildcard_token.clone(),
                        ..WildcardAdditionalOptions::default()
                    };
                    if options != plain {
                        refuse(
                            "* with EXCLUDE, REPLACE or RENAME over RIGHT or FULL JOIN with USING is not supported; list the columns".to_string(),
                        )?;
                    }
                    outputs.extend(self.keys.keys().cloned());
                    written.extend(self.all.iter().map(|table| self.wildcard(table)));
                }
                SelectItem::UnnamedExpr(Expr::Identifier(name)) => {
                    outputs.push(normalized(&name));
                    written.push(match self.keys.get(&normalized(&name)) {
                        Some(values) => {
                            SelectItem::ExprWithAlias { expr: value_of(values), alias: name }
                        }
                        None => SelectItem::UnnamedExpr(Expr::Identifier(name)),
                    });
                }
                mut item => {
                    if let SelectItem::ExprWithAlias { alias, .. } = &item {
                        outputs.push(normalized(alias));
                    }
                    self.name(&mut item);
                    written.push(item);
                }
            }
        }
        *projection = written;
        ControlFlow::Continue(outputs)
    }

    /// All columns of a table, but those that a table before it shows.
    fn wildcard(&self, table: &Table) -> SelectItem {
        let parts = table.path.iter().cloned().map(ObjectNamePart::Identifier).collect();
        let kind = SelectItemQualifiedWildcardKind::ObjectName(ObjectName(parts));
        let replaced = table.shown.iter().filter_map(|column| {
            let expr = value_of(self.keys.get(&normalized(column))?);
            let column_name = column.clone();
            Some(Box::new(ReplaceSelectElement { expr, column_name, as_keyword: true }))
        });
        let items: Vec<_> = replaced.collect();
        let hidden: Vec<ObjectName> = table.hidden.iter().cloned().map(ObjectName::from).collect();
        let options = WildcardAdditionalOptions {
            opt_exclude: (!hidden.is_empty()).then_some(ExcludeSelectItem::Multiple(hidden)),
            opt_replace: (!items.is_empty()).then_some(ReplaceSelectItem { items }),
            ..WildcardAdditionalOptions::default()
        };
        SelectItem::QualifiedWildcard(kind, options)
    }

    /// Puts the columns in the place of their names, but in queries within.
    fn name(&self, node: &mut impl VisitMut) {
        let _ = walk::visit_syntax_mut(node, &mut Names { keys: &self.keys, depth: 0 });
    }
}

struct Names<'a> {
    keys: &'a BTreeMap<String, Vec<Expr>>,
    /// Queries around the place of the visit.
    depth: u32,
}

impl VisitorMut for Names<'_> {
    type Break = Infallible;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<Infallible> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Infallible> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if self.depth == 0
            && let Expr::Identifier(name) = expr
            && let Some(values) = self.keys.get(&normalized(name))
        {
            *expr = value_of(values);
        }
        ControlFlow::Continue(())
    }
}

fn single(mut name: ObjectName) -> Option<Ident> {
    let part = name.0.pop().filter(|_| name.0.is_empty())?;
    part.as_ident().cloned()
}

fn column_of(path: &[Ident], column: &Ident) -> Expr {
    Expr::CompoundIdentifier(path.iter().chain([column]).cloned().collect())
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

/// The first of these that is not NULL.
fn value_of(values: &[Expr]) -> Expr {
    if let [value] = values {
        return value.clone();
    }
    let argument = |value: &Expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(value.clone()));
    let args = FunctionArgumentList {
        duplicate_treatment: None,
        args: values.iter().map(argument).collect(),
        clauses: Vec::new(),
    };
    Expr::Function(Function {
        name: ObjectName::from(Ident::new("coalesce")),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(args),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
