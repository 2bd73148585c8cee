//! Clients that call functions: each has an open job, which grows as it calls, and lasts as long as its stream.
//!
//! The stream is a Flight `DoExchange` whose messages carry only metadata. The client sends calls, and says which
//! results it wants; it is told how its tasks end. Results that are not small are fetched by `DoGet` ([`gather`]).
//! Other clients, and values that the cluster keeps, may need results too ([`sharing`]).

mod arrangement;
mod gather;
mod message;
mod session;
mod settled;
mod sharing;

pub(crate) use gather::{GATHER_PREFIX, gather, locate_results};
pub(crate) use session::serve;
pub(crate) use settled::Mailbox;
pub(crate) use sharing::{Place, Sharing};
