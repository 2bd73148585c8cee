//! Columns of a select list with one name.
//!
//! DataFusion 55 has no plan for `select x, x`, `select *, x`, `select count(*), count(*)` and, as its names have no casts,
//! `select x, cast(x as int)`. The later of two such columns gets a number, as DuckDB gives it to columns of tables: `x_1`.
//! A cast is called by its text.

use super::normalized;
use crate::walk;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Select, SelectItem, SelectItemQualifiedWildcardKind, VisitorMut,
    WildcardAdditionalOptions,
};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::ops::ControlFlow;

/// What a column of a select list is called.
enum Name {
    /// A column of this table, or one that has any table, or a name that the statement gives.
    Column { name: String, table: Option<String>, is_alias: bool },
    /// An expression, by its text.
    Text(String),
}

impl Name {
    fn of(item: &SelectItem) -> Option<Self> {
        Some(match item {
            SelectItem::ExprWithAlias { alias, .. } => {
                Name::Column { name: normalized(alias), table: None, is_alias: true }
            }
            SelectItem::UnnamedExpr(expr) => match without_casts(expr) {
                Expr::Identifier(name) => {
                    Name::Column { name: normalized(&name), table: None, is_alias: false }
                }
                Expr::CompoundIdentifier(parts) => {
                    let (name, tables) = parts.split_last()?;
                    let table = Some(joined(tables));
                    Name::Column { name: normalized(name), table, is_alias: false }
                }
                other => Name::Text(other.to_string()),
            },
            SelectItem::ExprWithAliases { .. }
            | SelectItem::QualifiedWildcard(..)
            | SelectItem::Wildcard(_) => return None,
        })
    }

    fn text(&self) -> &str {
        match self {
            Name::Column { name, .. } | Name::Text(name) => name,
        }
    }
}

/// The names of the columns before one.
#[derive(Default)]
struct Earlier {
    texts: BTreeSet<String>,
    /// Columns, with their tables: those of two tables may have one name.
    columns: BTreeMap<String, BTreeSet<Option<String>>>,
}

impl Earlier {
    fn excludes(&self, name: &Name) -> bool {
        match name {
            Name::Text(text) => self.texts.contains(text),
            Name::Column { name, table, .. } => self.columns.get(name).is_some_and(|tables| {
                table.is_none() || tables.contains(table) || tables.contains(&None)
            }),
        }
    }

    fn add(&mut self, name: Name) {
        match name {
            Name::Text(text) => {
                self.texts.insert(text);
            }
            Name::Column { name, table, .. } => {
                self.columns.entry(name).or_default().insert(table);
            }
        }
    }
}

/// An expression without what DataFusion leaves out of its name.
fn without_casts(expr: &Expr) -> Expr {
    struct Casts;

    impl VisitorMut for Casts {
        type Break = Infallible;

        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
            while let Expr::Cast { expr: inner, .. } | Expr::Nested(inner) = expr {
                *expr = inner.as_ref().clone();
            }
            ControlFlow::Continue(())
        }
    }

    let mut expr = expr.clone();
    let ControlFlow::Continue(()) = walk::visit_syntax_mut(&mut expr, &mut Casts);
    expr
}

fn joined(names: &[Ident]) -> String {
    names.iter().map(normalized).collect::<Vec<_>>().join(".")
}

/// Which columns a wildcard stands for, as far as that can be said without the tables.
enum Wildcard {
    All,
    Of(String),
}

impl Wildcard {
    /// `is_only`: there is one table, of which all columns are.
    fn of(item: &SelectItem, is_only: bool) -> Option<Self> {
        let is_plain = |options: &WildcardAdditionalOptions| {
            // It compares as equal whichever token it has.
            *options == WildcardAdditionalOptions::default()
        };
        match item {
            SelectItem::Wildcard(options) if is_plain(options) => Some(Wildcard::All),
            SelectItem::QualifiedWildcard(_, options) if is_only && is_plain(options) => {
                Some(Wildcard::All)
            }
            SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(table),
                options,
            ) if is_plain(options) => {
                let parts = table.0.iter().map(|part| part.as_ident().map(normalized));
                Some(Wildcard::Of(parts.collect::<Option<Vec<_>>>()?.join(".")))
            }
            _ => None,
        }
    }

    fn has(&self, column: &Name) -> bool {
        match (self, column) {
            (Wildcard::All, Name::Column { is_alias, .. }) => !is_alias,
            (Wildcard::Of(own), Name::Column { table: Some(table), .. }) => own == table,
            _ => false,
        }
    }
}

/// Gives a number to each column whose name an earlier one has.
pub(super) fn number_equal(select: &mut Select) {
    let is_only = matches!(select.from.as_slice(), [table] if table.joins.is_empty());
    let wildcards = select.projection.iter().filter_map(|item| Wildcard::of(item, is_only));
    let wildcards: Vec<Wildcard> = wildcards.collect();
    let mut taken: BTreeSet<String> =
        select.projection.iter().filter_map(Name::of).map(|name| name.text().to_string()).collect();
    let mut earlier = Earlier::default();
    for item in &mut select.projection {
        let Some(name) = Name::of(item) else { continue };
        if !earlier.excludes(&name) && !wildcards.iter().any(|wildcard| wildcard.has(&name)) {
            earlier.add(name);
            continue;
        }
        let free = free_name(item, name.text(), &taken);
        let alias = Ident::with_quote('"', free.clone());
        match item {
            SelectItem::UnnamedExpr(expr) => {
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
            }
            SelectItem::ExprWithAlias { alias: old, .. } => *old = alias,
            _ => {}
        }
        taken.insert(free);
    }
}

/// A name that no other column has: the text of an expression that is more than its name, or one with a number.
fn free_name(item: &SelectItem, name: &str, taken: &BTreeSet<String>) -> String {
    if let SelectItem::UnnamedExpr(expr) = item
        && !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
        && expr.to_string() != name
        && !taken.contains(&expr.to_string())
    {
        return expr.to_string();
    }
    let mut number = 1_usize;
    while taken.contains(&format!("{name}_{number}")) {
        number += 1;
    }
    format!("{name}_{number}")
}
