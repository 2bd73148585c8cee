//! What is drawn. [`app`] owns the link and hands each page a [`crate::live::Live`]; [`pages`] are
//! what the navigation leads to, [`parts`] what they are made of.

pub mod app;
mod header;
mod help;
pub mod pages;
pub mod parts;
mod replay_bar;
mod status_bar;
mod token_form;
