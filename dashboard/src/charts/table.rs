//! A table of any length of which only the visible rows are drawn.

use super::canvas::element;
use super::rows::{
    Column, Grid, Head, ROW_PX, SORTED_ROWS_MAX, Sort, Source, csv, drawn, held, ordered,
    scrolled_to,
};
use crate::browser;
use crate::components::parts::{CopyButton, Same};
use crate::format::{counted, grouped};
use std::rc::Rc;
use yew::prelude::*;

/// The height of a table before its size is known, in pixels.
const HEIGHT_PX_DEFAULT: f64 = 560.0;

/// A table.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// Its rows.
    pub source: Same<dyn Source>,
    /// Its name on the page, from which names of cells are made.
    pub id: &'static str,
    /// What it lists, for those who do not see it.
    pub label: AttrValue,
    /// The order at first.
    #[prop_or_default]
    pub sort: Option<Sort>,
    /// What stands in the place of rows if there are none.
    #[prop_or(AttrValue::Static("No rows."))]
    pub when_empty: AttrValue,
}

impl<R> Grid<R> {
    /// As a prop of a table.
    pub fn share(self) -> Same<dyn Source> {
        let shared: Rc<dyn Source> = Rc::new(self);
        Same(shared)
    }
}

impl<R> Column<R> {
    /// A column: its title, its classes, and what is in a cell, drawn and as plain text.
    pub const fn new(
        title: &'static str,
        class: &'static str,
        cell: fn(&R) -> Html,
        text: fn(&R) -> String,
    ) -> Self {
        Column { title, hint: "", class, order: None, cell, text }
    }

    /// The same, ordered by this.
    pub const fn by(mut self, order: fn(&R, &R) -> std::cmp::Ordering) -> Self {
        self.order = Some(order);
        self
    }

    /// The same, with a hint.
    pub const fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }
}

/// What a table reacts to.
pub enum Msg {
    /// It was scrolled, or its size changed.
    Scrolled,
    /// A column's head was pressed.
    Sort(usize),
    /// The pointer came, or went.
    Hover(bool),
    /// A key was pressed.
    Key(KeyboardEvent),
    /// A cell was pressed.
    Cell(u128, usize),
}

/// A table of any length of which only the visible rows are drawn.
pub struct Table {
    scroller: NodeRef,
    sort: Option<Sort>,
    scroll_px: f64,
    height_px: f64,
    /// The order in which rows are shown now.
    order: Rc<Vec<usize>>,
    /// The order that all rows have.
    sorted: Vec<usize>,
    /// Keys in the order that is held while the pointer is over the table.
    keys: Option<Vec<u128>>,
    /// Rows that would stand elsewhere if the order were not held.
    waiting: usize,
    /// The row and column on which the keyboard is.
    active: Option<(u128, usize)>,
}

impl Table {
    fn arrange(&mut self, source: &dyn Source) {
        self.sorted = ordered(source, self.sort, &self.sorted);
        let (order, waiting) = match &self.keys {
            Some(keys) => held(source, &self.sorted, keys),
            None => (self.sorted.clone(), 0),
        };
        (self.order, self.waiting) = (Rc::new(order), waiting);
    }

    fn hold(&mut self, source: &dyn Source, holds: bool) {
        self.keys = None;
        self.arrange(source);
        if holds {
            self.keys = Some(self.order.iter().map(|row| source.key(*row)).collect());
        }
    }

    fn measure(&mut self) -> bool {
        let before = drawn(self.scroll_px, self.height_px, self.order.len());
        if let Some(scroller) = element(&self.scroller) {
            self.scroll_px = f64::from(scroller.scroll_top());
            self.height_px = f64::from(scroller.client_height()).max(ROW_PX);
        }
        before != drawn(self.scroll_px, self.height_px, self.order.len())
    }

    /// Moves the keyboard's cell. Gives whether the key meant anything.
    fn on_key(&mut self, source: &dyn Source, event: &KeyboardEvent) -> bool {
        if self.order.is_empty() || event.alt_key() || event.meta_key() {
            return false;
        }
        let place = self.active.and_then(|(key, column)| {
            let row = self.order.iter().position(|row| source.key(*row) == key)?;
            Some((row, column))
        });
        let page = ((self.height_px / ROW_PX) as usize).saturating_sub(2).max(1);
        let (last_row, last_column) = (self.order.len() - 1, source.columns() - 1);
        let Some((row, column)) = place else {
            let begins = matches!(event.key().as_str(), "ArrowDown" | "ArrowRight" | "Home");
            return begins && self.go(source, 0, 0);
        };
        let (row, column) = match event.key().as_str() {
            "ArrowDown" => ((row + 1).min(last_row), column),
            "ArrowUp" => (row.saturating_sub(1), column),
            "ArrowRight" => (row, (column + 1).min(last_column)),
            "ArrowLeft" => (row, column.saturating_sub(1)),
            "PageDown" => ((row + page).min(last_row), column),
            "PageUp" => (row.saturating_sub(page), column),
            "Home" if event.ctrl_key() => (0, 0),
            "End" if event.ctrl_key() => (last_row, last_column),
            "Home" => (row, 0),
            "End" => (row, last_column),
            "Enter" => {
                if let Some(address) = source.address(self.order[row]) {
                    browser::go_to_fragment(&address);
                }
                return true;
            }
            _ => return false,
        };
        self.go(source, row, column)
    }

    fn go(&mut self, source: &dyn Source, row: usize, column: usize) -> bool {
        self.active = Some((source.key(self.order[row]), column));
        if let Some(to) = scrolled_to(row, self.scroll_px, self.height_px)
            && let Some(scroller) = element(&self.scroller)
        {
            scroller.set_scroll_top(to as i32);
            self.measure();
        }
        true
    }
}

impl Component for Table {
    type Message = Msg;
    type Properties = Props;

    fn create(ctx: &Context<Self>) -> Self {
        let mut table = Table {
            scroller: NodeRef::default(),
            sort: ctx.props().sort,
            scroll_px: 0.0,
            height_px: HEIGHT_PX_DEFAULT,
            order: Rc::default(),
            sorted: Vec::new(),
            keys: None,
            waiting: 0,
            active: None,
        };
        table.arrange(&*ctx.props().source);
        table
    }

    fn changed(&mut self, ctx: &Context<Self>, _before: &Props) -> bool {
        self.arrange(&*ctx.props().source);
        true
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        let source = &*ctx.props().source;
        match msg {
            Msg::Scrolled => self.measure(),
            Msg::Sort(column) => {
                let is_number = source.head(column).class.contains("number");
                self.sort = Some(Sort::pressed(self.sort, column, is_number));
                self.hold(source, self.keys.is_some());
                true
            }
            Msg::Hover(holds) if holds == self.keys.is_some() => false,
            Msg::Hover(holds) => {
                let waited = self.waiting > 0;
                self.hold(source, holds);
                waited
            }
            Msg::Key(event) => {
                let is_meant = self.on_key(source, &event);
                if is_meant {
                    event.prevent_default();
                }
                is_meant
            }
            Msg::Cell(key, column) => {
                self.active = Some((key, column));
                true
            }
        }
    }

    fn rendered(&mut self, ctx: &Context<Self>, is_first: bool) {
        // The height is known only now; and fewer rows than before may have moved the scroller.
        if self.measure() || is_first {
            ctx.link().send_message(Msg::Scrolled);
        }
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let props = ctx.props();
        let source = props.source.clone();
        let order = self.order.clone();
        let copied = Callback::from(move |()| csv(&*source, &order));
        let link = ctx.link();
        let active = self.active.and_then(|(key, column)| {
            let is_there = self.order.iter().any(|row| props.source.key(*row) == key);
            is_there.then(|| format!("{}-{key}-{column}", props.id))
        });
        html! {
            <div class="vt-frame">
                <div class="vt" ref={&self.scroller}
                    onscroll={link.callback(|_| Msg::Scrolled)}
                    onpointerenter={link.callback(|_| Msg::Hover(true))}
                    onpointerleave={link.callback(|_| Msg::Hover(false))}>
                    <table role="grid" tabindex="0" aria-label={&props.label}
                        aria-activedescendant={active} onkeydown={link.callback(Msg::Key)}
                        aria-rowcount={(props.source.len() + 1).to_string()}
                        aria-colcount={props.source.columns().to_string()}>
                        { self.view_head(ctx) }
                        { self.view_body(ctx) }
                    </table>
                </div>
                if self.order.is_empty() {
                    <p class="empty">{ &props.when_empty }</p>
                }
                <p class="vt-foot">
                    <span>{ counted(self.order.len() as u64, "row", "rows") }</span>
                    if props.source.len() > SORTED_ROWS_MAX {
                        <span>
                            { format!("not sorted: more than {}", grouped(SORTED_ROWS_MAX as u64)) }
                        </span>
                    }
                    if self.waiting > 0 {
                        <span>
                            { format!("order paused while you point: {} pending",
                                counted(self.waiting as u64, "update", "updates")) }
                        </span>
                    }
                    <CopyButton label="copy as CSV" text={copied} />
                </p>
            </div>
        }
    }
}

impl Table {
    fn view_head(&self, ctx: &Context<Self>) -> Html {
        let source = &ctx.props().source;
        let columns = 0..source.columns();
        let can_sort = source.len() <= SORTED_ROWS_MAX;
        html! {
            <>
                <colgroup>
                    { for columns.clone().map(|column| html! {
                        <col key={column} class={source.head(column).class} />
                    }) }
                </colgroup>
                <thead>
                    <tr aria-rowindex="1">
                        { for columns.map(|column| self.view_head_cell(ctx, column, can_sort)) }
                    </tr>
                </thead>
            </>
        }
    }

    fn view_head_cell(&self, ctx: &Context<Self>, column: usize, can_sort: bool) -> Html {
        let Head { title, hint, class, is_sortable } = ctx.props().source.head(column);
        let sort = self.sort.filter(|sort| sort.column == column && can_sort);
        let (direction, arrow) = match sort.map(|sort| sort.is_descending) {
            Some(true) => ("descending", " ↓"),
            Some(false) => ("ascending", " ↑"),
            None => ("none", ""),
        };
        let hint = (!hint.is_empty()).then_some(hint);
        html! {
            <th key={column} scope="col" {class} title={hint}
                aria-sort={is_sortable.then_some(direction)}>
                if is_sortable && can_sort {
                    <button type="button"
                        onclick={ctx.link().callback(move |_| Msg::Sort(column))}>
                        { title }<span class="arrow" aria-hidden="true">{ arrow }</span>
                    </button>
                } else {
                    { title }
                }
            </th>
        }
    }

    fn view_body(&self, ctx: &Context<Self>) -> Html {
        let drawn = drawn(self.scroll_px, self.height_px, self.order.len());
        let above = drawn.start as f64 * ROW_PX;
        let below = (self.order.len() - drawn.end) as f64 * ROW_PX;
        html! {
            <tbody>
                { spacer("above", above) }
                { for drawn.map(|place| self.view_row(ctx, place)) }
                { spacer("below", below) }
            </tbody>
        }
    }

    fn view_row(&self, ctx: &Context<Self>, place: usize) -> Html {
        let props = ctx.props();
        let source = &props.source;
        let row = self.order[place];
        let key = source.key(row);
        let active = self.active.filter(|(active, _)| *active == key).map(|(_, column)| column);
        html! {
            <tr {key} class={source.class(row)} aria-rowindex={(place + 2).to_string()}>
                { for (0..source.columns()).map(|column| {
                    let is_active = active == Some(column);
                    let id = is_active.then(|| format!("{}-{key}-{column}", props.id));
                    let class = classes!(source.head(column).class, is_active.then_some("active"));
                    let onclick = ctx.link().callback(move |_| Msg::Cell(key, column));
                    match column {
                        0 => html! {
                            <th key={column} scope="row" {id} {class} {onclick}>
                                { source.cell(row, column) }
                            </th>
                        },
                        _ => html! {
                            <td key={column} {id} {class} {onclick}>{ source.cell(row, column) }</td>
                        },
                    }
                }) }
            </tr>
        }
    }
}

/// Stands in the place of rows that are not drawn. It has one cell, however many columns there are:
/// a narrow page shows fewer of them.
fn spacer(name: &'static str, height_px: f64) -> Html {
    html! {
        <tr key={name} class="space" aria-hidden="true">
            <td height={height_px.to_string()}></td>
        </tr>
    }
}
