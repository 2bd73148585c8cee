//! Columns of a select list with one name.
//!
//! DataFusion 55 has no plan for `select x, x`, `select *, x` and `select count(*), count(*)`. The later of two such columns gets a
//! number, as DuckDB gives it to columns of tables: `x_1`.

use super::normalized;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Select, SelectItem, SelectItemQualifiedWildcardKind, WildcardAdditionalOptions,
};
use std::collections::BTreeSet;

/// What a column of a select list is called.
#[derive(PartialEq)]
enum Name {
    /// A column of a table, which may be named.
    Column { name: String, table: Option<String> },
    /// A name that the statement gives.
    Alias(String),
    /// An expression, by its text.
    Text(String),
}

impl Name {
    fn of(item: &SelectItem) -> Option<Self> {
        Some(match item {
            SelectItem::ExprWithAlias { alias, .. } => Name::Alias(normalized(alias)),
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => {
                Name::Column { name: normalized(name), table: None }
            }
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                let (name, tables) = parts.split_last()?;
                Name::Column { name: normalized(name), table: Some(joined(tables)) }
            }
            SelectItem::UnnamedExpr(other) => Name::Text(other.to_string()),
            SelectItem::ExprWithAliases { .. }
            | SelectItem::QualifiedWildcard(..)
            | SelectItem::Wildcard(_) => return None,
        })
    }

    fn text(&self) -> &str {
        match self {
            Name::Column { name, .. } | Name::Alias(name) | Name::Text(name) => name,
        }
    }

    /// Whether two columns may not stand in one list. Columns of two tables may have one name.
    fn excludes(&self, other: &Name) -> bool {
        match (self, other) {
            (Name::Column { table: Some(one), .. }, Name::Column { table: Some(other), .. })
                if one != other =>
            {
                false
            }
            (Name::Text(one), Name::Text(other)) => one == other,
            (Name::Text(_), _) | (_, Name::Text(_)) => false,
            _ => self.text() == other.text(),
        }
    }
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
            (Wildcard::All, Name::Column { .. }) => true,
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
    let mut earlier: Vec<Name> = Vec::new();
    for item in &mut select.projection {
        let Some(name) = Name::of(item) else { continue };
        let is_there = wildcards.iter().any(|wildcard| wildcard.has(&name))
            || earlier.iter().any(|other| other.excludes(&name));
        if is_there {
            let numbered = (1_usize..).map(|number| format!("{}_{number}", name.text()));
            let Some(free) = numbered.into_iter().find(|free| !taken.contains(free)) else {
                continue;
            };
            let alias = Ident::with_quote('"', free.clone());
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                }
                SelectItem::ExprWithAlias { alias: old, .. } => *old = alias,
                _ => {}
            }
            taken.insert(free);
        } else {
            earlier.push(name);
        }
    }
}
