//! What is seen of a cluster, and how pages follow it.
//!
//! The scheduler's core tells [`event::Observation`]s. An observer applies them to a
//! [`model::Model`], which keeps rows by revision, rings of attempts, events and time series, all
//! bounded. A page subscribes to [`frame::Topic`]s; a [`session::Session`] gives it, whenever it
//! has taken what came before, what changed since: a slow page gets fewer and larger steps and
//! costs no memory. A [`follower::Follower`] is the page's side.
//!
//! All of it is plain data and functions, without clock or socket, and compiles to wasm32: a
//! scheduler serves it live, `partita dashboard --replay` from a journal by a [`replay::Replay`], and a report runs
//! the whole of it in the browser.

pub mod calibration;
pub mod event;
pub mod events;
pub mod follower;
pub mod frame;
pub mod model;
pub mod notices;
mod packed;
pub mod replay;
pub mod report;
pub mod series;
pub mod session;
pub mod spans;
pub mod spread;
pub mod table;
pub mod timeline;
pub mod view;
