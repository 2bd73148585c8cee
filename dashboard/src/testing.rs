//! Draws components on the host, as text that tests read and as files that people look at.
//!
//! With the environment variable `PARTITA_PAGES` set to a folder, every page that a test draws is
//! written there twice, light and dark, beside the style sheets.

use crate::components::app::shell;
use crate::components::parts::Place;
use crate::live::Live;
use crate::route::Route;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use yew::prelude::*;
use yew::virtual_dom::VNode;

/// The folder that pages are written to.
const FOLDER_VARIABLE: &str = "PARTITA_PAGES";

/// Turns of the loop that waits for a drawing: nothing is ever waited for, so a few are enough.
const POLLS_MAX: usize = 1_000;

#[derive(PartialEq, Properties)]
struct ContentProps {
    content: VNode,
}

#[component]
fn Content(props: &ContentProps) -> Html {
    props.content.clone()
}

/// Some content as HTML.
pub fn draw(content: Html) -> String {
    let renderer = yew::LocalServerRenderer::<Content>::with_props(ContentProps { content });
    let mut drawing = pin!(renderer.hydratable(false).render());
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..POLLS_MAX {
        if let Poll::Ready(html) = drawing.as_mut().poll(&mut context) {
            return html;
        }
    }
    panic!("the drawing waits for something that never comes");
}

/// A whole page as HTML, with its header and frame. It is also written to a file of this name, if
/// there is a folder for it.
pub fn draw_page(name: &str, live: &Live, route: &Route) -> String {
    draw_panel(name, live, route, None)
}

/// The same, with only one of its panels.
pub fn draw_panel(name: &str, live: &Live, route: &Route, alone: Option<&'static str>) -> String {
    let place = Place { page: route.clone(), alone: alone.map(AttrValue::Static) };
    draw_named(name, shell(live, &place, false, false, Callback::noop()))
}

/// Some content as HTML. It is also written to a file of this name, if there is a folder for it.
pub fn draw_named(name: &str, content: Html) -> String {
    let html = draw(content);
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        let folder = Path::new(&folder);
        for theme in ["light", "dark"] {
            write(folder, &format!("{name}-{theme}.html"), &document(theme, &html));
        }
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
        for sheet in ["style.css", "charts.css"] {
            let css = std::fs::read_to_string(sources.join(sheet)).expect("a style sheet");
            write(folder, sheet, &css);
        }
    }
    html
}

fn document(theme: &str, html: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\" data-theme=\"{theme}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'self' file:\">\
         <link rel=\"stylesheet\" href=\"style.css\"><link rel=\"stylesheet\" href=\"charts.css\">\
         </head><body>{html}</body></html>"
    )
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::create_dir_all(folder).expect("the folder for pages");
    std::fs::write(folder.join(name), text).expect("a page");
}

/// What stands in HTML as text: tags are taken out, and runs of white space (narrow ones too) are
/// one space.
pub fn text_of(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut in_tag = false;
    for character in html.chars() {
        match character {
            '<' => (in_tag, _) = (true, text.push(' ')),
            '>' => in_tag = false,
            _ if in_tag => {}
            _ => text.push(character),
        }
    }
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#x27;", "'")
        .replace("&amp;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Fails unless all of these stand in the page.
pub fn assert_shows(html: &str, wanted: &[&str]) {
    let text = text_of(html);
    for one in wanted {
        assert!(text.contains(one), "`{one}` is not in the page:\n{text}");
    }
}

/// Fails if one of these stands in the page.
pub fn assert_hides(html: &str, unwanted: &[&str]) {
    let text = text_of(html);
    for one in unwanted {
        assert!(!text.contains(one), "`{one}` is in the page:\n{text}");
    }
}
