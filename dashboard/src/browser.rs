//! The few things that the page asks of the browser.
//!
//! On the host, where tests draw components, there is no browser: everything here then returns
//! nothing.

use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{
    BroadcastChannel, Document, Element, Event, HtmlElement, HtmlInputElement, HtmlTextAreaElement,
    Location, Storage, VisibilityState, Window,
};

/// The window, if there is one.
pub fn window() -> Option<Window> {
    if cfg!(target_arch = "wasm32") { web_sys::window() } else { None }
}

/// The width and height of the window, in pixels.
pub fn window_size() -> (f64, f64) {
    let size = || {
        let window = window()?;
        Some((window.inner_width().ok()?.as_f64()?, window.inner_height().ok()?.as_f64()?))
    };
    size().unwrap_or_default()
}

/// The document, if there is one.
pub fn document() -> Option<Document> {
    window()?.document()
}

/// Milliseconds since the page was opened, on a clock that never steps back.
pub fn monotonic_ms() -> f64 {
    window().and_then(|window| window.performance()).map_or(0.0, |clock| clock.now())
}

/// Whether the tab is in the background.
pub fn is_hidden() -> bool {
    document().is_some_and(|document| document.visibility_state() == VisibilityState::Hidden)
}

/// Whether the page is in a frame, as a panel in a notebook is.
pub fn is_framed() -> bool {
    window().is_some_and(|window| window.top().ok().flatten().is_some_and(|top| top != window))
}

/// Sets the title of the tab.
pub fn set_title(title: &str) {
    if let Some(document) = document() {
        document.set_title(title);
    }
}

/// The folder in which the page lies, with its last slash: its own addresses are relative to it, so
/// that it works below any path prefix.
pub fn base_folder() -> Option<String> {
    document()?.base_uri().ok()?.map(|address| folder_of(&address).to_string())
}

/// The address up to the last slash of its path.
fn folder_of(address: &str) -> &str {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    path.rfind('/').map_or(path, |last| &path[..=last])
}

/// The address bar.
pub fn location() -> Option<Location> {
    Some(window()?.location())
}

/// The fragment of the address, with its `#`.
pub fn fragment() -> String {
    location().and_then(|location| location.hash().ok()).unwrap_or_default()
}

/// Goes to another page of this page. An event tells of it, as when a link is followed.
pub fn go_to_fragment(fragment: &str) {
    if let Some(location) = location() {
        let _ = location.set_hash(fragment);
    }
}

/// The storage that ends with the tab.
pub fn session_storage() -> Option<Storage> {
    window()?.session_storage().ok()?
}

/// The storage that stays.
pub fn local_storage() -> Option<Storage> {
    window()?.local_storage().ok()?
}

/// A channel to the other tabs that show this page, if the browser has such.
pub fn channel(name: &str) -> Option<BroadcastChannel> {
    window()?;
    BroadcastChannel::new(name).ok()
}

/// A number that other pages do not know.
pub fn nonce() -> String {
    if cfg!(target_arch = "wasm32") {
        js_sys::Math::random().to_bits().to_string()
    } else {
        String::new()
    }
}

/// Replaces the address's fragment without an entry in the history.
pub fn replace_fragment(fragment: &str) {
    let history = window().and_then(|window| window.history().ok());
    if let Some(history) = history {
        // A refusal (a sandboxed frame) leaves the address as it is, which is all that can be done.
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(fragment));
    }
}

/// Loads the page anew.
pub fn reload() {
    if let Some(location) = location() {
        let _ = location.reload();
    }
}

/// Calls back once, before the browser draws next. A tab that is not seen draws nothing.
pub fn on_next_frame(callback: impl FnOnce() + 'static) {
    if let Some(window) = window() {
        let closure = Closure::once_into_js(callback);
        let _ = window.request_animation_frame(closure.unchecked_ref());
    }
}

/// The element that a selector finds first.
pub fn find(selector: &str) -> Option<Element> {
    document()?.query_selector(selector).ok()?
}

/// Moves the keyboard's focus to the element that a selector finds first. Returns whether there is one.
pub fn focus(selector: &str) -> bool {
    let found = find(selector);
    if let Some(element) = &found {
        let _ = element.unchecked_ref::<HtmlElement>().focus();
    }
    found.is_some()
}

/// Scrolls the page to its top.
pub fn scroll_to_top() {
    if let Some(window) = window() {
        window.scroll_to_with_x_and_y(0.0, 0.0);
    }
}

/// Sets an attribute of the document's root, or takes it away.
pub fn set_root_attribute(name: &str, value: Option<&str>) {
    if let Some(root) = document().and_then(|document| document.document_element()) {
        let _ = match value {
            Some(value) => root.set_attribute(name, value),
            None => root.remove_attribute(name),
        };
    }
}

/// Puts a text into the clipboard, as of old: by selecting it in a field. The clipboard's own
/// interface is there only on `https` and `localhost`, and a tunnel often ends elsewhere.
pub fn copy(text: &str) {
    let _ = copy_by_selection(text);
}

fn copy_by_selection(text: &str) -> Option<()> {
    let document = document()?;
    let field = document.create_element("textarea").ok()?;
    let field: HtmlTextAreaElement = field.unchecked_into();
    field.set_class_name("offscreen");
    field.set_value(text);
    document.body()?.append_child(&field).ok()?;
    field.select();
    let document: web_sys::HtmlDocument = document.unchecked_into();
    let _ = document.exec_command("copy");
    field.remove();
    Some(())
}

/// The value of the field or list that an event came from.
pub fn value_of(event: &Event) -> Option<String> {
    // All of them have a `value`: asking by the type of one spares the glue of the others.
    let target: HtmlInputElement = event.target()?.unchecked_into();
    Some(target.value())
}

/// A moment in the browser's own time zone, which it names: `2026-11-28 09:42:00 UTC+01:00`. `ms` is
/// milliseconds since the epoch.
pub fn date_and_zone(ms: u64) -> String {
    if !cfg!(target_arch = "wasm32") {
        return format!("{} UTC", clock_time_utc(ms));
    }
    // A double holds milliseconds exactly for the next quarter of a million years.
    let date = |ms: f64| js_sys::Date::new(&JsValue::from_f64(ms));
    let west_min = date(ms as f64).get_timezone_offset() as i64;
    let local = String::from(date(ms as f64 - west_min as f64 * 60_000.0).to_iso_string());
    let day = local.get(..10).unwrap_or_default();
    let (sign, minutes) = if west_min > 0 { ('-', west_min) } else { ('+', -west_min) };
    let zone = match minutes {
        0 => String::new(),
        _ => format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60),
    };
    format!("{day} {} UTC{zone}", clock_time(ms))
}

/// The time of day in the browser's own time zone: `14:03:27`.
pub fn clock_time(ms: u64) -> String {
    if !cfg!(target_arch = "wasm32") {
        return clock_time_utc(ms);
    }
    let minutes = js_sys::Date::new(&JsValue::from_f64(ms as f64)).get_timezone_offset();
    let west_ms = (minutes * 60_000.0) as i64;
    clock_time_utc(ms.saturating_add_signed(west_ms.saturating_neg()))
}

fn clock_time_utc(ms: u64) -> String {
    let seconds = ms / 1_000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::folder_of;

    /// The page is found under its folder or by its name, with whatever follows.
    #[test]
    fn the_folder_is_what_ends_with_a_slash() {
        assert_eq!(folder_of("http://h:1/"), "http://h:1/");
        assert_eq!(
            folder_of("https://h/user/x/proxy/8787/#/jobs/7"),
            "https://h/user/x/proxy/8787/"
        );
        assert_eq!(folder_of("http://h/p/index.html?a=/b/#/c"), "http://h/p/");
    }
}
