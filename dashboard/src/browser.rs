//! The few things that the page asks of the browser.

use web_sys::{Document, Location, Storage, VisibilityState, Window};

fn window() -> Option<Window> {
    web_sys::window()
}

fn document() -> Option<Document> {
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

/// Sets the title of the tab.
pub fn set_title(title: &str) {
    if let Some(document) = document()
        && document.title() != title
    {
        document.set_title(title);
    }
}

/// The address against which the page's own addresses are resolved, so that it works below any
/// path prefix.
pub fn base_uri() -> Option<String> {
    document()?.base_uri().ok()?
}

/// The address bar.
pub fn location() -> Option<Location> {
    Some(window()?.location())
}

/// The storage that ends with the tab.
pub fn session_storage() -> Option<Storage> {
    window()?.session_storage().ok()?
}

/// Replaces the address without loading it and without an entry in the history.
pub fn replace_address(address: &str) {
    let history = window().and_then(|window| window.history().ok());
    if let Some(history) = history {
        // A refusal (a sandboxed frame) leaves the address as it is, which is all that can be done.
        let _ = history.replace_state_with_url(&wasm_bindgen::JsValue::NULL, "", Some(address));
    }
}

/// Loads the page anew.
pub fn reload() {
    if let Some(location) = location() {
        let _ = location.reload();
    }
}

/// A moment in the browser's own time zone, which it names. `ms` is milliseconds since the epoch.
pub fn date_and_zone(ms: u64) -> String {
    // A double holds milliseconds exactly for the next quarter of a million years.
    let date = js_sys::Date::new(&wasm_bindgen::JsValue::from_f64(ms as f64));
    date.to_string().into()
}
