//! What pages are made of.
//!
//! [`Panel`] is the frame of every list and drawing, with its loading and empty states; [`State`],
//! [`StateBar`] and [`look`] are the signs of states; [`worker_link`] and its like lead on. Figures
//! as text are in [`crate::format`].

mod age;
mod bar;
mod confirm;
mod copy;
mod head;
mod icon;
mod links;
pub mod look;
mod memory;
mod panel;
mod patterns;
mod quantiles;
mod same;
mod search;
mod show_more;
mod state;

pub use age::Age;
pub use bar::{Bar, Part, StateBar};
pub use confirm::Confirm;
pub use copy::CopyButton;
pub use head::table_head;
pub use icon::{icon, icon_path};
pub use links::{job_link, place_link, stage_link, task_link, worker_link, worker_name};
pub use memory::MemoryUse;
pub use panel::{Panel, Place, Status};
pub use patterns::Patterns;
pub use quantiles::{Quantiles, Unit};
pub use same::Same;
pub use search::Search;
pub use show_more::{ROWS_SHOWN_STEP, ShowMore};
pub use state::State;
