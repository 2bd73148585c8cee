//! Functions that queries may call beside those of DataFusion. Workers know them by their names.

pub mod arithmetic;
pub mod checked;
pub mod extreme;
mod floats;
pub mod intervals;
pub mod missing;
pub mod one_nan;
pub mod present;
pub mod product;
pub mod single;
mod sliding_distinct;
pub mod sums;
