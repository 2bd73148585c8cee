//! Drawings of many figures: slots over time, lines, grids of cells, and tables of any length.
//!
//! What is arithmetic (scales, layouts, hits, windows, orders) stands in modules of its own without
//! a browser, and is tested on the host. Hundreds of marks are SVG, thousands are painted on a
//! canvas. Each drawing has a sentence that says it and figures that can be read without it.

mod canvas;
mod heat;
mod heat_cells;
mod hues;
mod lanes;
#[cfg(test)]
mod lanes_tests;
mod lines;
mod lines_path;
mod matrix;
mod matrix_cells;
mod mini;
mod paint;
mod rows;
mod scale;
mod shapes;
mod table;
mod timeline;
mod timeline_input;
mod timeline_view;
mod viewport;

pub use heat::HeatGrid;
pub use heat_cells::natural;
pub use hues::busy_by_stage;
pub use lines::{Lines, Series};
pub use matrix::Matrix;
pub use mini::{MINI_WINDOW, MiniTimeline};
pub use rows::{Column, Grid, Sort, Source, task_number};
pub use scale::{Unit, micros};
pub use table::Table;
pub use timeline::Timeline;
pub use timeline_view::{HUE_CLASSES, stage_name, swatch};
