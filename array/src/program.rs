//! What a client sends: the operations of a task, and where its arguments are.

use crate::Dtype;
use serde::Deserialize;

/// The operations of a task, in the order in which they are computed.
///
/// Steps refer to earlier ones by their number.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Program {
    /// The arguments of the task.
    pub arguments: Vec<Argument>,
    /// The operations.
    pub steps: Vec<Step>,
    /// The results: a single one without a name, or the items of a dict.
    pub results: Vec<(Option<String>, u32)>,
}

/// An argument of a task.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Argument {
    /// A block: the place of an input.
    Block(u32),
    /// Blocks in nested lists: the number of items on each level, and the innermost items, row-major.
    Nested {
        /// The number of items on each level.
        grid: Vec<u32>,
        /// The places of the inputs, and what is cut out of each.
        blocks: Vec<(u32, Option<Vec<Part>>)>,
    },
    /// A part that a step cuts out.
    Box(Vec<Part>),
}

/// The part of a block along one axis: `[start, stop, step]`, or one item, which drops the axis, or all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Part {
    /// Items from the first number to before the second one, at a distance of the third one, which is at least 1.
    Range(u64, u64, u64),
    /// One item.
    Item(u64),
    /// All items.
    All(()),
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The block that an argument is. It must have this dtype.
    Load {
        /// The number of the argument.
        argument: u32,
        /// The dtype.
        dtype: Dtype,
    },
    /// The blocks that an argument is, joined along axes: one for each level of the lists.
    Join {
        /// The number of the argument.
        argument: u32,
        /// The dtype of the blocks.
        dtype: Dtype,
        /// The axes.
        axes: Vec<u32>,
    },
    /// A single value.
    Scalar {
        /// Its dtype.
        dtype: Dtype,
        /// Its bytes, as hexadecimal digits.
        bytes: String,
    },
    /// A part of an array.
    Cut {
        /// The array.
        of: u32,
        /// The number of the argument that says which part.
        argument: u32,
    },
    /// An array with permuted axes.
    Transpose {
        /// The array.
        of: u32,
        /// The axes in their new order.
        axes: Vec<u32>,
    },
    /// An array without axes whose size is 1.
    Squeeze {
        /// The array.
        of: u32,
        /// The axes.
        axes: Vec<u32>,
    },
    /// An operation on each item.
    Unary {
        /// Which one.
        operation: Unary,
        /// The array.
        of: u32,
    },
    /// An operation on the items of two arrays of one dtype, with broadcasting.
    Binary {
        /// Which one.
        operation: Binary,
        /// Its operands.
        of: [u32; 2],
    },
    /// The items of the second array where the first one is true, else those of the third, with broadcasting.
    Where {
        /// The condition, and two arrays of one dtype.
        of: [u32; 3],
    },
    /// The items with another dtype.
    Cast {
        /// The array.
        of: u32,
        /// The dtype.
        dtype: Dtype,
    },
    /// One item for all along some axes, which remain with size 1.
    Reduce {
        /// Which one.
        operation: Reduction,
        /// The array.
        of: u32,
        /// The axes, each once.
        axes: Vec<u32>,
    },
}

/// An operation on each item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unary {
    /// `numpy.negative`.
    Negative,
    /// `numpy.absolute`.
    Absolute,
    /// `numpy.square`.
    Square,
    /// `numpy.sqrt` of floats.
    Sqrt,
    /// `numpy.logical_not` of bool.
    LogicalNot,
    /// `numpy.isnan` of floats.
    Isnan,
    /// `numpy.isinf` of floats.
    Isinf,
    /// `numpy.isfinite` of floats.
    Isfinite,
}

/// An operation on two items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binary {
    /// `numpy.add`.
    Add,
    /// `numpy.subtract`.
    Subtract,
    /// `numpy.multiply`.
    Multiply,
    /// `numpy.true_divide` of floats.
    TrueDivide,
    /// `numpy.minimum`: NaN if one is NaN.
    Minimum,
    /// `numpy.maximum`: NaN if one is NaN.
    Maximum,
    /// `numpy.equal`.
    Equal,
    /// `numpy.not_equal`.
    NotEqual,
    /// `numpy.less`.
    Less,
    /// `numpy.less_equal`.
    LessEqual,
    /// `numpy.greater`.
    Greater,
    /// `numpy.greater_equal`.
    GreaterEqual,
    /// `numpy.logical_and` of bool.
    LogicalAnd,
    /// `numpy.logical_or` of bool.
    LogicalOr,
    /// `numpy.logical_xor` of bool.
    LogicalXor,
}

/// What becomes of the items along axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Their sum, pairwise along the innermost axis.
    Sum,
    /// The least one; NaN if one is NaN.
    Min,
    /// The largest one; NaN if one is NaN.
    Max,
    /// Whether one of them, which are bool, is true.
    Any,
    /// Whether all of them, which are bool, are true.
    All,
    /// How many there are.
    Count,
}
