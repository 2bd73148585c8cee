//! A bar of parts of a whole.

use yew::prelude::*;

/// Steps of a bar's width. A step is less than a pixel of the widest bar.
const STEPS: u64 = 1_000;

/// One part of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// How it looks: a class of the style sheet.
    pub class: &'static str,
    /// Its size, in the unit of the whole.
    pub size: u64,
}

/// What a bar shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The parts, from left to right.
    pub parts: Vec<Part>,
    /// What the whole width stands for.
    pub whole: u64,
    /// What it says, for those who do not see it.
    pub label: AttrValue,
}

/// Where each part begins and how wide it is, in steps. Ends are rounded, not widths, so that
/// parts neither overlap nor leave the bar.
fn extents(parts: &[Part], whole: u64) -> Vec<(u64, u64)> {
    let end_of = |sum: u64| match whole {
        0 => 0,
        _ => (u128::from(sum.min(whole)) * u128::from(STEPS) / u128::from(whole)) as u64,
    };
    let mut sum = 0_u64;
    let mut start = 0;
    let mut extents = Vec::with_capacity(parts.len());
    for part in parts {
        sum = sum.saturating_add(part.size);
        let end = end_of(sum);
        extents.push((start, end - start));
        start = end;
    }
    extents
}

/// A bar. Its widths are attributes of SVG: a style attribute would break the page's policy.
#[component]
pub fn Bar(props: &Props) -> Html {
    let extents = extents(&props.parts, props.whole);
    html! {
        <svg class="bar" role="img" aria-label={&props.label} preserveAspectRatio="none"
            viewBox={format!("0 0 {STEPS} 10")}>
            { for props.parts.iter().zip(extents).map(|(part, (start, width))| html! {
                <rect key={part.class} class={part.class} y="0" height="10"
                    x={start.to_string()} width={width.to_string()} />
            }) }
        </svg>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(size: u64) -> Part {
        Part { class: "done", size }
    }

    /// Parts join without gaps, fill the bar when they are the whole, and never leave it, even
    /// when they are more than the whole or the whole is nothing.
    #[test]
    fn parts_join_and_stay_inside() {
        assert_eq!(extents(&[part(1), part(1), part(1)], 3), [(0, 333), (333, 333), (666, 334)]);
        assert_eq!(extents(&[part(5), part(9)], 10), [(0, 500), (500, 500)]);
        assert_eq!(extents(&[part(5)], 0), [(0, 0)]);
        assert_eq!(extents(&[part(u64::MAX), part(u64::MAX)], u64::MAX), [(0, 1000), (1000, 0)]);
    }
}
