//! The scheduler process: planning, the one port, the observer
