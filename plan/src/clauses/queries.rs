//! The clauses of queries.

use super::outer_using::{refuse_outer_using, write_out};
use super::relations::check_join;
use super::{Break, Flow, normalized, number, refuse, refuse_present};
use crate::walk;
use datafusion::sql::sqlparser::ast::{
    Expr, Fetch, GroupByExpr, GroupByWithModifier, Ident, LimitClause, NamedWindowDefinition,
    NamedWindowExpr, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, PipeOperator, Query,
    Select, SelectFlavor, SelectItem, SelectModifiers, SetExpr, SetOperator, TableAlias, VisitMut,
    VisitorMut, WildcardAdditionalOptions, WindowSpec, WindowType, With,
};
use std::ops::ControlFlow;

pub(super) fn check_query(query: &mut Query) -> Flow {
    let Query {
        with,
        body,
        order_by,
        limit_clause,
        fetch,
        locks,
        for_clause,
        settings,
        format_clause,
        pipe_operators,
    } = query;
    refuse_present(&[
        (
            !locks.is_empty(),
            "FOR UPDATE and FOR SHARE are not supported: queries take no locks; omit the clause",
        ),
        (
            for_clause.is_some(),
            "FOR XML and FOR JSON are not supported; use COPY .. TO 'file.json'",
        ),
        (settings.is_some(), "SETTINGS is not supported; use SET name = value"),
        (format_clause.is_some(), "FORMAT is not supported; use COPY .. TO 'file' STORED AS CSV"),
    ])?;
    if let Some(with) = with {
        check_with(with)?;
    }
    if let Some(fetch) = fetch.take() {
        add_limit(limit_clause, fetch)?;
    }
    if let SetExpr::Select(select) = body.as_mut() {
        write_out(select, order_by.as_mut())?;
    }
    if let Some(order_by) = order_by {
        name_columns(order_by, body)?;
        if let SetExpr::Select(select) = body.as_ref() {
            resolve_windows(order_by, &select.named_window);
        }
    }
    for operator in pipe_operators {
        match operator {
            PipeOperator::Join(join) => {
                refuse_outer_using(join)?;
                check_join(None, join)?;
            }
            PipeOperator::Aggregate { full_table_exprs, group_by_expr } => {
                let plain = OrderByOptions { asc: None, nulls_first: None };
                let mut exprs = full_table_exprs.iter().chain(group_by_expr.iter());
                if exprs.any(|expr| expr.order_by != plain) {
                    return refuse("AGGREGATE does not sort; add |> ORDER BY ..");
                }
            }
            _ => {}
        }
    }
    ControlFlow::Continue(())
}

fn check_with(with: &mut With) -> Flow {
    for cte in &mut with.cte_tables {
        name_items(&mut cte.query.body, &cte.alias);
        if cte.from.is_some() {
            return refuse("WITH name AS (..) FROM is not supported; omit FROM");
        }
        // The planner reads nothing but the body of a recursive query.
        let is_union =
            matches!(cte.query.body.as_ref(), SetExpr::SetOperation { op: SetOperator::Union, .. });
        let query = &cte.query;
        if with.recursive && is_union && (query.limit_clause.is_some() || query.fetch.is_some()) {
            return refuse(
                "LIMIT within a recursive query is not supported; use a condition that ends it, or LIMIT in the outer query",
            );
        }
        if with.recursive && is_union && query.with.is_some() {
            return refuse(
                "WITH within a recursive query is not supported; move it to the outer query",
            );
        }
    }
    ControlFlow::Continue(())
}

/// Gives the items of a select list the names that the alias of its query has for them: the planner refuses two of one
/// text, such as those of `WITH f(a, b) AS (SELECT 1, 1)`, before it reads the names.
pub(super) fn name_items(mut body: &mut SetExpr, alias: &TableAlias) {
    let select = loop {
        match body {
            SetExpr::Select(select) => break select,
            SetExpr::SetOperation { left, .. } => body = left,
            SetExpr::Query(query) => body = &mut query.body,
            _ => return,
        }
    };
    let is_one = |item: &SelectItem| {
        matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
    };
    let items = &mut select.projection;
    if items.len() != alias.columns.len() || !items.iter().all(is_one) {
        return;
    }
    for (item, column) in items.iter_mut().zip(&alias.columns) {
        if let SelectItem::UnnamedExpr(expr) = item {
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: column.name.clone() };
        }
    }
}

/// `FETCH FIRST n ROWS ONLY`, as the limit that it is.
fn add_limit(limit_clause: &mut Option<LimitClause>, fetch: Fetch) -> Flow {
    if fetch.with_ties || fetch.percent {
        return refuse(
            "FETCH with PERCENT or WITH TIES is not supported; use LIMIT for a number of rows, or QUALIFY rank() OVER (ORDER BY ..) <= 10 for ties",
        );
    }
    let rows = fetch.quantity.unwrap_or_else(|| number(1));
    match limit_clause {
        None => {
            *limit_clause =
                Some(LimitClause::LimitOffset { limit: Some(rows), offset: None, limit_by: vec![] })
        }
        Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => *limit = Some(rows),
        Some(_) => return refuse("a query has LIMIT or FETCH, not both"),
    }
    ControlFlow::Continue(())
}

/// `ORDER BY ALL`, as the numbers of the columns. The planner knows it where all of them are columns of a
/// table, and ignores it after a set operation.
fn name_columns(order_by: &mut OrderBy, body: &SetExpr) -> Flow {
    let options = match &order_by.kind {
        OrderByKind::All(options) => *options,
        // The parser takes the word for a column; SQL reserves it.
        OrderByKind::Expressions(keys) => match keys.as_slice() {
            [OrderByExpr { expr: Expr::Identifier(name), options, with_fill: None }]
                if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("all") =>
            {
                *options
            }
            _ => return ControlFlow::Continue(()),
        },
    };
    order_by.kind = match (columns(body), body) {
        (Some(columns), _) => {
            let key = |at| OrderByExpr { expr: number(at), options, with_fill: None };
            OrderByKind::Expressions((1..=columns).map(key).collect())
        }
        (None, SetExpr::Select(_)) => OrderByKind::All(options),
        (None, _) => {
            return refuse(
                "ORDER BY ALL after a set operation of SELECT * is not supported; list the columns, or their numbers: ORDER BY 1, 2",
            );
        }
    };
    ControlFlow::Continue(())
}

/// How many columns a query has, if its text tells.
fn columns(mut body: &SetExpr) -> Option<usize> {
    loop {
        match body {
            SetExpr::Select(select) => {
                let is_one = |item: &SelectItem| {
                    matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
                };
                let items = &select.projection;
                return (!items.is_empty() && items.iter().all(is_one)).then_some(items.len());
            }
            SetExpr::SetOperation { left, .. } => body = left,
            SetExpr::Query(query) => body = &query.body,
            SetExpr::Values(values) => return values.rows.first().map(|row| row.content.len()),
            _ => return None,
        }
    }
}

pub(super) fn check_select(select: &mut Select) -> Flow {
    write_out(select, None)?;
    let Select {
        select_token: _,
        // Hints in comments change no rows.
        optimizer_hints: _,
        distinct: _,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection,
        exclude,
        into,
        from,
        lateral_views,
        prewhere,
        selection: _,
        connect_by,
        group_by,
        cluster_by,
        distribute_by,
        sort_by,
        having: _,
        named_window,
        qualify,
        window_before_qualify: _,
        value_table_mode,
        flavor,
    } = select;
    let is_spread = !(cluster_by.is_empty() && distribute_by.is_empty() && sort_by.is_empty());
    let has_modifiers =
        select_modifiers.as_ref().is_some_and(|found| *found != SelectModifiers::default());
    refuse_present(&[
        (
            has_modifiers,
            "words of MySQL such as SQL_CALC_FOUND_ROWS after SELECT are not supported; omit them",
        ),
        (top.is_some(), "TOP is not supported; use LIMIT at the end of the query"),
        (
            exclude.is_some(),
            "EXCLUDE after a select list is not supported; write SELECT * EXCLUDE (a, b)",
        ),
        (into.is_some(), "SELECT .. INTO is not supported; use CREATE TABLE name AS SELECT .."),
        (
            !lateral_views.is_empty(),
            "LATERAL VIEW is not supported; use unnest(..) in the select list",
        ),
        (prewhere.is_some(), "PREWHERE is not supported; use WHERE"),
        (!connect_by.is_empty(), "CONNECT BY is not supported; use WITH RECURSIVE"),
        (is_spread, "CLUSTER BY, DISTRIBUTE BY and SORT BY are not supported; use ORDER BY"),
        (
            value_table_mode.is_some(),
            "SELECT AS STRUCT and AS VALUE are not supported; use named_struct('a', a, 'b', b)",
        ),
    ])?;
    check_groups(group_by)?;
    // DataFusion gives `FROM t` without SELECT no columns; in DuckDB it gives all.
    if *flavor == SelectFlavor::FromFirstNoSelect {
        *projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
        *flavor = SelectFlavor::Standard;
    }
    for table in from {
        for join in &mut table.joins {
            check_join(Some(&table.relation), join)?;
        }
    }
    resolve_windows(projection, named_window);
    resolve_windows(qualify, named_window);
    ControlFlow::Continue(())
}

/// What follows the keys of `GROUP BY`.
fn check_groups(group_by: &GroupByExpr) -> Flow {
    let (GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers)) = group_by;
    match modifiers.first() {
        None => ControlFlow::Continue(()),
        Some(GroupByWithModifier::Rollup | GroupByWithModifier::Totals) => refuse(
            "GROUP BY .. WITH ROLLUP and WITH TOTALS are not supported; use GROUP BY ROLLUP (a, b)",
        ),
        Some(GroupByWithModifier::Cube) => {
            refuse("GROUP BY .. WITH CUBE is not supported; use GROUP BY CUBE (a, b)")
        }
        Some(GroupByWithModifier::GroupingSets(_)) => refuse(
            "GROUP BY a, b GROUPING SETS (..) is not supported; use GROUP BY GROUPING SETS ((a), (b))",
        ),
    }
}

/// Puts the definitions of named windows in the place of their names. The planner does so in select lists only;
/// elsewhere it plans an aggregate instead.
fn resolve_windows(node: &mut impl VisitMut, windows: &[NamedWindowDefinition]) {
    if windows.is_empty() {
        return;
    }
    let _ = walk::visit_syntax_mut(node, &mut NamedWindows(windows));
}

/// Puts the definitions of windows in the place of their names.
struct NamedWindows<'a>(&'a [NamedWindowDefinition]);

impl VisitorMut for NamedWindows<'_> {
    type Break = Break;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        if let Expr::Function(function) = expr
            && let Some(WindowType::NamedWindow(name)) = &function.over
            && let Some(spec) = find_window(name, self.0)
        {
            function.over = Some(WindowType::WindowSpec(spec));
        }
        ControlFlow::Continue(())
    }
}

/// The definition of a window. One may be another one's name.
fn find_window(name: &Ident, windows: &[NamedWindowDefinition]) -> Option<WindowSpec> {
    let mut wanted = normalized(name);
    for _ in windows {
        let found = windows.iter().find(|window| normalized(&window.0) == wanted)?;
        match &found.1 {
            NamedWindowExpr::NamedWindow(other) => wanted = normalized(other),
            NamedWindowExpr::WindowSpec(spec) => return Some(spec.clone()),
        }
    }
    None
}
