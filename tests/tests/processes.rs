//! Real processes: the binary as people start it, and everything that can happen to it.
//!
//! The binary is taken from beside the test's executable: build it first
//! (`cargo build -p partita-cli`).

#[path = "processes/around.rs"]
mod around;
#[path = "processes/cancel.rs"]
mod cancel;
#[path = "processes/client.rs"]
mod client;
#[path = "processes/depth.rs"]
mod depth;
#[path = "processes/direct.rs"]
mod direct;
#[path = "processes/encryption.rs"]
mod encryption;
#[path = "processes/fair.rs"]
mod fair;
#[path = "processes/fuzz.rs"]
mod fuzz;
#[path = "processes/input.rs"]
mod input;
#[path = "processes/listing.rs"]
mod listing;
#[path = "processes/memory.rs"]
mod memory;
#[path = "processes/network.rs"]
mod network;
#[path = "processes/pages.rs"]
mod pages;
#[path = "processes/persisted.rs"]
mod persisted;
#[path = "processes/plaintext.rs"]
mod plaintext;
#[path = "processes/planning.rs"]
mod planning;
#[path = "processes/prompt.rs"]
mod prompt;
#[path = "processes/recovery.rs"]
mod recovery;
#[path = "processes/scheduler.rs"]
mod scheduler;
#[path = "processes/sql.rs"]
mod sql;
#[path = "processes/strangers.rs"]
mod strangers;
#[path = "processes/supervised.rs"]
mod supervised;
#[path = "processes/types.rs"]
mod types;
