//! A cell for each worker, painted: as elements of the page thousands of them would be slow.

use super::canvas::{Inks, SizeWatch, edge, element, fill, fitting, prepare, sign_at, text};
use super::heat_cells::{
    CellsLayout, Host, LEVELS, Metric, by_host, has_cell, sentence, sign, summary,
};
use super::shapes::Rect;
use crate::browser;
use crate::components::parts::{Same, icon};
use crate::format::grouped;
use crate::route::Route;
use partita_shared::ids::WorkerId;
use partita_shared::model::{WorkerRow, WorkerState};
use std::collections::BTreeMap;
use std::rc::Rc;
use web_sys::CanvasRenderingContext2d;
use yew::prelude::*;

/// Cells that are drawn at most.
const CELLS_MAX: usize = 4_000;
/// Cells that are smaller have no sign in them but an edge, in pixels.
const SIGN_PX_MIN: f64 = 11.0;
/// Cells of this level and above are dark on a light page, and light on a dark one.
const STRONG: usize = 5;

/// What is shown.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The workers: [`partita_observe::follower::Follower::workers`].
    pub workers: Same<BTreeMap<WorkerId, Rc<WorkerRow>>>,
    /// What is shown at first.
    #[prop_or(Metric::Cpu)]
    pub metric: Metric,
    /// Whether workers stand by host, with the host's name.
    #[prop_or_default]
    pub by_host: bool,
}

/// What a grid reacts to.
pub enum Msg {
    /// Its size changed.
    Size,
    /// The browser is about to draw.
    Paint,
    /// The pointer moved, or left.
    Point(Option<(f64, f64)>),
    /// A cell was pressed.
    Open,
    /// A key was pressed.
    Key(KeyboardEvent),
    /// Something else is to be shown.
    Metric(Metric),
}

/// A cell for each worker, with a choice of what it shows.
pub struct HeatGrid {
    frame: NodeRef,
    canvas: NodeRef,
    metric: Metric,
    hosts: Vec<Host>,
    /// Who has a cell, and whether it is lost: what the order of cells is made of.
    made_of: Vec<(WorkerId, bool)>,
    layout: CellsLayout,
    picked: Option<WorkerId>,
    inks: Option<Inks>,
    waits_for_frame: bool,
    watch: Option<SizeWatch>,
}

impl HeatGrid {
    /// Takes the rows of now. They are put in order only if there are others than before.
    fn take(&mut self, workers: &BTreeMap<WorkerId, Rc<WorkerRow>>) {
        let shown = workers.values().filter(|row| has_cell(row));
        let made_of: Vec<_> = shown.map(|row| (row.id, row.state == WorkerState::Lost)).collect();
        if made_of != self.made_of {
            self.made_of = made_of;
            self.hosts = by_host(workers.values().cloned(), CELLS_MAX);
            return;
        }
        for row in self.hosts.iter_mut().flat_map(|host| &mut host.workers) {
            if let Some(present) = workers.get(&row.id) {
                *row = present.clone();
            }
        }
    }

    fn cells(&self) -> impl Iterator<Item = &Rc<WorkerRow>> {
        self.hosts.iter().flat_map(|host| &host.workers)
    }

    fn place(&self, id: WorkerId) -> Option<usize> {
        self.cells().position(|row| row.id == id)
    }

    fn redraw(&mut self, ctx: &Context<Self>) {
        if !std::mem::replace(&mut self.waits_for_frame, true) {
            let link = ctx.link().clone();
            browser::on_next_frame(move || link.send_message(Msg::Paint));
        }
    }

    fn paint(&mut self, with_hosts: bool) {
        self.waits_for_frame = false;
        let width_px = element(&self.frame).map_or(0.0, |frame| f64::from(frame.client_width()));
        if self.inks.is_none() || Inks::are_old(&self.inks) {
            self.inks = Inks::make();
        }
        let counts: Vec<usize> = self.hosts.iter().map(|host| host.workers.len()).collect();
        self.layout = CellsLayout::new(&counts, with_hosts, width_px);
        let Some(inks) = self.inks.as_ref().filter(|_| width_px > 0.0) else { return };
        let size = (width_px, self.layout.height_px.max(1.0));
        if let Some(context) = prepare(&self.canvas, size, inks.ratio) {
            self.paint_cells(&context, inks);
            self.paint_names(&context, inks);
        }
    }

    fn rect(&self, at: usize) -> Rect {
        let side = self.layout.side_px;
        let (x, y) = self.layout.cells.get(at).copied().unwrap_or_default();
        Rect { x, y, w: side, h: side }
    }

    fn paint_cells(&self, context: &CanvasRenderingContext2d, inks: &Inks) {
        let theme = &inks.theme;
        let mut by_level: [Vec<Rect>; LEVELS] = Default::default();
        let [mut lost, mut marked] = [Vec::new(), Vec::new()];
        let mut signs = Vec::new();
        for (at, row) in self.cells().enumerate() {
            let rect = self.rect(at);
            let is_lost = row.state == WorkerState::Lost;
            let level = self.metric.level(row) % LEVELS;
            if is_lost { &mut lost } else { &mut by_level[level] }.push(rect);
            let sign = sign(row);
            if !sign.is_empty() {
                marked.push(rect);
                signs.push((sign, is_lost, level, rect));
            }
        }
        for (ink, rects) in theme.ramp.iter().zip(&by_level) {
            fill(context, ink, rects);
        }
        edge(context, &theme.border, &by_level[0]);
        if self.layout.side_px < SIGN_PX_MIN {
            edge(context, &theme.text, &marked);
        }
        edge(context, &theme.failed, &lost);
        for (sign, is_lost, level, rect) in signs {
            let ink = match (is_lost, level >= STRONG) {
                (true, _) => &theme.failed,
                (false, true) => &theme.surface,
                (false, false) => &theme.text,
            };
            sign_at(context, ink, sign, &rect);
        }
        if let Some(at) = self.picked.and_then(|id| self.place(id)) {
            let Rect { x, y, w, h } = self.rect(at);
            edge(context, &theme.surface, &[self.rect(at)]);
            edge(context, &theme.text, &[Rect { x: x - 1.0, y: y - 1.0, w: w + 2.0, h: h + 2.0 }]);
        }
    }

    fn paint_names(&self, context: &CanvasRenderingContext2d, inks: &Inks) {
        context.set_font(&format!("11px {}", inks.theme.font));
        context.set_fill_style_str(&inks.theme.muted);
        context.set_text_align("left");
        context.set_text_baseline("top");
        for (host, (x, y, room)) in self.hosts.iter().zip(&self.layout.names) {
            text(context, &fitting(&host.name, *room), *x, *y, *room);
        }
    }

    /// Whether a key meant anything.
    fn on_key(&mut self, event: &KeyboardEvent) -> bool {
        let last = self.made_of.len().min(CELLS_MAX).saturating_sub(1);
        let at = self.picked.and_then(|id| self.place(id));
        let here = at.unwrap_or(0);
        let to = match event.key().as_str() {
            "Escape" => {
                self.picked = None;
                return true;
            }
            "Enter" => return self.open(),
            "Home" => 0,
            "End" => last,
            "ArrowRight" => at.map_or(0, |at| (at + 1).min(last)),
            "ArrowLeft" => here.saturating_sub(1),
            "ArrowDown" => self.layout.beside(here, 1.0).unwrap_or(here),
            "ArrowUp" => self.layout.beside(here, -1.0).unwrap_or(here),
            _ => return false,
        };
        let found = self.cells().nth(to).map(|row| row.id);
        self.picked = found;
        true
    }

    fn open(&self) -> bool {
        let Some(id) = self.picked else { return false };
        browser::go_to_fragment(&Route::Worker(id).to_string());
        true
    }
}

impl Component for HeatGrid {
    type Message = Msg;
    type Properties = Props;

    fn create(ctx: &Context<Self>) -> Self {
        let mut grid = HeatGrid {
            frame: NodeRef::default(),
            canvas: NodeRef::default(),
            metric: ctx.props().metric,
            hosts: Vec::new(),
            made_of: Vec::new(),
            layout: CellsLayout::default(),
            picked: None,
            inks: None,
            waits_for_frame: false,
            watch: None,
        };
        grid.take(&ctx.props().workers);
        grid
    }

    fn changed(&mut self, ctx: &Context<Self>, _before: &Props) -> bool {
        self.take(&ctx.props().workers);
        true
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        match msg {
            Msg::Paint => {
                self.paint(ctx.props().by_host);
                return false;
            }
            Msg::Size => {}
            Msg::Point(at) => {
                let found = at.and_then(|(x, y)| self.layout.hit(x, y));
                let found = found.and_then(|at| self.cells().nth(at)).map(|row| row.id);
                if std::mem::replace(&mut self.picked, found) == found {
                    return false;
                }
            }
            Msg::Open => return self.open(),
            Msg::Key(event) => {
                if !self.on_key(&event) {
                    return false;
                }
                event.prevent_default();
            }
            Msg::Metric(metric) => self.metric = metric,
        }
        true
    }

    fn rendered(&mut self, ctx: &Context<Self>, _is_first: bool) {
        if self.watch.is_none() {
            let link = ctx.link();
            self.watch = SizeWatch::new(&self.frame, link.callback(|()| Msg::Size));
        }
        self.redraw(ctx);
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let link = ctx.link();
        let summary = summary(self.cells(), self.metric);
        let picked = self.picked.and_then(|id| ctx.props().workers.get(&id));
        let readout = picked.map_or(summary.clone(), |row| sentence(row, self.metric));
        let hidden = ctx.props().workers.len().saturating_sub(CELLS_MAX);
        let point = |event: PointerEvent| {
            Msg::Point(Some((f64::from(event.offset_x()), f64::from(event.offset_y()))))
        };
        html! {
            <div class="heat">
                { self.view_choice(ctx) }
                <div class="cells">
                    <div ref={&self.frame}>
                        <canvas ref={&self.canvas} tabindex="0" role="img" aria-label={summary}
                            class={picked.map(|_| "can-open")}
                            onpointermove={link.callback(point)} onclick={link.callback(|_| Msg::Open)}
                            onpointerleave={link.callback(|_| Msg::Point(None))}
                            onkeydown={link.callback(Msg::Key)}></canvas>
                    </div>
                </div>
                <p class="readout">{ readout }</p>
                { ramp(self.metric) }
                if hidden > 0 {
                    <p class="hint">{ format!("{} more are not drawn.", grouped(hidden as u64)) }</p>
                }
            </div>
        }
    }
}

impl HeatGrid {
    fn view_choice(&self, ctx: &Context<Self>) -> Html {
        html! {
            <div class="choice" role="group" aria-label="What cells show">
                { for Metric::ALL.into_iter().map(|one| {
                    let onclick = ctx.link().callback(move |_: MouseEvent| Msg::Metric(one));
                    let is_on = self.metric == one;
                    html! {
                        <button key={one.name()} type="button" {onclick} aria-pressed={is_on.to_string()}>
                            { one.name() }
                        </button>
                    }
                }) }
            </div>
        }
    }
}

/// Classes of the steps of the ramp.
const LEVEL_CLASSES: [&str; LEVELS] = ["h0", "h1", "h2", "h3", "h4", "h5", "h6", "h7", "h8"];

/// What colours and signs mean.
fn ramp(metric: Metric) -> Html {
    let (low, high) = metric.ends();
    html! {
        <p class="ramp hint">
            { low }
            <span class="steps" aria-hidden="true">
                { for LEVEL_CLASSES.into_iter().map(|class| html! {
                    <i key={class} class={classes!("step", class)} />
                }) }
            </span>
            { high }
            <span>{ icon("▲") }{ " paused or near the limit" }</span>
            <span>{ icon("◔") }{ " retiring" }</span>
            <span>{ icon("✖") }{ " lost" }</span>
        </p>
    }
}
