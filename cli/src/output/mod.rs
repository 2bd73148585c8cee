//! Writing listings and rows.

pub(crate) mod columns;
pub(crate) mod rows;
