//! No code: `Cargo.toml` turns on the features of dependencies that the whole workspace builds with.
