//! The few things that drawing asks of the browser: colours, sizes, hatches, and when to draw.
//!
//! On the host, where tests draw pages, there is no canvas: everything here then gives nothing.

use super::heat_cells::LEVELS;
use super::shapes::Rect;
use crate::browser::{document, window};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    CanvasPattern, CanvasRenderingContext2d, CssStyleDeclaration, HtmlCanvasElement, HtmlElement,
    ResizeObserver,
};
use yew::{Callback, NodeRef};

/// Maximum device pixel ratio that drawings use.
const RATIO_MAX: f64 = 3.0;
/// The side of a hatch's tile, in pixels.
const TILE_PX: f64 = 6.0;

/// What the local clock is ahead of UTC at a moment, in minutes. Summer has another one than winter.
pub fn clock_offset_min(at_ms: u64) -> i32 {
    if cfg!(target_arch = "wasm32") {
        -(js_sys::Date::new(&JsValue::from_f64(at_ms as f64)).get_timezone_offset() as i32)
    } else {
        0
    }
}

/// The element behind a reference.
pub fn element(node: &NodeRef) -> Option<HtmlElement> {
    node.cast::<HtmlElement>()
}

/// Sets a property of an element's style. The page's policy forbids style attributes, not this.
pub fn set_style(node: &NodeRef, name: &str, value: &str) {
    if let Some(element) = element(node) {
        let _ = element.style().set_property(name, value);
    }
}

/// The colours of the page's theme.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Theme {
    /// What all stands on.
    pub surface: String,
    /// What is a little raised.
    pub raised: String,
    /// Lines.
    pub border: String,
    /// Text.
    pub text: String,
    /// Text of less weight.
    pub muted: String,
    /// What one can act on.
    pub accent: String,
    /// Grey of marks.
    pub grey: String,
    /// What failed.
    pub failed: String,
    /// What is well.
    pub done: String,
    /// The ramp of magnitudes.
    pub ramp: [String; LEVELS],
    /// Fonts.
    pub font: String,
}

/// The style of the root, in which the theme's colours are.
fn root_style() -> Option<CssStyleDeclaration> {
    let root = document()?.document_element()?;
    window()?.get_computed_style(&root).ok()?
}

impl Theme {
    /// Those of now.
    pub fn read() -> Option<Theme> {
        let style = root_style()?;
        let body = window()?.get_computed_style(document()?.body()?.as_ref()).ok()??;
        let get =
            |name: &str| style.get_property_value(name).unwrap_or_default().trim().to_string();
        Some(Theme {
            surface: get("--surface"),
            raised: get("--raised"),
            border: get("--border"),
            text: get("--text"),
            muted: get("--muted"),
            accent: get("--accent"),
            grey: get("--waiting"),
            failed: get("--failed"),
            done: get("--done"),
            ramp: std::array::from_fn(|level| get(&format!("--h{level}"))),
            font: body.get_property_value("font-family").unwrap_or_default(),
        })
    }
}

/// Colours and hatches, made once for a theme and a screen.
pub struct Inks {
    /// The colours.
    pub theme: Theme,
    /// Pixels of the screen in one of the page's.
    pub ratio: f64,
    /// Waiting for other workers.
    pub diagonal: Option<CanvasPattern>,
    /// Waiting for the disk.
    pub horizontal: Option<CanvasPattern>,
    /// What failed.
    pub cross: Option<CanvasPattern>,
    /// What nobody saw.
    pub gap: Option<CanvasPattern>,
}

impl Inks {
    /// Whether the theme is another one by now. Its colour of surfaces tells them apart, whoever
    /// switched it: the user here, or the system at dusk.
    pub fn are_old(inks: &Option<Inks>) -> bool {
        let Some(inks) = inks else { return false };
        let surface = root_style().and_then(|style| style.get_property_value("--surface").ok());
        surface.is_some_and(|surface| surface.trim() != inks.theme.surface)
    }

    /// Those of now.
    pub fn make() -> Option<Inks> {
        let theme = Theme::read()?;
        let ratio = window()?.device_pixel_ratio().clamp(1.0, RATIO_MAX);
        let corner = TILE_PX;
        let diagonal = [(0.0, corner, corner, 0.0), (-1.0, 1.0, 1.0, -1.0), (5.0, 7.0, 7.0, 5.0)];
        let back = [(0.0, 0.0, corner, corner), (-1.0, 5.0, 1.0, 7.0), (5.0, -1.0, 7.0, 1.0)];
        let cross: Vec<_> = diagonal.into_iter().chain(back).collect();
        let lines = [(0.0, 1.5, corner, 1.5), (0.0, 4.5, corner, 4.5)];
        Some(Inks {
            diagonal: hatch(&theme.raised, &theme.muted, &diagonal, ratio),
            horizontal: hatch(&theme.raised, &theme.muted, &lines, ratio),
            cross: hatch(&theme.surface, &theme.failed, &cross, ratio),
            gap: hatch(&theme.surface, &theme.border, &back, ratio),
            theme,
            ratio,
        })
    }
}

/// A hatch of lines (x, y, x, y) that repeat every [`TILE_PX`].
fn hatch(
    ground: &str,
    ink: &str,
    lines: &[(f64, f64, f64, f64)],
    ratio: f64,
) -> Option<CanvasPattern> {
    let side = TILE_PX * ratio;
    let tile: HtmlCanvasElement = document()?.create_element("canvas").ok()?.unchecked_into();
    tile.set_width(side.round() as u32);
    tile.set_height(side.round() as u32);
    let context = context_of(&tile)?;
    // Whole pixels of the screen, or seams would be seen.
    let scale = side.round() / TILE_PX;
    let _ = context.set_transform(scale, 0.0, 0.0, scale, 0.0, 0.0);
    context.set_fill_style_str(ground);
    context.fill_rect(0.0, 0.0, TILE_PX, TILE_PX);
    context.set_stroke_style_str(ink);
    context.set_line_width(1.0);
    context.begin_path();
    for (x1, y1, x2, y2) in lines {
        context.move_to(*x1, *y1);
        context.line_to(*x2, *y2);
    }
    context.stroke();
    context.create_pattern_with_html_canvas_element(&tile, "repeat").ok()?
}

/// What the page makes itself need not be asked what it is: each such question is some code.
fn context_of(canvas: &HtmlCanvasElement) -> Option<CanvasRenderingContext2d> {
    Some(canvas.get_context("2d").ok()??.unchecked_into())
}

/// Draws a cross, a triangle or, for all other signs, a ring into the middle of a cell.
pub fn sign_at(context: &CanvasRenderingContext2d, ink: &str, sign: &str, cell: &Rect) {
    let (x, y, reach) = (cell.x + cell.w / 2.0, cell.y + cell.h / 2.0, cell.w * 0.25);
    let lines: &[(f64, f64)] = match sign.chars().next() {
        Some('✖') => &[(-1.0, -1.0), (1.0, 1.0), (0.0, 0.0), (1.0, -1.0), (-1.0, 1.0)],
        Some('▲') => &[(0.0, -1.0), (1.0, 1.0), (-1.0, 1.0), (0.0, -1.0)],
        _ => &[],
    };
    context.begin_path();
    for (across, down) in lines {
        // The first one only moves there.
        context.line_to(x + across * reach, y + down * reach);
    }
    if lines.is_empty() {
        let _ = context.arc(x, y, reach, 0.0, std::f64::consts::TAU);
    }
    context.set_stroke_style_str(ink);
    context.set_line_width(2.0);
    context.stroke();
    context.set_line_width(1.0);
}

/// An empty canvas of a size in the page's pixels, sharp on any screen.
pub fn prepare(node: &NodeRef, size: (f64, f64), ratio: f64) -> Option<CanvasRenderingContext2d> {
    let canvas: HtmlCanvasElement = node.get()?.unchecked_into();
    let (width, height) = ((size.0 * ratio).round() as u32, (size.1 * ratio).round() as u32);
    if canvas.width() != width || canvas.height() != height {
        canvas.set_width(width);
        canvas.set_height(height);
        let _ = canvas.style().set_property("width", &format!("{}px", size.0 as u32));
        let _ = canvas.style().set_property("height", &format!("{}px", size.1 as u32));
    }
    let context = context_of(&canvas)?;
    let _ = context.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
    context.clear_rect(0.0, 0.0, size.0, size.1);
    Some(context)
}

/// Fills rectangles with a colour.
pub fn fill(context: &CanvasRenderingContext2d, ink: &str, rects: &[Rect]) {
    if rects.is_empty() {
        return;
    }
    context.set_fill_style_str(ink);
    rects.iter().for_each(|rect| context.fill_rect(rect.x, rect.y, rect.w, rect.h));
}

/// Fills rectangles with a hatch, whose lines are sharp on any screen: it is in the screen's pixels.
pub fn fill_hatch(
    context: &CanvasRenderingContext2d,
    ink: Option<&CanvasPattern>,
    ratio: f64,
    rects: &[Rect],
) {
    let Some(ink) = ink.filter(|_| !rects.is_empty()) else { return };
    context.set_fill_style_canvas_pattern(ink);
    let _ = context.set_transform(1.0, 0.0, 0.0, 1.0, 0.0, 0.0);
    for rect in rects {
        context.fill_rect(rect.x * ratio, rect.y * ratio, rect.w * ratio, rect.h * ratio);
    }
    let _ = context.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
}

/// Edges rectangles with a line inside of them.
pub fn edge(context: &CanvasRenderingContext2d, ink: &str, rects: &[Rect]) {
    if rects.is_empty() {
        return;
    }
    context.set_stroke_style_str(ink);
    context.set_line_width(1.0);
    context.begin_path();
    for rect in rects {
        context.rect(rect.x + 0.5, rect.y + 0.5, (rect.w - 1.0).max(0.0), (rect.h - 1.0).max(0.0));
    }
    context.stroke();
}

/// A straight line.
pub fn line(context: &CanvasRenderingContext2d, from: (f64, f64), to: (f64, f64)) {
    context.begin_path();
    context.move_to(from.0, from.1);
    context.line_to(to.0, to.1);
    context.stroke();
}

/// Draws a text, not wider than `width` pixels.
pub fn text(context: &CanvasRenderingContext2d, text: &str, x: f64, y: f64, width: f64) {
    let _ = context.fill_text_with_max_width(text, x, y, width);
}

/// A text, shortened to fit into `width_px` pixels. Letters of one font are taken as of one width:
/// measuring each name on every frame would cost more than a name that ends a letter early.
pub fn fitting(text: &str, width_px: f64) -> String {
    /// The width of a letter of 11 pixels' height, in pixels.
    const LETTER_PX: f64 = 6.2;
    crate::format::middle(text, (width_px / LETTER_PX).max(1.0) as usize)
}

/// Tells when the size of an element changed.
pub struct SizeWatch {
    observer: ResizeObserver,
    _closure: Closure<dyn FnMut()>,
}

impl SizeWatch {
    /// Watches an element. `on_size` is called from then on.
    pub fn new(node: &NodeRef, on_size: Callback<()>) -> Option<SizeWatch> {
        let element = element(node)?;
        let closure = Closure::<dyn FnMut()>::new(move || on_size.emit(()));
        let observer = ResizeObserver::new(closure.as_ref().unchecked_ref()).ok()?;
        observer.observe(&element);
        Some(SizeWatch { observer, _closure: closure })
    }
}

impl Drop for SizeWatch {
    fn drop(&mut self) {
        self.observer.disconnect();
    }
}
