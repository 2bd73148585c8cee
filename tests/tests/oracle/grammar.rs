//! Random tables, and random queries over them, that a single node answers without an error.
//!
//! Numbers are small and divisors are constants, so nothing overflows or divides by zero. Floating
//! point numbers are multiples of a quarter: their sums are exact in any order. Every query sorts
//! by all of its columns where it has a limit, so that its answer is one.

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use std::sync::Arc;

/// The tables, by name.
pub(crate) const TABLES: [&str; 3] = ["r0", "r1", "r2"];
/// Rows of a file at most: little data finds as much as much data, sooner.
pub(crate) const FILE_ROWS_MAX: usize = 30;
/// How deep queries are nested at most.
const DEPTH_MAX: u32 = 3;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Int,
    Float,
    Text,
    Bool,
    Date,
}

const KINDS: [Kind; 5] = [Kind::Int, Kind::Float, Kind::Text, Kind::Bool, Kind::Date];

/// The columns of every table. Two are integers, of few and of more values.
const COLUMNS: [(&str, Kind); 6] = [
    ("a", Kind::Int),
    ("b", Kind::Int),
    ("c", Kind::Float),
    ("d", Kind::Text),
    ("e", Kind::Bool),
    ("f", Kind::Date),
];

/// Which floating-point numbers tables have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Floats {
    /// Those that every system treats alike.
    Plain,
    /// NaN and negative zero too.
    Special,
}

/// A multiple of a quarter, or one of the special numbers in the place of some of them.
fn float(n: i64, floats: Floats) -> f64 {
    match (floats, n) {
        (Floats::Special, 1) => -0.0,
        (Floats::Special, 2) => f64::NAN,
        _ => n as f64 / 4.0,
    }
}

/// The rows of one file: as many as `rows_max` at most.
pub(crate) fn rows(rng: &mut SmallRng, rows_max: usize, floats: Floats) -> RecordBatch {
    let count = rng.random_range(0..=rows_max);
    let mut column = |kind: Kind, values: i64| -> ArrayRef {
        let numbers = (0..count)
            .map(|_| (!rng.random_bool(0.15)).then(|| rng.random_range(0..values)))
            .collect::<Vec<_>>();
        let numbers = numbers.into_iter();
        match kind {
            Kind::Int => Arc::new(numbers.collect::<Int64Array>()),
            Kind::Float => {
                Arc::new(numbers.map(|n| n.map(|n| float(n, floats))).collect::<Float64Array>())
            }
            Kind::Text => {
                let text = |n: i64| "xyz".chars().cycle().take(n as usize).collect::<String>();
                Arc::new(numbers.map(|n| n.map(text)).collect::<StringArray>())
            }
            Kind::Bool => Arc::new(numbers.map(|n| n.map(|n| n > 0)).collect::<BooleanArray>()),
            Kind::Date => {
                Arc::new(numbers.map(|n| n.map(|n| 19_000 + n as i32)).collect::<Date32Array>())
            }
        }
    };
    let columns: Vec<(&str, ArrayRef, bool)> = COLUMNS
        .iter()
        .zip([4, 25, 12, 6, 2, 9])
        .map(|((name, kind), values)| (*name, column(*kind, values), true))
        .collect();
    RecordBatch::try_from_iter_with_nullable(columns)
        .unwrap_or_else(|_| RecordBatch::new_empty(Arc::new(arrow::datatypes::Schema::empty())))
}

/// The kinds of joins; the last of them are DataFusion's own.
const JOINS: [&str; 9] = [
    "join",
    "join",
    "left join",
    "right join",
    "full join",
    "left semi join",
    "left anti join",
    "right semi join",
    "right anti join",
];
/// How many of them.
const RIGHT_SEMI_JOINS: usize = 2;

/// A column that an expression can name.
#[derive(Clone, Debug)]
struct Column {
    name: String,
    kind: Kind,
}

/// A query whose columns are named `x0`, `x1` and so on.
struct Select {
    sql: String,
    kinds: Vec<Kind>,
}

/// An expression that is never null, as one that could be: joins by sorting fail on those that
/// could not, where rows have no match (DataFusion 55).
fn nullable(value: &str) -> String {
    format!("nullif({value}, -1)")
}

/// Whose SQL a query is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// DataFusion's.
    DataFusion,
    /// What DataFusion and DuckDB share, but for the names of semi joins (see [`for_duckdb`]).
    /// Keys of an order have one zero: an order of DataFusion tells -0.0 from 0.0.
    Shared,
}

/// A query of the shared dialect, as DuckDB writes it.
pub(crate) fn for_duckdb(sql: &str) -> String {
    sql.replace(" left semi join ", " semi join ").replace(" left anti join ", " anti join ")
}

/// Writes one query.
pub(crate) struct Grammar<'a> {
    rng: &'a mut SmallRng,
    dialect: Dialect,
    aliases: u32,
}

impl<'a> Grammar<'a> {
    pub(crate) fn new(rng: &'a mut SmallRng, dialect: Dialect) -> Self {
        Grammar { rng, dialect, aliases: 0 }
    }

    /// A whole query.
    pub(crate) fn query(mut self) -> String {
        let select = self.select(DEPTH_MAX, None);
        if self.chance(0.4) {
            return select.sql;
        }
        let alias = self.alias();
        let order = self.order(&select.kinds);
        let limit = match self.rng.random_range(0..3) {
            0 => String::new(),
            1 => format!(" limit {}", self.rng.random_range(0..40)),
            _ => {
                let (limit, offset) = (self.rng.random_range(0..40), self.rng.random_range(0..20));
                format!(" limit {limit} offset {offset}")
            }
        };
        format!("select * from ({}) {alias} order by {order}{limit}", select.sql)
    }

    fn chance(&mut self, p: f64) -> bool {
        self.rng.random_bool(p)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        // Every list that is picked from has something in it.
        *from.choose(self.rng).unwrap_or(&from[0])
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("t{}", self.aliases)
    }

    fn order(&mut self, kinds: &[Kind]) -> String {
        let mut keys = Vec::new();
        for (column, kind) in kinds.iter().enumerate() {
            let direction = self.pick(&["", " asc", " desc", " desc nulls last", " nulls first"]);
            keys.push(match (self.dialect, kind) {
                (Dialect::Shared, Kind::Float) => format!("(x{column} + 0){direction}"),
                _ => format!("x{column}{direction}"),
            });
        }
        keys.join(", ")
    }

    /// A query, of these kinds of columns if they are given.
    fn select(&mut self, depth: u32, kinds: Option<&[Kind]>) -> Select {
        match self.rng.random_range(0..10) {
            0 | 1 if depth > 0 => self.set_operation(depth, kinds),
            2..=4 => self.aggregate(depth, kinds),
            5 if kinds.is_none() => self.window(depth),
            _ => self.plain(depth, kinds),
        }
    }

    fn some_kinds(&mut self) -> Vec<Kind> {
        let count = self.rng.random_range(1..5);
        (0..count).map(|_| self.pick(&KINDS)).collect()
    }

    fn plain(&mut self, depth: u32, kinds: Option<&[Kind]>) -> Select {
        let (from, columns) = self.from(depth);
        let kinds = kinds.map_or_else(|| self.some_kinds(), <[Kind]>::to_vec);
        let mut items = Vec::new();
        for (number, kind) in kinds.iter().enumerate() {
            items.push(format!("{} as x{number}", self.value(*kind, &columns, 2)));
        }
        let distinct = if self.chance(0.15) { "distinct " } else { "" };
        let filter = self.filter(&columns, depth);
        let sql = format!("select {distinct}{} from {from}{filter}", items.join(", "));
        Select { sql, kinds }
    }

    fn set_operation(&mut self, depth: u32, kinds: Option<&[Kind]>) -> Select {
        let left = self.select(depth - 1, kinds);
        let right = self.select(depth - 1, Some(&left.kinds));
        let operation = self.pick(&["union all", "union all", "union", "intersect", "except"]);
        let (a, b) = (self.alias(), self.alias());
        let (left_sql, right_sql) = (left.sql, right.sql);
        let sql =
            format!("select * from ({left_sql}) {a} {operation} select * from ({right_sql}) {b}");
        Select { sql, kinds: left.kinds }
    }

    fn aggregate(&mut self, depth: u32, kinds: Option<&[Kind]>) -> Select {
        let (from, columns) = self.from(depth);
        let kinds = kinds.map_or_else(|| self.some_kinds(), <[Kind]>::to_vec);
        let keys = self.rng.random_range(0..=kinds.len());
        let (mut items, mut groups) = (Vec::new(), Vec::new());
        for (number, kind) in kinds.iter().enumerate() {
            let value = self.value(*kind, &columns, 1);
            if number < keys {
                groups.push(value.clone());
                items.push(format!("{value} as x{number}"));
            } else {
                items.push(format!("{} as x{number}", self.aggregated(*kind, &columns)));
            }
        }
        let filter = self.filter(&columns, depth);
        let mut sql = format!("select {} from {from}{filter}", items.join(", "));
        if !groups.is_empty() {
            sql.push_str(&format!(" group by {}", groups.join(", ")));
            if self.chance(0.2) {
                sql.push_str(&format!(" having count(*) > {}", self.rng.random_range(0..4)));
            }
        }
        Select { sql, kinds }
    }

    fn aggregated(&mut self, kind: Kind, columns: &[Column]) -> String {
        let value = self.value(kind, columns, 1);
        let function = match kind {
            Kind::Int => {
                let other = self.any(columns);
                match self.rng.random_range(0..5) {
                    0 => return nullable("count(*)"),
                    1 => return nullable(&format!("count({other})")),
                    2 => return nullable(&format!("count(distinct {other})")),
                    _ => self.pick(&["sum", "min", "max"]),
                }
            }
            Kind::Float => self.pick(&["sum", "avg", "min", "max"]),
            Kind::Text | Kind::Date => self.pick(&["min", "max"]),
            Kind::Bool => self.pick(&["bool_and", "bool_or"]),
        };
        let filter = match self.chance(0.1) {
            true => format!(" filter (where {})", self.predicate(columns, 1)),
            false => String::new(),
        };
        format!("{function}({value}){filter}")
    }

    fn window(&mut self, depth: u32) -> Select {
        let inner = self.plain(depth, None);
        let alias = self.alias();
        let count = inner.kinds.len();
        let order = self.order(&inner.kinds);
        let key = self.rng.random_range(0..count);
        let over = match self.chance(0.7) {
            true => format!("over (partition by x{key} order by {order})"),
            false => format!("over (order by {order})"),
        };
        let function = self.pick(&["row_number()", "rank()", "count(*)", "ntile(3)"]);
        let names: Vec<String> = (0..count).map(|n| format!("x{n}")).collect();
        let sql = format!(
            "select {}, {} as x{count} from ({}) {alias}",
            names.join(", "),
            nullable(&format!("cast({function} {over} as bigint)")),
            inner.sql
        );
        let mut kinds = inner.kinds;
        kinds.push(Kind::Int);
        Select { sql, kinds }
    }

    /// Where rows come from, and the columns that they have.
    fn from(&mut self, depth: u32) -> (String, Vec<Column>) {
        match self.rng.random_range(0..10) {
            0 | 1 if depth > 0 => {
                let select = self.select(depth - 1, None);
                let alias = self.alias();
                let named = |(n, kind): (usize, &Kind)| Column {
                    name: format!("{alias}.x{n}"),
                    kind: *kind,
                };
                let columns = select.kinds.iter().enumerate().map(named).collect();
                (format!("({}) {alias}", select.sql), columns)
            }
            2..=6 if depth > 0 => self.join(depth),
            _ => {
                let (table, alias) = (self.pick(&TABLES), self.alias());
                let named = |(name, kind): &(&str, Kind)| Column {
                    name: format!("{alias}.{name}"),
                    kind: *kind,
                };
                (format!("{table} {alias}"), COLUMNS.iter().map(named).collect())
            }
        }
    }

    fn join(&mut self, depth: u32) -> (String, Vec<Column>) {
        let (left, mut columns) = self.from(depth - 1);
        let (right, others) = self.from(depth - 1);
        let right = if right.contains(" join ") { format!("({right})") } else { right };
        let pairs: Vec<(&Column, &Column)> = columns
            .iter()
            .flat_map(|l| others.iter().map(move |r| (l, r)))
            .filter(|(l, r)| l.kind == r.kind && l.kind != Kind::Bool)
            .collect();
        let mut conditions = Vec::new();
        if !pairs.is_empty() {
            let keys = if self.chance(0.85) { self.rng.random_range(1..3) } else { 0 };
            for _ in 0..keys {
                let (l, r) = self.pick(&pairs);
                conditions.push(format!("{} = {}", l.name, r.name));
            }
            if keys == 0 || self.chance(0.2) {
                let (l, r) = self.pick(&pairs);
                let comparison = self.pick(&["<", "<=", ">", "<>"]);
                conditions.push(format!("{} {comparison} {}", l.name, r.name));
            }
        }
        if conditions.is_empty() {
            columns.extend(others);
            return (format!("{left} cross join {right}"), columns);
        }
        let kind = match self.dialect {
            Dialect::DataFusion => self.pick(&JOINS),
            Dialect::Shared => self.pick(&JOINS[..JOINS.len() - RIGHT_SEMI_JOINS]),
        };
        let sql = format!("{left} {kind} {right} on {}", conditions.join(" and "));
        match kind {
            "left semi join" | "left anti join" => (sql, columns),
            "right semi join" | "right anti join" => (sql, others),
            _ => {
                columns.extend(others);
                (sql, columns)
            }
        }
    }

    fn filter(&mut self, columns: &[Column], depth: u32) -> String {
        match self.rng.random_range(0..10) {
            0..=2 => String::new(),
            3 if depth > 0 => {
                let subquery = self.select(depth - 1, Some(&[Kind::Int]));
                let value = self.value(Kind::Int, columns, 0);
                let negation = self.pick(&["", "not "]);
                format!(" where {value} {negation}in ({})", subquery.sql)
            }
            4 => {
                let (table, alias) = (self.pick(&TABLES), self.alias());
                let value = self.value(Kind::Int, columns, 0);
                let negation = self.pick(&["", "not "]);
                let key = self.pick(&["a", "b"]);
                format!(
                    " where {negation}exists (select 1 from {table} {alias} where {alias}.{key} = {value} and {alias}.c > 1)"
                )
            }
            5 => {
                let (table, value) = (self.pick(&TABLES), self.value(Kind::Int, columns, 0));
                let function = self.pick(&["max(a)", "min(b)", "count(*)"]);
                format!(" where {value} <= (select {function} from {table})")
            }
            _ => format!(" where {}", self.predicate(columns, 2)),
        }
    }

    fn predicate(&mut self, columns: &[Column], depth: u32) -> String {
        if depth > 0 && self.chance(0.5) {
            let left = self.predicate(columns, depth - 1);
            let right = self.predicate(columns, depth - 1);
            return match self.rng.random_range(0..3) {
                0 => format!("({left} and {right})"),
                1 => format!("({left} or {right})"),
                _ => format!("not ({left})"),
            };
        }
        let kind = self.pick(&KINDS);
        let left = self.value(kind, columns, 1);
        match self.rng.random_range(0..6) {
            0 => format!("({left} is null)"),
            1 => format!("({left} is not null)"),
            2 => format!("({left} is distinct from {})", self.value(kind, columns, 1)),
            3 if kind == Kind::Text => format!("({left} like '%y%')"),
            3 if kind == Kind::Int => format!("({left} between 1 and 7)"),
            4 if kind == Kind::Int => format!("({left} in (0, 2, 5, null))"),
            _ => {
                let comparison = self.pick(&["=", "<>", "<", "<=", ">", ">="]);
                format!("({left} {comparison} {})", self.value(kind, columns, 1))
            }
        }
    }

    /// Any column.
    fn any(&mut self, columns: &[Column]) -> String {
        let at = self.rng.random_range(0..columns.len());
        columns[at].name.clone()
    }

    /// An expression of a kind.
    fn value(&mut self, kind: Kind, columns: &[Column], depth: u32) -> String {
        let fitting: Vec<&Column> = columns.iter().filter(|column| column.kind == kind).collect();
        if depth == 0 || self.chance(0.5) {
            return match fitting.as_slice() {
                [] => self.constant(kind),
                some if self.chance(0.9) => self.pick(some).name.clone(),
                _ => self.constant(kind),
            };
        }
        let value = self.value(kind, columns, depth - 1);
        match (kind, self.rng.random_range(0..3)) {
            (Kind::Int, 0) => format!("({value} + {})", self.value(kind, columns, depth - 1)),
            (Kind::Int, 1) => format!("({value} % {})", self.rng.random_range(2..5)),
            (Kind::Float, 0) => format!("({value} + {})", self.value(kind, columns, depth - 1)),
            (Kind::Float, 1) => format!("({value} * 2)"),
            (Kind::Text, 0) => format!("upper({value})"),
            (Kind::Text, 1) => format!("substr({value}, 1, 2)"),
            (Kind::Bool, 0) => format!("(not {value})"),
            (Kind::Date, 0) => format!("({value} + interval '2 days')::date"),
            (_, 1) => format!("coalesce({value}, {})", self.constant(kind)),
            (_, _) => {
                let condition = self.predicate(columns, 0);
                let other = self.value(kind, columns, depth - 1);
                format!("case when {condition} then {value} else {other} end")
            }
        }
    }

    fn constant(&mut self, kind: Kind) -> String {
        let number = self.rng.random_range(0..9);
        match kind {
            Kind::Int => format!("{number}"),
            Kind::Float => format!("{}.5", number),
            Kind::Text => format!("'{}'", self.pick(&["", "x", "xy", "Z"])),
            Kind::Bool => self.pick(&["true", "false"]).to_string(),
            Kind::Date => format!("date '2022-01-0{}'", number + 1),
        }
    }
}
