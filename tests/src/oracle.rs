//! The oracle: the same query on single-node DataFusion.
