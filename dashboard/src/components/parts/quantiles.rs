//! How a figure is spread over the tasks of a stage.

use crate::format::{bytes, count, duration_us, part_of};
use partita_observe::view::Quartiles;
use yew::prelude::*;

/// Steps of the plot's width.
const STEPS: u64 = 1_000;

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Bytes.
    Bytes,
    /// Microseconds.
    Us,
}

impl Unit {
    fn text(self, figure: u64) -> String {
        match self {
            Unit::Count => count(figure),
            Unit::Bytes => bytes(figure),
            Unit::Us => duration_us(figure),
        }
    }
}

/// What is shown.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The figure's quartiles.
    pub of: Quartiles,
    /// What the figure counts.
    pub unit: Unit,
}

/// Where a value lies between 0 and the largest, as a share of the width.
fn place(value: u64, max: u64) -> String {
    let steps = part_of(value.min(max), max, STEPS);
    format!("{}.{}%", steps / 10, steps % 10)
}

/// The width between two values, as a share.
fn width(from: u64, to: u64, max: u64) -> String {
    place(to.saturating_sub(from), max)
}

/// A small box plot from 0 to the largest, and smallest, median and largest in figures. A box far
/// left of the end of its line is a skew.
#[component]
pub fn Quantiles(props: &Props) -> Html {
    let q = props.of;
    let text = |figure| props.unit.text(figure);
    let label = format!(
        "smallest {}, a quarter up to {}, half up to {}, three quarters up to {}, largest {}",
        text(q.min),
        text(q.q1),
        text(q.median),
        text(q.q3),
        text(q.max)
    );
    html! {
        <span class="quantiles" title={label.clone()}>
            <svg class="box" role="img" aria-label={label}>
                <line class="whisker" x1={place(q.min, q.max)} x2="100%" y1="50%" y2="50%" />
                <rect class="quartiles" x={place(q.q1, q.max)} width={width(q.q1, q.q3, q.max)}
                    y="15%" height="70%" />
                <line class="median" x1={place(q.median, q.max)} x2={place(q.median, q.max)}
                    y1="0" y2="100%" />
            </svg>
            <span class="figures" aria-hidden="true">
                <span>{ text(q.min) }</span><b>{ text(q.median) }</b><span>{ text(q.max) }</span>
            </span>
        </span>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places stay inside the plot, and a stage without figures divides nothing by zero.
    #[test]
    fn places_stay_inside() {
        assert_eq!(place(0, 0), "0.0%");
        assert_eq!(place(5, 10), "50.0%");
        assert_eq!(place(11, 10), "100.0%");
        assert_eq!(place(u64::MAX, u64::MAX), "100.0%");
        assert_eq!(width(9, 3, 10), "0.0%");
    }
}
