//! Python functions: processes that run them, one for each slot, and the executor that calls them.
//!
//! For each environment that clients use, a worker starts one Python process, the *zygote*, which imports what is
//! common and never runs a function. It forks the *runners*: each runs one call at a time in its main thread. The
//! worker speaks with both over Unix sockets, in the frames of [`frames`]; large objects are mapped, not sent
//! (`memory/segments.rs`). The Python side is the package in `runner`, which is part
//! of this program, so that the Python of a node needs only the packages of its user.

mod descriptors;
mod executor;
mod find;
mod frames;
mod kernels;
mod log;
mod pool;
mod profiler;
mod query;
mod runner;
mod source;
mod texts;
mod zygote;

pub(crate) use executor::FunctionExecutor;
pub(crate) use pool::Pools;
pub(crate) use query::QueryFunctions;

/// Why a function could not be called, or gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PythonError {
    /// The function raised an exception.
    #[error("{text}")]
    Raised {
        /// Its type and message.
        text: String,
        /// The frames that it passed, as text.
        traceback: String,
        /// The arguments of the call, in short.
        arguments: String,
        /// The exception, pickled, if it can be.
        exception: Option<std::sync::Arc<[u8]>>,
        /// Whether it is the interrupt of a call that was stopped, which left nothing half done in the process.
        is_interrupt: bool,
    },
    /// There is no Python that fits.
    #[error(
        "no Python on this worker fits that of the client, Python {wanted}: {tried}; start the workers in the same environment, or with `partita worker --python PATH`"
    )]
    Environment {
        /// The version that the client has.
        wanted: String,
        /// What was tried, and why it does not fit.
        tried: String,
    },
    /// The process ended while it ran a call.
    #[error("{cause}")]
    Ended {
        /// How, with what it wrote last.
        cause: String,
    },
    /// The process was ended because of its memory.
    #[error("not enough memory: {0}")]
    Memory(String),
    /// The two sides do not understand each other.
    #[error("the Python process sent something unexpected: {0}")]
    Protocol(String),
    /// The system refused something.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl PythonError {
    /// What the system refused, with what was tried.
    fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| PythonError::System { what, source }
    }
}
