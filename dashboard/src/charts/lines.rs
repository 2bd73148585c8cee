//! Lines over the last ten minutes.

use super::canvas::clock_offset_min;
use super::lines_path::{HEIGHT, SPAN_S, area, line, sentence, top, value_at, y};
use super::scale::{Unit, clock, ticks};
use crate::format::NONE;
use web_sys::Element;
use yew::prelude::*;

/// Ticks of the upright axis besides zero, at most.
const TICKS_MAX: u32 = 4;
/// The height of the drawing, in pixels. The style sheet says the same.
const HEIGHT_PX: f64 = 120.0;
/// Room above the drawing for half a label, in pixels.
const MARGIN_PX: f64 = 8.0;
/// Ticks of the axis of time: where they stand, in hundredths of the width, and what they say.
const TIMES: [(u32, &str); 5] = [(0, "−10 min"), (25, "−7.5"), (50, "−5"), (75, "−2.5"), (100, "")];

/// A line.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What it is.
    pub name: &'static str,
    /// How it looks: `one`, `two` or `three`, each a colour and a dash.
    pub class: &'static str,
    /// Whether the area below it is tinted.
    pub is_filled: bool,
    /// Values by the second, in order.
    pub values: Vec<(u64, f64)>,
}

/// What is shown.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// What the figures are.
    pub title: AttrValue,
    /// Their unit.
    pub unit: Unit,
    /// The lines.
    pub series: Vec<Series>,
    /// The second at the right edge.
    pub to_s: u64,
    /// A bound that is drawn as a line of its own: its name and its height.
    #[prop_or_default]
    pub limit: Option<(&'static str, f64)>,
    /// What the right edge is called.
    #[prop_or("now")]
    pub end: &'static str,
}

/// Lines over the last ten minutes, with the values under the pointer.
#[component]
pub fn Lines(props: &Props) -> Html {
    let Props { title, unit, series, to_s, limit, .. } = props;
    let picked = use_state(|| None::<u64>);
    let largest = series.iter().map(|series| top(&series.values)).fold(0.0, f64::max);
    // A limit far above all figures would press them flat: then it is told and not drawn.
    let drawn_limit = limit.filter(|(_, limit)| *limit > 0.0 && *limit <= largest.max(1.0) * 4.0);
    let marks = ticks(largest.max(drawn_limit.map_or(0.0, |(_, limit)| limit)), TICKS_MAX, *unit);
    let axis_top = marks.last().copied().unwrap_or(1.0);
    let said: Vec<(&str, &[(u64, f64)])> =
        series.iter().map(|series| (series.name, series.values.as_slice())).collect();
    let label = sentence(title, *unit, &said, *to_s);
    let at_s = picked.map_or(*to_s, |back| to_s.saturating_sub(back));
    html! {
        <figure class="lines">
            <figcaption>
                <h3>{ title }</h3>
                <ul class="readout">
                    { for series.iter().map(|series| readout(series, *unit, at_s)) }
                    if let Some((name, limit)) = limit {
                        <li key="limit">{ for drawn_limit.map(|_| sample("limit")) }{ format!("{name} {}", unit.format(*limit)) }</li>
                    }
                    <li key="at" class="hint">{ when(*picked, at_s, props.end) }</li>
                </ul>
            </figcaption>
            <div class="plot">
                { heights(&marks, *unit) }
                { view_plot(props, &label, &marks, axis_top, drawn_limit, &picked) }
                { times(props.end) }
            </div>
        </figure>
    }
}

/// A sample of a line.
fn sample(class: &'static str) -> Html {
    html! {
        <svg class="sample" width="20" height="8" aria-hidden="true">
            <path class={class} d="M1 4h18" />
        </svg>
    }
}

fn readout(series: &Series, unit: Unit, at_s: u64) -> Html {
    let value = value_at(&series.values, at_s).map_or(NONE.to_string(), |value| unit.format(value));
    html! {
        <li key={series.name}>{ sample(series.class) }{ series.name }<b>{ value }</b></li>
    }
}

fn when(picked: Option<u64>, at_s: u64, end: &str) -> String {
    match picked {
        Some(_) => {
            let at_ms = at_s.saturating_mul(1_000);
            clock(at_ms, 1_000, clock_offset_min(at_ms))
        }
        None => end.to_string(),
    }
}

/// Labels of the upright axis.
fn heights(marks: &[f64], unit: Unit) -> Html {
    let top = marks.last().copied().unwrap_or(1.0);
    html! {
        <svg class="heights" width="64" height={((HEIGHT_PX + 2.0 * MARGIN_PX) as u32).to_string()} aria-hidden="true">
            { for marks.iter().map(|mark| {
                let y = (MARGIN_PX + (1.0 - mark / top) * HEIGHT_PX + 4.0).round() as u32;
                let label = unit.tick(*mark);
                html! { <text key={label.clone()} x="58" y={y.to_string()}>{ label }</text> }
            }) }
        </svg>
    }
}

/// Labels of the axis of time.
fn times(end: &'static str) -> Html {
    html! {
        <svg class="times" width="100%" height="16" aria-hidden="true">
            { for TIMES.into_iter().map(|(place, label)| {
                let (anchor, label) = match place {
                    0 => ("start", label),
                    100 => ("end", end),
                    _ => ("middle", label),
                };
                html! {
                    <text key={place} x={format!("{place}%")} y="12" text-anchor={anchor}>{ label }</text>
                }
            }) }
        </svg>
    }
}

fn view_plot(
    props: &Props,
    label: &str,
    marks: &[f64],
    top: f64,
    limit: Option<(&'static str, f64)>,
    picked: &UseStateHandle<Option<u64>>,
) -> Html {
    let to_s = props.to_s;
    let y = |value: f64| y(value, top).to_string();
    let width = SPAN_S.to_string();
    let cursor = (**picked).map(|back| SPAN_S.saturating_sub(back).to_string());
    html! {
        <svg class="curves" role="img" aria-label={label.to_string()} tabindex="0"
            preserveAspectRatio="none" viewBox={format!("0 0 {SPAN_S} {HEIGHT}")}
            onpointermove={on_pointer(picked)} onkeydown={on_key(picked)}
            onpointerleave={on_leave(picked)} onblur={on_blur(picked)}>
            { for marks.iter().map(|mark| html! {
                <line key={y(*mark)} class="grid" x1="0" x2={width.clone()} y1={y(*mark)} y2={y(*mark)} />
            }) }
            { for props.series.iter().filter(|series| series.is_filled).map(|series| html! {
                <path key={series.name} class={classes!("area", series.class)}
                    d={area(&series.values, to_s, top)} />
            }) }
            { for props.series.iter().map(|series| html! {
                <path key={series.name} class={series.class} d={line(&series.values, to_s, top)} />
            }) }
            if let Some((_, limit)) = limit {
                <line class="limit" x1="0" x2={width} y1={y(limit)} y2={y(limit)} />
            }
            if let Some(x) = cursor {
                <line class="cursor" x1={x.clone()} x2={x} y1="0" y2={HEIGHT.to_string()} />
            }
        </svg>
    }
}

/// How many seconds back the pointer stands.
fn on_pointer(picked: &UseStateHandle<Option<u64>>) -> Callback<PointerEvent> {
    let picked = picked.clone();
    Callback::from(move |event: PointerEvent| {
        let Some(plot) = event.current_target().and_then(|target| {
            use wasm_bindgen::JsCast;
            target.dyn_into::<Element>().ok()
        }) else {
            return;
        };
        let frame = plot.get_bounding_client_rect();
        let place = (f64::from(event.client_x()) - frame.left()) / frame.width().max(1.0);
        let back = ((1.0 - place.clamp(0.0, 1.0)) * SPAN_S as f64).round() as u64;
        picked.set(Some(back));
    })
}

fn on_leave(picked: &UseStateHandle<Option<u64>>) -> Callback<PointerEvent> {
    let picked = picked.clone();
    Callback::from(move |_| picked.set(None))
}

fn on_blur(picked: &UseStateHandle<Option<u64>>) -> Callback<FocusEvent> {
    let picked = picked.clone();
    Callback::from(move |_| picked.set(None))
}

fn on_key(picked: &UseStateHandle<Option<u64>>) -> Callback<KeyboardEvent> {
    /// What a key moves, in seconds.
    const STEP_S: u64 = 5;
    let picked = picked.clone();
    Callback::from(move |event: KeyboardEvent| {
        let back = picked.unwrap_or(0);
        let moved = match event.key().as_str() {
            "ArrowLeft" => Some((back + STEP_S).min(SPAN_S)),
            "ArrowRight" => Some(back.saturating_sub(STEP_S)),
            "Home" => Some(SPAN_S),
            "End" => Some(0),
            "Escape" => None,
            _ => return,
        };
        event.prevent_default();
        picked.set(moved);
    })
}
