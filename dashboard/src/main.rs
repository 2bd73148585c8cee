//! The page that shows a Partita cluster live, or a journal of one.
//!
//! The scheduler serves it and answers over one WebSocket; the protocol is
//! [`partita_observe::frame`]. [`source`] is who answers, [`link`] is the page's end of it
//! and decides what it means (live, stale, held, refused), [`live`] is what pages are given of it,
//! [`topics`] is what each page follows, [`route`] its address, and [`components`] draw it.
//! [`browser`], [`socket`], [`token`], [`theme`] and [`api`] are all that touch the window.
//!
//! Nothing here loads from another origin, and no style or script stands inline, so that a strict
//! Content-Security-Policy holds: bars are SVG attributes, not style attributes.

mod api;
mod browser;
mod charts;
mod components;
#[cfg(test)]
mod fixtures;
mod format;
mod link;
mod live;
mod order;
#[cfg(feature = "report")]
mod report;
mod route;
mod socket;
mod source;
#[cfg(test)]
mod testing;
mod theme;
mod token;
mod topics;

fn main() {
    #[cfg(feature = "report")]
    let opener = report::opener().unwrap_or(source::Opener::Scheduler);
    #[cfg(not(feature = "report"))]
    let opener = source::Opener::Scheduler;
    yew::Renderer::<components::app::App>::with_props(components::app::Props { opener }).render();
}
