//! What needs someone's attention now.

use crate::components::parts::{Age, Panel, State, Status, look, place_link};
use crate::live::Live;
use crate::order;
use partita_observe::frame::Topic;
use partita_observe::view::Notice;
use std::cmp::Reverse;
use yew::prelude::*;

/// What the list shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
}

/// What needs attention, the worst first: what is wrong, what to do, and where to look.
#[component]
pub fn Attention(props: &Props) -> Html {
    let live = &props.live;
    let mut notices: Vec<&Notice> = live.notices.iter().flat_map(|all| all.iter()).collect();
    order::sort_by_key(&mut notices, |notice| (Reverse(notice.level), Reverse(notice.since_ms)));
    let has_come = live.has(Topic::Notices);
    let status = Status::of(has_come, notices.is_empty(), "Nothing needs your attention.");
    html! {
        <Panel title="Attention" id="attention" {status}>
            <ul class="list notices">
                { for notices.into_iter().map(|notice| row(live, notice)) }
            </ul>
        </Panel>
    }
}

fn row(live: &Live, notice: &Notice) -> Html {
    html! {
        <li key={format!("{} {}", notice.since_ms, notice.text)}>
            <p>
                <State look={look::level(notice.level)} />
                <Age at_ms={notice.since_ms} now_ms={live.now_ms} />
            </p>
            <p class="what">{ notice.text.clone() }</p>
            <p class="remedy">
                { notice.remedy.clone() }
                if let Some(link) = place_link(live, notice.place) {
                    { " " }{ link }
                }
            </p>
        </li>
    }
}
