//! The whole page: it owns the token, the socket and the model, and hands frames to the panels.

use super::header::Header;
use super::jobs::Jobs;
use super::strip::Strip;
use super::token_form::TokenForm;
use super::workers::Workers;
use crate::browser;
use crate::model::{Health, Model};
use crate::socket::{CLOSE_CODE_REFUSED, Socket, SocketEvent};
use crate::token;
use gloo_events::EventListener;
use gloo_timers::callback::{Interval, Timeout};
use yew::prelude::*;

/// How often ages are counted up while nothing comes, in milliseconds.
const CLOCK_INTERVAL_MS: u32 = 1_000;

/// What the page reacts to.
pub enum Msg {
    /// The user gave a token.
    Token(String),
    /// Something happened on a socket. The number tells the present one from those before.
    Socket(u32, SocketEvent),
    /// The address changed: a new link may have been pasted.
    Address,
    /// A second has passed.
    Clock,
    /// The pause before the next attempt is over.
    Retry,
}

/// The whole page.
pub struct App {
    token: Option<String>,
    /// Whether the scheduler refused the token that was given last.
    refused: bool,
    model: Model,
    socket: Option<Socket>,
    /// Which socket is the present one.
    generation: u32,
    /// A frame was drawn or is about to be, and the next was not asked for.
    owes_acknowledgement: bool,
    retry: Option<Timeout>,
    now_ms: f64,
    _clock: Interval,
    _address: Option<EventListener>,
}

impl App {
    fn connect(&mut self, ctx: &Context<Self>) {
        self.retry = None;
        self.socket = None;
        self.owes_acknowledgement = false;
        self.generation = self.generation.wrapping_add(1);
        let Some(token) = self.token.clone() else { return };
        self.model.connecting(self.now_ms);
        let generation = self.generation;
        let on_event = ctx.link().callback(move |event| Msg::Socket(generation, event));
        self.socket = Socket::open(token, on_event);
        if self.socket.is_none() {
            self.disconnect(ctx);
        }
    }

    /// Drops the socket and connects again after a pause.
    fn disconnect(&mut self, ctx: &Context<Self>) {
        self.socket = None;
        self.owes_acknowledgement = false;
        self.generation = self.generation.wrapping_add(1);
        let pause_ms = self.model.lost();
        let link = ctx.link().clone();
        self.retry = Some(Timeout::new(pause_ms, move || link.send_message(Msg::Retry)));
    }

    fn refuse(&mut self) {
        token::forget();
        self.token = None;
        self.refused = true;
        self.socket = None;
        self.retry = None;
        self.model = Model::new(self.now_ms);
    }

    fn take(&mut self, ctx: &Context<Self>, token: String) {
        self.refused = false;
        self.token = Some(token);
        self.model = Model::new(self.now_ms);
        self.connect(ctx);
    }

    fn on_socket(&mut self, ctx: &Context<Self>, event: SocketEvent) {
        match event {
            SocketEvent::Frame(frame) => {
                browser::set_title(&format!("{} · Partita", frame.cluster.name));
                self.model.received(*frame, self.now_ms);
                self.owes_acknowledgement = true;
            }
            SocketEvent::Unreadable => {
                self.model.unreadable();
                self.disconnect(ctx);
            }
            SocketEvent::Closed { code: CLOSE_CODE_REFUSED } => self.refuse(),
            SocketEvent::Closed { .. } => self.disconnect(ctx),
        }
    }

    fn acknowledge(&mut self) {
        if let Some(socket) = &self.socket
            && std::mem::take(&mut self.owes_acknowledgement)
        {
            socket.acknowledge();
        }
    }
}

impl Component for App {
    type Message = Msg;
    type Properties = ();

    fn create(ctx: &Context<Self>) -> Self {
        let now_ms = browser::monotonic_ms();
        let clock = ctx.link().callback(|()| Msg::Clock);
        let address = ctx.link().callback(|()| Msg::Address);
        let mut app = Self {
            token: token::take_from_address().or_else(token::stored),
            refused: false,
            model: Model::new(now_ms),
            socket: None,
            generation: 0,
            owes_acknowledgement: false,
            retry: None,
            now_ms,
            _clock: Interval::new(CLOCK_INTERVAL_MS, move || clock.emit(())),
            _address: web_sys::window()
                .map(|window| EventListener::new(&window, "hashchange", move |_| address.emit(()))),
        };
        app.connect(ctx);
        app
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        self.now_ms = browser::monotonic_ms();
        match msg {
            Msg::Token(token) => {
                token::store(&token);
                self.take(ctx, token);
            }
            Msg::Address => match token::take_from_address() {
                Some(token) => self.take(ctx, token),
                None => return false,
            },
            // An event of a socket that was given up since.
            Msg::Socket(generation, _) if generation != self.generation => return false,
            Msg::Socket(_, event) => self.on_socket(ctx, event),
            Msg::Clock => {
                if self.token.is_some() && self.model.is_silent(self.now_ms) {
                    self.disconnect(ctx);
                }
                // A hidden tab asks for one frame a second, not for all that it could get.
                self.acknowledge();
            }
            Msg::Retry => self.connect(ctx),
        }
        true
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        if self.token.is_none() {
            let on_token = ctx.link().callback(Msg::Token);
            return html! { <TokenForm refused={self.refused} {on_token} /> };
        }
        let health = self.model.health(self.now_ms);
        let age_ms = self.model.figures_age_ms(self.now_ms);
        let now_ms = self.model.scheduler_now_ms(self.now_ms);
        let cluster = self.model.frame().map(|frame| frame.cluster.clone());
        html! {
            <>
                <a class="skip" href="#main">{ "Skip to the figures" }</a>
                <Header {cluster} {health} {age_ms} {now_ms} />
                if self.model.is_other_version() {
                    <OtherVersion />
                }
                <main id="main" class={classes!(is_dimmed(health).then_some("stale"))}>
                    { self.view_panels(health, now_ms) }
                </main>
            </>
        }
    }

    fn rendered(&mut self, _ctx: &Context<Self>, _first_render: bool) {
        // Only now, when the frame is on the screen: a slow page thereby asks for fewer.
        if !browser::is_hidden() {
            self.acknowledge();
        }
    }
}

impl App {
    fn view_panels(&self, health: Health, now_ms: u64) -> Html {
        match self.model.frame().cloned() {
            Some(frame) => html! {
                <>
                    <Strip frame={frame.clone()} />
                    <Workers frame={frame.clone()} {now_ms} />
                    <Jobs {frame} {now_ms} />
                </>
            },
            None => html! { <Waiting unreachable={health == Health::Unreachable} /> },
        }
    }
}

fn is_dimmed(health: Health) -> bool {
    match health {
        Health::Stale | Health::Reconnecting => true,
        Health::Loading | Health::Unreachable | Health::Live => false,
    }
}

#[derive(PartialEq, Properties)]
struct WaitingProps {
    unreachable: bool,
}

/// Stands in for the panels until the first frame.
#[component]
fn Waiting(props: &WaitingProps) -> Html {
    let text = if props.unreachable {
        "The scheduler cannot be reached. The page tries again every few seconds; check that the \
         cluster and the SSH tunnel are up."
    } else {
        "Waiting for the first figures from the scheduler…"
    };
    html! { <p class="notice" role="status">{ text }</p> }
}

/// Asks for a reload: figures of another build may be wrong.
#[component]
fn OtherVersion() -> Html {
    html! {
        <p class="notice warning" role="alert">
            { "This page and the scheduler are of different versions. " }
            <button type="button" onclick={|_| browser::reload()}>{ "Reload the page" }</button>
        </p>
    }
}
