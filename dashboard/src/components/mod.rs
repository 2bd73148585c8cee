//! What is drawn. Each component gets its rows and the time from [`app`], and keeps nothing.

pub mod app;
mod bar;
mod header;
mod jobs;
mod strip;
mod token_form;
mod workers;

/// Rows of one table that are drawn at first, and that each press of its button adds. Drawing
/// thousands ten times a second would make the page slow.
const ROWS_SHOWN_STEP: usize = 200;
