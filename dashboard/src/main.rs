//! The page that shows a Partita cluster live.
//!
//! The scheduler serves it and streams [`partita_shared::message::DashboardFrame`] to it over one
//! WebSocket. The page keeps the latest frame alone, so a slow browser falls behind in steps, not
//! in memory. [`socket`] reads the stream, [`model`] decides what it means (live, stale, refused),
//! [`components`] draw it; [`browser`] and [`token`] are all that touch the window.
//!
//! Nothing here loads from another origin, and no style or script stands inline, so that a strict
//! Content-Security-Policy holds: bars are SVG attributes, not style attributes.

mod browser;
mod components;
mod format;
mod model;
mod socket;
mod token;

fn main() {
    yew::Renderer::<components::app::App>::new().render();
}
