//! The Rust client: connect, sql, jobs, workers
