//! What is seen of a cluster, from observations to pages.
//!
//! Scripts made from a seed drive a model and several pages; a failing seed is named in the panic.
//! `PARTITA_OBSERVE_COUNT` sets the number of seeds, for a longer run.

#[cfg(test)]
mod observe {
    mod bounds;
    mod fixture;
    mod follow;
    mod last_words;
    mod notices;
    mod oracle;
    mod remember;
    mod script;
    mod session;
    mod table;
    mod timeline;
}
