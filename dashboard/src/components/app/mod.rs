//! The whole page: it owns the token, the link and the route, and hands the moment to the pages.

mod tokens;

use super::header::Header;
use super::help::Help;
use super::pages::Page;
use super::parts::{Patterns, Place};
use super::replay_bar::ReplayBar;
use super::status_bar::StatusBar;
use super::token_form::TokenForm;
use crate::link::Link;
use crate::live::{Act, Health, LinkFigures, Live, Snapshot, Trouble};
use crate::route::{Route, Tab, split_panel};
use crate::socket::{CLOSE_CODE_FULL, CLOSE_CODE_REFUSED};
use crate::source::{Opener, Source, SourceEvent};
use crate::{api, browser, theme, token, topics};
use gloo_events::EventListener;
use gloo_timers::callback::{Interval, Timeout};
use partita_observe::frame::Topic;
use wasm_bindgen::JsCast;
use web_sys::{Element, KeyboardEvent};
use yew::prelude::*;

/// How often ages are counted up while nothing comes, in milliseconds.
const CLOCK_INTERVAL_MS: u32 = 1_000;

/// The clock draws nothing if a frame was drawn since, in milliseconds.
const DRAWN_LATELY_MS: f64 = 900.0;

/// Where the figures come from.
#[derive(Clone, PartialEq, Properties)]
pub struct Props {
    /// How the page gets at its source.
    pub opener: Opener,
}

/// What the page reacts to.
pub enum Msg {
    /// The user gave a token.
    Token(String),
    /// Something happened at a source. The number tells the present one from those before.
    Source(u32, SourceEvent),
    /// The address changed: another page, or a link with a token was pasted.
    Address,
    /// A second has passed.
    Clock,
    /// The pause before the next attempt is over.
    Retry,
    /// The browser is about to draw.
    Draw,
    /// The tab went to the background or came back.
    Visibility,
    /// A key was pressed outside of any field.
    Key(String),
    /// A page wants something done.
    Act(Act),
    /// The list of keys is to be shown, or no more.
    Help(bool),
    /// Another tab said something.
    Tab(token::Said),
    /// Whether the scheduler answers ordinary requests.
    Answering(bool),
    /// The token for the ticket in the address, if it was valid.
    Redeemed(Option<String>),
}

/// The whole page.
pub struct App {
    token: Option<String>,
    /// Whether the scheduler refused the token that was given last.
    refused: bool,
    /// Whether the scheduler was asked for the token for a ticket.
    is_redeeming: bool,
    route: Route,
    /// The panel that is shown alone.
    alone: Option<AttrValue>,
    link: Link,
    source: Option<Box<dyn Source>>,
    /// Which source is the present one.
    generation: u32,
    /// What components follow beside their route's topics, by their names.
    wanted: Vec<(&'static str, Vec<Topic>)>,
    retry: Option<Timeout>,
    trouble: Trouble,
    tabs: Option<token::Tabs>,
    now_ms: f64,
    drawn_ms: f64,
    draw_is_due: bool,
    help: bool,
    /// What the tab is called.
    title: String,
    /// Whether the search field is to be focused as soon as there is one.
    search_is_due: bool,
    act: Callback<Act>,
    _clock: Interval,
    _listeners: Vec<EventListener>,
}

impl App {
    fn connect(&mut self, ctx: &Context<Self>) {
        self.retry = None;
        self.source = None;
        self.generation = self.generation.wrapping_add(1);
        let opener = &ctx.props().opener;
        if self.token.is_none() && opener.needs_token() {
            return;
        }
        self.link.connecting(self.now_ms);
        let generation = self.generation;
        let on_event = ctx.link().callback(move |event| Msg::Source(generation, event));
        self.source = opener.open(self.token.as_deref().unwrap_or_default(), on_event);
        if self.source.is_none() {
            self.disconnect(ctx);
        }
    }

    /// Drops the source and connects again after a pause.
    fn disconnect(&mut self, ctx: &Context<Self>) {
        self.source = None;
        self.generation = self.generation.wrapping_add(1);
        let pause_ms = self.link.lost();
        if self.trouble != Trouble::Full && ctx.props().opener.needs_token() {
            let answered = ctx.link().callback(Msg::Answering);
            wasm_bindgen_futures::spawn_local(async move {
                answered.emit(api::is_answering().await);
            });
        }
        let link = ctx.link().clone();
        self.retry = Some(Timeout::new(pause_ms, move || link.send_message(Msg::Retry)));
    }

    /// Whether the page is to be drawn at once.
    fn on_source(&mut self, ctx: &Context<Self>, event: SourceEvent) -> bool {
        match event {
            SourceEvent::Message(message, bytes) => {
                self.trouble = Trouble::Unknown;
                let answer = self.link.received(*message, bytes, self.now_ms);
                if let Some((asker, answer)) = answer {
                    asker.emit(answer);
                }
                self.draw_on_next_frame(ctx);
                return false;
            }
            SourceEvent::Unreadable => {
                self.link.unreadable();
                self.disconnect(ctx);
            }
            SourceEvent::Closed { code: CLOSE_CODE_REFUSED } => self.refuse(),
            SourceEvent::Closed { code: CLOSE_CODE_FULL } => {
                self.trouble = Trouble::Full;
                self.disconnect(ctx);
            }
            SourceEvent::Closed { .. } => self.disconnect(ctx),
        }
        true
    }

    /// However many frames come, each picture of the screen is drawn once.
    fn draw_on_next_frame(&mut self, ctx: &Context<Self>) {
        if !std::mem::replace(&mut self.draw_is_due, true) {
            let link = ctx.link().clone();
            browser::on_next_frame(move || link.send_message(Msg::Draw));
        }
    }

    fn on_clock(&mut self, ctx: &Context<Self>) -> bool {
        self.link.tick(self.now_ms);
        if self.source.is_some() && self.link.is_silent(self.now_ms) {
            self.disconnect(ctx);
        }
        self.now_ms - self.drawn_ms >= DRAWN_LATELY_MS
    }

    fn on_address(&mut self, ctx: &Context<Self>) -> bool {
        if let Some(token) = token::take_from_address() {
            self.take_token(ctx, token);
        }
        self.redeem(ctx, token::take_ticket_from_address());
        let (alone, route) = address(&browser::fragment());
        self.alone = alone;
        if route != self.route {
            // A filter of the same page keeps its place; another page begins at its top.
            if route.tab() != self.route.tab() || !matches!(route, Route::Tasks(_)) {
                browser::scroll_to_top();
                let _ = browser::focus("#main");
            }
            self.route = route;
        }
        true
    }

    fn on_key(&mut self, key: &str) -> bool {
        let tab = key.parse::<usize>().ok().and_then(|n| Tab::ALL.get(n.checked_sub(1)?));
        if let Some(tab) = tab {
            browser::go_to_fragment(&tab.route().to_string());
            return false;
        }
        match key {
            "?" => self.help = !self.help,
            "/" => {
                // A page without a list leads to the list of jobs, which begins in its search field.
                if !browser::focus("[data-search]") {
                    self.search_is_due = true;
                    browser::go_to_fragment(&Tab::Jobs.route().to_string());
                }
            }
            " " => self.hold_or_play(),
            _ => return false,
        }
        true
    }

    /// The space bar: holds what is live, plays or stops a replay.
    fn hold_or_play(&mut self) {
        if self.link.health(self.now_ms) == Health::Replay {
            let speed = self.link.shown().speed;
            self.link.play(if speed == 0.0 { 1.0 } else { 0.0 });
        } else {
            self.link.hold(!self.link.is_held(), self.now_ms);
        }
    }

    fn on_act(&mut self, act: Act) -> bool {
        match act {
            Act::Ask(question, asker) => {
                self.link.ask(question, asker);
                return false;
            }
            Act::Want(name, topics) => {
                self.wanted.retain(|(known, _)| *known != name);
                self.wanted.push((name, topics));
            }
            Act::Post(path, on_result) => {
                let token = self.token.clone().unwrap_or_default();
                wasm_bindgen_futures::spawn_local(async move {
                    on_result.emit(api::act(&path, &token).await);
                });
                return false;
            }
            Act::Seek(to_ms) => self.link.seek(to_ms),
            Act::Play(speed) => self.link.play(speed),
            Act::Hold(held) => self.link.hold(held, self.now_ms),
            Act::Go(route) => browser::go_to_fragment(&route.to_string()),
        }
        true
    }

    /// Follows what the page and its components want, and sends what waits.
    fn settle(&mut self) {
        let mut wanted = topics::topics(&self.route, self.link.shown());
        for topic in self.wanted.iter().flat_map(|(_, topics)| topics) {
            if !wanted.contains(topic) {
                wanted.push(*topic);
            }
        }
        self.link.follow(wanted);
        self.send();
    }

    fn send(&mut self) {
        let messages = self.link.take_outbox();
        if let Some(source) = &self.source {
            messages.iter().for_each(|message| source.send(message));
        }
    }

    fn live(&self) -> Live {
        let mut follower = self.link.shown().clone();
        follower.now_ms = self.link.shown_now_ms(self.now_ms);
        Live::new(Snapshot {
            follower,
            health: self.link.health(self.now_ms),
            figures_age_ms: self.link.figures_age_ms(self.now_ms),
            trouble: self.trouble,
            link: LinkFigures { frame: self.link.frame(), bytes_per_s: self.link.bytes_per_s() },
            answers: self.link.answers().cloned().collect(),
            act: self.act.clone(),
        })
    }
}

/// What a fragment is the address of: a panel that is shown alone, if it is one's, and the page.
fn address(fragment: &str) -> (Option<AttrValue>, Route) {
    match split_panel(fragment) {
        Some((panel, page)) => (Some(panel.to_string().into()), Route::parse(page)),
        None => (None, Route::parse(fragment)),
    }
}

/// What the page listens to.
fn listeners(ctx: &Context<App>) -> Vec<EventListener> {
    let Some(window) = browser::window() else { return Vec::new() };
    let address = ctx.link().callback(|()| Msg::Address);
    let visibility = ctx.link().callback(|()| Msg::Visibility);
    let key = ctx.link().callback(Msg::Key);
    let options = gloo_events::EventListenerOptions::enable_prevent_default();
    let mut listeners = vec![
        EventListener::new(&window, "hashchange", move |_| address.emit(())),
        EventListener::new_with_options(&window, "keydown", options, move |event| {
            if let Some(pressed) = shortcut(event.unchecked_ref()) {
                event.prevent_default();
                key.emit(pressed);
            }
        }),
    ];
    listeners.extend(browser::document().map(|document| {
        EventListener::new(&document, "visibilitychange", move |_| visibility.emit(()))
    }));
    listeners
}

/// The key, if it is one of ours and the user is not writing.
fn shortcut(event: &KeyboardEvent) -> Option<String> {
    if event.ctrl_key() || event.alt_key() || event.meta_key() {
        return None;
    }
    let key = event.key();
    // Keys go to elements: the focused one, or the body.
    let target = event.target().map(|target| target.unchecked_into::<Element>());
    let is_in = |selector: &str| {
        target.as_ref().is_some_and(|t| t.closest(selector).is_ok_and(|found| found.is_some()))
    };
    let is_writing = is_in("input, select, textarea, [contenteditable]");
    // The space bar presses buttons and scrolls what has the focus for it.
    let is_taken = key == " " && is_in("button, a, summary, dialog, [tabindex=\"0\"]");
    let is_ours = matches!(key.chars().next(), Some('?' | '/' | ' ' | '1'..='9')) && key.len() == 1;
    (is_ours && !is_writing && !is_taken).then_some(key)
}

impl Component for App {
    type Message = Msg;
    type Properties = Props;

    fn create(ctx: &Context<Self>) -> Self {
        let now_ms = browser::monotonic_ms();
        let clock = ctx.link().callback(|()| Msg::Clock);
        theme::Theme::stored().apply();
        let token = token::take_from_address().or_else(token::stored);
        let ticket = token::take_ticket_from_address().filter(|_| token.is_none());
        let (alone, route) = address(&browser::fragment());
        let mut app = Self {
            token,
            refused: false,
            is_redeeming: false,
            route,
            alone,
            link: Link::new(now_ms),
            source: None,
            generation: 0,
            wanted: Vec::new(),
            retry: None,
            trouble: Trouble::Unknown,
            tabs: None,
            now_ms,
            drawn_ms: now_ms,
            draw_is_due: false,
            help: false,
            title: String::new(),
            search_is_due: false,
            act: ctx.link().callback(Msg::Act),
            _clock: Interval::new(CLOCK_INTERVAL_MS, move || clock.emit(())),
            _listeners: listeners(ctx),
        };
        app.link.hide(browser::is_hidden(), now_ms);
        app.settle();
        app.connect(ctx);
        if ctx.props().opener.needs_token() {
            app.tabs = token::Tabs::open(ctx.link().callback(Msg::Tab));
        }
        app.redeem(ctx, ticket);
        match &app.tabs {
            Some(tabs) if app.token.is_none() => tabs.ask(),
            Some(tabs) => tabs.announce(),
            None => {}
        }
        app
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        self.now_ms = browser::monotonic_ms();
        let is_changed = match msg {
            Msg::Token(token) => {
                token::store(&token);
                self.take_token(ctx, token);
                true
            }
            // An event of a source that was given up since.
            Msg::Source(generation, _) if generation != self.generation => false,
            Msg::Source(_, event) => self.on_source(ctx, event),
            Msg::Address => self.on_address(ctx),
            Msg::Clock => self.on_clock(ctx),
            Msg::Retry => {
                self.connect(ctx);
                true
            }
            Msg::Draw => {
                self.draw_is_due = false;
                true
            }
            Msg::Visibility => {
                self.link.hide(browser::is_hidden(), self.now_ms);
                true
            }
            Msg::Key(key) => self.on_key(&key),
            Msg::Act(act) => self.on_act(act),
            Msg::Help(help) => {
                self.help = help;
                true
            }
            Msg::Tab(said) => self.on_tab(ctx, said),
            Msg::Redeemed(token) => self.on_redeemed(ctx, token),
            Msg::Answering(is_answering) => {
                if self.trouble != Trouble::Full {
                    self.trouble = if is_answering { Trouble::NoSocket } else { Trouble::NoAnswer };
                }
                true
            }
        };
        self.settle();
        is_changed
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        if self.token.is_none() && self.is_redeeming {
            return html! { <p class="empty loading" role="status">{ "Loading…" }</p> };
        }
        if self.token.is_none() && ctx.props().opener.needs_token() {
            let on_token = ctx.link().callback(Msg::Token);
            return html! { <TokenForm refused={self.refused} {on_token} /> };
        }
        let on_help = ctx.link().callback(Msg::Help);
        let place = Place { page: self.route.clone(), alone: self.alone.clone() };
        shell(&self.live(), &place, self.link.is_other_build(), self.help, on_help)
    }

    fn rendered(&mut self, _ctx: &Context<Self>, _first_render: bool) {
        self.drawn_ms = self.now_ms;
        let cluster = self.link.shown().greeting.as_ref().map(|hello| hello.cluster.as_str());
        let cluster = cluster.unwrap_or("Partita");
        let title = format!("{} · {cluster}", self.route.title());
        if title != self.title {
            browser::set_title(&title);
            self.title = title;
        }
        if self.search_is_due && browser::focus("[data-search]") {
            self.search_is_due = false;
        }
        // Only now, when the frame is on the screen: a slow page thereby asks for fewer.
        self.link.drawn();
        self.send();
    }
}

/// Everything around a page, and the page.
pub fn shell(
    live: &Live,
    place: &Place,
    is_other_build: bool,
    help: bool,
    on_help: Callback<bool>,
) -> Html {
    let skip = Callback::from(|event: MouseEvent| {
        // The address is the page's: it must not become `#main`.
        event.prevent_default();
        let _ = browser::focus("#main");
    });
    let is_dimmed = matches!(live.health(), Health::Stale | Health::Reconnecting);
    let show_help = on_help.reform(|()| true);
    let route = &place.page;
    let is_alone = place.alone.is_some();
    let classes = classes!(is_dimmed.then_some("stale"), is_alone.then_some("alone"));
    html! {
        <>
            <Patterns />
            if !is_alone {
                <a class="skip" href="#main" onclick={skip}>{ "Skip to the content" }</a>
                <Header live={live.clone()} tab={route.tab()} on_help={show_help} />
                <ReplayBar live={live.clone()} />
            }
            if is_other_build {
                <OtherBuild />
            }
            <main id="main" tabindex="-1" class={classes}>
                if matches!(live.health(), Health::Loading | Health::Unreachable) {
                    <Waiting live={live.clone()} />
                } else {
                    // A page that cannot read what comes knows why it has no updates.
                    if !is_other_build {
                        <Lost live={live.clone()} />
                    }
                    <ContextProvider<Place> context={place.clone()}>
                        <Page live={live.clone()} route={route.clone()} />
                    </ContextProvider<Place>>
                }
            </main>
            <StatusBar live={live.clone()} />
            if help {
                <Help on_close={on_help.reform(|()| false)} />
            }
        </>
    }
}

#[derive(PartialEq, Properties)]
struct LinkProps {
    live: Live,
}

/// Stands in for the page until the first frame.
#[component]
fn Waiting(props: &LinkProps) -> Html {
    let text = if props.live.health() == Health::Unreachable {
        props.live.trouble().sentence()
    } else {
        "Waiting for the scheduler…"
    };
    html! { <p class="notice" role="status">{ text }</p> }
}

/// The link has been down for this long when the page says why, in milliseconds.
const LOST_MS: u64 = 8_000;

/// Says why old figures are shown, and how they are seen when the scheduler has ended.
#[component]
fn Lost(props: &LinkProps) -> Html {
    let live = &props.live;
    if live.health() != Health::Reconnecting || live.figures_age_ms() < LOST_MS {
        return Html::default();
    }
    let has_ended = live.trouble() != Trouble::NoSocket && live.trouble() != Trouble::Full;
    let journal = live.cluster.as_ref().and_then(|cluster| cluster.journal.clone());
    html! {
        <div class="notice warning" role="alert">
            <p>
                { format!("No updates since {}. ", browser::clock_time(live.now_ms.saturating_sub(live.figures_age_ms()))) }
                { live.trouble().sentence() }
            </p>
            if let Some(journal) = journal.filter(|_| has_ended) {
                <p>
                    { "If the scheduler has ended, its journal shows the same pages: " }
                    <code>{ format!("partita dashboard --replay {journal}") }</code>
                </p>
            }
        </div>
    }
}

/// Asks for a reload: figures of another build may be wrong.
#[component]
fn OtherBuild() -> Html {
    html! {
        <p class="notice warning" role="alert">
            { "This page and the scheduler have different versions: values may be missing or wrong. " }
            <button type="button" onclick={|_| browser::reload()}>{ "Reload the page" }</button>
        </p>
    }
}
