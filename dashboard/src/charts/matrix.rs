//! Who read how much from whom: a matrix of hosts.

use super::canvas::{Inks, SizeWatch, edge, element, fill, fitting, prepare, text};
use super::heat_cells::level;
use super::matrix_cells::{MatrixLayout, PAIRS_MAX, Traffic};
use super::rows::{Column, Grid, Sort, Source};
use super::shapes::Rect;
use super::table::Table;
use crate::browser;
use crate::components::parts::{Same, icon};
use crate::format::bytes;
use partita_observe::view::DataView;
use web_sys::CanvasRenderingContext2d;
use yew::prelude::*;

/// Names are left out between cells that are lower than this, in pixels.
const NAME_PX_MIN: f64 = 9.0;
/// The size of small text, in pixels.
const TEXT_PX: u32 = 11;

/// What is shown.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The data page, of which this is the hosts and their transfers.
    pub data: Same<DataView>,
    /// The second that is shown: the theme is read once in each.
    pub now_s: u64,
}

/// What a matrix reacts to.
pub enum Msg {
    /// Its size changed.
    Size,
    /// The browser is about to draw.
    Paint,
    /// The pointer moved, or left.
    Point(Option<(f64, f64)>),
    /// A key was pressed.
    Key(KeyboardEvent),
    /// The table in the place of the drawing, or the drawing.
    ShowTable(bool),
}

/// A matrix of hosts.
pub struct Matrix {
    frame: NodeRef,
    canvas: NodeRef,
    width_px: f64,
    picked: Option<(usize, usize)>,
    shows_table: bool,
    inks: Option<Inks>,
    waits_for_frame: bool,
    watch: Option<SizeWatch>,
}

fn traffic(data: &DataView) -> Traffic<'_> {
    Traffic { hosts: &data.hosts, bytes: &data.transfers }
}

impl Matrix {
    fn redraw(&mut self, ctx: &Context<Self>) {
        if !std::mem::replace(&mut self.waits_for_frame, true) {
            let link = ctx.link().clone();
            browser::on_next_frame(move || link.send_message(Msg::Paint));
        }
    }

    fn layout(&self, data: &DataView) -> MatrixLayout {
        let letters = data.hosts.iter().map(|host| host.chars().count()).max().unwrap_or(0);
        MatrixLayout::new(data.hosts.len(), letters, self.width_px)
    }

    fn paint(&mut self, data: &DataView) {
        self.waits_for_frame = false;
        self.width_px = element(&self.frame).map_or(0.0, |frame| f64::from(frame.client_width()));
        if self.inks.is_none() || Inks::are_old(&self.inks) {
            self.inks = Inks::make();
        }
        let Some(inks) = self.inks.as_ref().filter(|_| self.width_px > 0.0) else { return };
        let layout = self.layout(data);
        let side = layout.side_px();
        if let Some(context) = prepare(&self.canvas, (side, side), inks.ratio) {
            paint(&context, inks, &layout, &traffic(data), self.picked);
        }
    }

    fn on_key(&mut self, data: &DataView, event: &KeyboardEvent) -> bool {
        let last = data.hosts.len();
        let (from, to) = self.picked.unwrap_or((0, 0));
        self.picked = match event.key().as_str() {
            "ArrowDown" => Some(((from + 1).min(last), to)),
            "ArrowUp" => Some((from.saturating_sub(1), to)),
            "ArrowRight" => Some((from, (to + 1).min(last))),
            "ArrowLeft" => Some((from, to.saturating_sub(1))),
            "Escape" => None,
            _ => return false,
        };
        event.prevent_default();
        true
    }
}

impl Component for Matrix {
    type Message = Msg;
    type Properties = Props;

    fn create(_ctx: &Context<Self>) -> Self {
        Matrix {
            frame: NodeRef::default(),
            canvas: NodeRef::default(),
            width_px: 0.0,
            picked: None,
            shows_table: false,
            inks: None,
            waits_for_frame: false,
            watch: None,
        }
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        let data = &ctx.props().data;
        match msg {
            Msg::Paint => {
                self.paint(data);
                return false;
            }
            Msg::Size => {}
            Msg::Point(at) => {
                let found = at.and_then(|(x, y)| self.layout(data).hit(x, y));
                if std::mem::replace(&mut self.picked, found) == found {
                    return false;
                }
            }
            Msg::Key(event) => {
                if !self.on_key(data, &event) {
                    return false;
                }
            }
            Msg::ShowTable(shows) => self.shows_table = shows,
        }
        self.redraw(ctx);
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
        let data = &ctx.props().data;
        let link = ctx.link();
        let traffic = traffic(data);
        let readout = match self.picked {
            Some((from, to)) => traffic.sentence(from, to),
            None => traffic.summary(),
        };
        if data.hosts.len() < 2 {
            return html! { <p class="pad">{ readout }</p> };
        }
        let shows_table = self.shows_table;
        let on_table = link.callback(move |_: MouseEvent| Msg::ShowTable(!shows_table));
        let point = |event: PointerEvent| {
            Msg::Point(Some((f64::from(event.offset_x()), f64::from(event.offset_y()))))
        };
        html! {
            <div class="matrix">
                <p class="readout">
                    <span>{ readout }</span>
                    <button type="button" onclick={on_table} aria-pressed={shows_table.to_string()}>
                        { icon("▦") }{ " table" }
                    </button>
                </p>
                <div ref={&self.frame} class={classes!("matrix-frame", shows_table.then_some("offscreen"))}>
                    <canvas ref={&self.canvas} tabindex="0" role="img" aria-label={traffic.summary()}
                        onpointermove={link.callback(point)}
                        onpointerleave={link.callback(|_| Msg::Point(None))}
                        onkeydown={link.callback(Msg::Key)}></canvas>
                    <p class="hint">
                        { "Row = sender, column = reader; the last row and column are totals. \
                           Stronger colour = more bytes." }
                    </p>
                </div>
                if shows_table {
                    <Table source={table(&traffic)} label="Bytes between hosts" id="matrix-table"
                        sort={Some(Sort { column: 2, is_descending: true })} />
                }
            </div>
        }
    }
}

fn paint(
    context: &CanvasRenderingContext2d,
    inks: &Inks,
    layout: &MatrixLayout,
    traffic: &Traffic,
    picked: Option<(usize, usize)>,
) {
    let hosts = layout.hosts;
    let theme = &inks.theme;
    let gap = if layout.cell_px < 6.0 { 0.0 } else { 1.0 };
    let cell = |from: usize, to: usize| Rect {
        x: layout.edge(to),
        y: layout.edge(from),
        w: layout.cell_px - gap,
        h: layout.cell_px - gap,
    };
    let most = traffic.most();
    let most_of_host =
        (0..hosts).map(|at| traffic.sent(at).max(traffic.read(at))).max().unwrap_or(0);
    let mut by_level: Vec<Vec<Rect>> = vec![Vec::new(); theme.ramp.len()];
    let mut put = |value: u64, whole: u64, rect: Rect| {
        if let Some(rects) = by_level.get_mut(level(value, whole)) {
            rects.push(rect);
        }
    };
    for from in 0..hosts {
        (0..hosts).for_each(|to| put(traffic.between(from, to), most, cell(from, to)));
        put(traffic.sent(from), most_of_host, cell(from, hosts));
        put(traffic.read(from), most_of_host, cell(hosts, from));
    }
    for (ink, rects) in theme.ramp.iter().zip(&by_level) {
        fill(context, ink, rects);
    }
    paint_names(context, inks, layout, traffic);
    if let Some((from, to)) = picked {
        let rect = cell(from, to);
        let grown = Rect { x: rect.x - 1.0, y: rect.y - 1.0, w: rect.w + 2.0, h: rect.h + 2.0 };
        edge(context, &theme.surface, &[rect]);
        edge(context, &theme.text, &[grown]);
    }
}

fn paint_names(
    context: &CanvasRenderingContext2d,
    inks: &Inks,
    layout: &MatrixLayout,
    traffic: &Traffic,
) {
    let room = layout.label_px - 8.0;
    let names = traffic.hosts.iter().map(String::as_str).chain(["all"]);
    // Where cells are too low for all names, every second, third … has one.
    let every = (NAME_PX_MIN / layout.cell_px).ceil().max(1.0) as usize;
    context.set_font(&format!("{TEXT_PX}px {}", inks.theme.font));
    context.set_fill_style_str(&inks.theme.muted);
    context.set_text_baseline("middle");
    for (at, name) in names.enumerate().filter(|(at, _)| at % every == 0 || *at == layout.hosts) {
        let name = fitting(name, room);
        let middle = layout.edge(at) + layout.cell_px / 2.0;
        context.set_text_align("right");
        text(context, &name, room, middle, room);
        // A quarter of a turn to the left, around the foot of the column.
        let ratio = inks.ratio;
        let _ = context.set_transform(0.0, -ratio, ratio, 0.0, middle * ratio, room * ratio);
        context.set_text_align("left");
        text(context, &name, 0.0, 0.0, room);
        let _ = context.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
    }
}

/// Two hosts and what went between them.
struct PairRow {
    key: u128,
    from: String,
    to: String,
    bytes: u64,
}

const COLUMNS: &[Column<PairRow>] = &[
    Column::<PairRow>::new("From", "w10", |row| row.from.clone().into(), |row| row.from.clone())
        .by(|one, other| one.from.cmp(&other.from)),
    Column::<PairRow>::new("To", "w10", |row| row.to.clone().into(), |row| row.to.clone())
        .by(|one, other| one.to.cmp(&other.to)),
    Column::<PairRow>::new(
        "Bytes",
        "w6 number",
        |row| bytes(row.bytes).into(),
        |row| row.bytes.to_string(),
    )
    .by(|one, other| one.bytes.cmp(&other.bytes)),
];

fn table(traffic: &Traffic) -> Same<dyn Source> {
    let name = |at: usize| traffic.hosts.get(at).cloned().unwrap_or_default();
    let pairs = traffic.pairs(PAIRS_MAX).into_iter();
    let rows = pairs.map(|(from, to, bytes)| PairRow {
        key: (from as u128) << 32 | to as u128,
        from: name(from),
        to: name(to),
        bytes,
    });
    Grid {
        rows: rows.collect(),
        columns: COLUMNS,
        key: |row| row.key,
        class: |_| "",
        address: |_| None,
    }
    .share()
}
