//! The core under a virtual network and hundreds of virtual workers, by a seed.
//!
//! Workers run the tasks that they are told to, on values that they really fetch from one another;
//! links delay, repeat and break; workers die, leave and come; clients read slowly and go away.
//! After every event the core's invariants are walked, and at the end every job must have delivered
//! what a direct evaluation gives, or have ended with an error that the faults explain.
//!
//! A failing seed is named in the panic. `PARTITA_SIM_SEED=7 cargo test -p partita-core --test
//! simulation small -- --nocapture` replays it with every step printed. `PARTITA_SIM_COUNT` sets
//! the number of seeds, for a longer run.

#[cfg(test)]
mod simulation {
    mod faults;
    mod job;
    mod link;
    mod open;
    mod persisted;
    mod process;
    mod replicas;
    mod rng;
    mod run;
    mod settings;
    mod verdict;
    mod world;
}
