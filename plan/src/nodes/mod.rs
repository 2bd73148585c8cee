//! Plans of data frames, as the Python package sends them: numbered nodes of expressions and relations.
//!
//! A node refers to others by their numbers, and only to earlier ones, so that the size of a message is that
//! of the distinct nodes. [`lower`](lower::lower) makes DataFusion's logical plan of them. A relation that
//! several others read is planned once and runs once, as a stage with several readers ([`shared`]), unless
//! reading it again costs less. `python/partita/plan/wire.py` writes the messages.

mod expressions;
mod literals;
pub mod lower;
pub mod shared;
#[cfg(test)]
mod tests;

use crate::logical::Purpose;
use arrow_flight::sql::Any;
use prost::Message;
use serde::{Deserialize, Serialize};

/// The type that the command has in its `Any`.
pub const TYPE_URL: &str = "type.googleapis.com/partita.Plan";
/// Levels that an expression may have. The package divides deeper ones over several projections.
pub const EXPRESSION_LEVELS_MAX: u32 = 500;
/// Nodes of all expressions, where an expression that is used several times counts for each use.
pub const EXPRESSION_NODES_MAX: usize = 500_000;

/// The number of a node.
pub type Id = u32;

/// A sort key: the expression, whether it is descending, and whether missing values come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key(pub Id, pub bool, pub bool);

/// An expression over the columns of a relation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Expression {
    /// A column.
    Column(String),
    /// A type, and a value: null, a truth value, an integer, or a text for all others.
    Literal(Id, serde_json::Value),
    /// A scalar function and its arguments.
    Call(String, Vec<Id>),
    /// A value, a type, and whether a conversion that fails gives a missing value.
    Cast(Id, Id, bool),
    /// The value of the first condition that is true, or of the first value that the operand equals.
    Case {
        /// The value that is compared.
        operand: Option<Id>,
        /// Pairs of condition and value.
        branches: Vec<(Id, Id)>,
        /// The value otherwise.
        otherwise: Option<Id>,
    },
    /// A reduction of the rows of a group.
    Aggregate {
        /// The function.
        function: String,
        /// Its arguments.
        arguments: Vec<Id>,
        /// The order in which it reads the rows.
        order: Vec<Key>,
        /// The condition of the rows that count.
        condition: Option<Id>,
        /// Whether equal arguments count once.
        distinct: bool,
    },
    /// A function of the rows around each row.
    Window {
        /// The function.
        function: String,
        /// Its arguments.
        arguments: Vec<Id>,
        /// Rows with equal values of these are together.
        partition: Vec<Id>,
        /// Their order.
        order: Vec<Key>,
        /// The first and the last row, relative to the current one; null is unbounded.
        frame: Option<(Option<i64>, Option<i64>)>,
        /// Whether missing values are left out.
        skips_missing: bool,
    },
}

/// Rows with named columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Relation {
    /// A table of the catalog.
    Table(String),
    /// A path of files, or a request with paths and options.
    Files(String),
    /// A query in SQL.
    Query(String),
    /// Names of columns, and rows of literals.
    Values(Vec<String>, Vec<Vec<Id>>),
    /// Expressions over each row, with their names.
    Project(Id, Vec<(String, Id)>),
    /// The rows for which all conditions are true.
    Filter(Id, Vec<Id>),
    /// One row for each distinct combination of keys, with expressions over its rows.
    Group(Id, Vec<(String, Id)>, Vec<(String, Id)>),
    /// The distinct rows.
    Distinct(Id),
    /// The rows in an order, or the first ones in it.
    Sort(Id, Vec<Key>, Option<usize>),
    /// A join: its type, and pairs of expressions that must be equal.
    Join(Id, Id, JoinKind, Vec<(Id, Id)>),
    /// The rows of several relations, one after the other.
    Union(Vec<Id>),
}

/// The type of a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JoinKind {
    /// Rows that match.
    Inner,
    /// All rows of the left side.
    Left,
    /// All rows of the right side.
    Right,
    /// All rows of both sides.
    Outer,
    /// Each row of the left side with each of the right side.
    Cross,
    /// Rows of the left side that match.
    LeftSemi,
    /// Rows of the left side that match nothing.
    LeftAnti,
}

/// A plan. Its rows are those of its last relation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Names of Arrow types.
    pub types: Vec<String>,
    /// The expressions.
    pub expressions: Vec<Expression>,
    /// The relations.
    pub relations: Vec<Relation>,
}

/// Asks for what a plan gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanCommand {
    /// What listings show.
    pub text: String,
    /// The plan.
    pub plan: Plan,
    /// What shall become of its rows.
    pub purpose: Purpose,
}

impl PlanCommand {
    /// Reads a command; none if it is another one.
    ///
    /// # Errors
    /// If it is one and cannot be read.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, serde_json::Error> {
        match Any::decode(bytes) {
            Ok(any) if any.type_url == TYPE_URL => serde_json::from_slice(&any.value).map(Some),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// The command as the bytes of a Flight descriptor.
    ///
    /// # Errors
    /// If it has no wire form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let value = serde_json::to_vec(self)?;
        Ok(Any { type_url: TYPE_URL.to_string(), value: value.into() }.encode_to_vec())
    }
}
