//! Every query of this binary runs on a cluster and on single-node DataFusion, and the answers
//! must be the same.
//!
//! One cluster of two workers and one set of files serve the tests that run at the same time.

mod aggregates;
mod data;
mod duckdb;
mod explain;
mod failures;
mod files;
mod fixture;
mod grammar;
mod joins;
mod random;
mod ranges;
mod sets;
mod sorts;
mod subqueries;
mod tpch;
mod types;
mod writes;
