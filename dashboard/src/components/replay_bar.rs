//! Where a replay is, and how fast it runs.

use crate::browser;
use crate::components::parts::icon;
use crate::format::duration_ms;
use crate::live::{Act, Live};
use partita_observe::frame::Source;
use yew::prelude::*;

/// Speeds that can be chosen.
const SPEEDS: [(f32, &str); 7] = [
    (0.25, "¼ ×"),
    (0.5, "½ ×"),
    (1.0, "1 ×"),
    (2.0, "2 ×"),
    (5.0, "5 ×"),
    (10.0, "10 ×"),
    (60.0, "60 ×"),
];

/// A step of the slider, in milliseconds.
const STEP_MS: u64 = 100;

/// What the bar shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
}

/// The bar, if the page shows a replay.
#[component]
pub fn ReplayBar(props: &Props) -> Html {
    // Where the slider is while it is moved: frames that come meanwhile must not pull at it.
    let moved = use_state(|| None::<u64>);
    // What was chosen while the replay stands still, which its own speed then does not tell.
    let chosen = use_state(|| 1.0_f32);
    let live = &props.live;
    let Source::Replay { from_ms, to_ms } = live.source() else { return Html::default() };
    let now_ms = moved.unwrap_or(live.now_ms).clamp(from_ms, to_ms.max(from_ms));
    let is_playing = live.speed > 0.0;
    let speed = if is_playing { live.speed } else { *chosen };

    let value_of = |event: &web_sys::Event| {
        browser::value_of(event).and_then(|value| value.parse::<u64>().ok())
    };
    let oninput = {
        let moved = moved.clone();
        Callback::from(move |event: InputEvent| moved.set(value_of(&event)))
    };
    let onchange = {
        let (actor, moved) = (live.actor(), moved.clone());
        Callback::from(move |event: Event| {
            if let Some(to_ms) = value_of(&event) {
                actor.emit(Act::Seek(to_ms));
            }
            moved.set(None);
        })
    };
    let on_play = {
        let actor = live.actor();
        let speed = if is_playing { 0.0 } else { speed };
        Callback::from(move |_: MouseEvent| actor.emit(Act::Play(speed)))
    };
    let on_speed = {
        let (actor, chosen) = (live.actor(), chosen.clone());
        Callback::from(move |event: Event| {
            let at = browser::value_of(&event).and_then(|value| value.parse::<usize>().ok());
            if let Some((speed, _)) = at.and_then(|at| SPEEDS.get(at)) {
                chosen.set(*speed);
                if is_playing {
                    actor.emit(Act::Play(*speed));
                }
            }
        })
    };
    let (glyph, word) = if is_playing { ("❚❚", "Stop") } else { ("▶\u{fe0e}", "Play") };
    let past = format!(
        "{} of {}",
        duration_ms(now_ms - from_ms),
        duration_ms(to_ms.saturating_sub(from_ms))
    );
    html! {
        <section class="replay" aria-label="Replay">
            <strong>{ "Replay of a journal" }</strong>
            <button type="button" title={format!("{word} (space)")} onclick={on_play}>
                { icon(glyph) }{ format!(" {word}") }
            </button>
            <label>
                { "Speed " }
                <select onchange={on_speed}>
                    { for SPEEDS.into_iter().enumerate().map(|(at, (one, name))| html! {
                        <option key={at} value={at.to_string()} selected={one == speed}>
                            { name }
                        </option>
                    }) }
                </select>
            </label>
            <input type="range" aria-label="Moment of the replay" min={from_ms.to_string()}
                max={to_ms.to_string()} step={STEP_MS.to_string()} value={now_ms.to_string()}
                aria-valuetext={past.clone()} {oninput} {onchange} />
            <span class="moment" title={browser::date_and_zone(now_ms)}>
                { format!("{} · {past}", browser::clock_time(now_ms)) }
            </span>
        </section>
    }
}
