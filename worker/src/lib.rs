//! The worker process: slots, the partition store, exchanges, the control link
