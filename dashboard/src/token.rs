//! Where the token comes from and where it stays.
//!
//! It comes in the address's fragment (`#token=…`), which a browser never sends to a server, so no
//! proxy's log has it. The page takes it from there at once: it stays in the storage of this tab,
//! and neither the address bar nor the history shows it.

use crate::browser;

/// The name in the fragment.
const FRAGMENT_KEY: &str = "token";

/// The stored name ends with the page's own folder: two clusters behind one proxy have one origin.
fn storage_key() -> String {
    format!("partita-token:{}", browser::base_folder().unwrap_or_default())
}

/// Takes the token out of a fragment. Gives it and the fragment that is left.
fn split_fragment(fragment: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = fragment.trim_start_matches('#').split('&').collect();
    let found = parts
        .iter()
        .find_map(|part| part.split_once('=').filter(|(key, _)| *key == FRAGMENT_KEY))
        .map(|(_, value)| value.trim().to_string())
        .filter(|value| !value.is_empty())?;
    let rest: Vec<&str> = parts
        .into_iter()
        .filter(|part| part.split_once('=').is_none_or(|(key, _)| key != FRAGMENT_KEY))
        .collect();
    let rest = rest.join("&");
    Some((found, if rest.is_empty() { rest } else { format!("#{rest}") }))
}

/// Moves the token from the address into the tab's storage, if there is one in the address.
pub fn take_from_address() -> Option<String> {
    let (token, rest) = split_fragment(&browser::fragment())?;
    store(&token);
    browser::replace_fragment(if rest.is_empty() { "#/" } else { &rest });
    Some(token)
}

/// The token that this tab already has.
pub fn stored() -> Option<String> {
    browser::session_storage()?.get_item(&storage_key()).ok()?
}

/// Keeps the token until the tab is closed. Without storage (some private windows) it lives as
/// long as the page.
pub fn store(token: &str) {
    if let Some(storage) = browser::session_storage() {
        let _ = storage.set_item(&storage_key(), token);
    }
}

/// Forgets the token.
pub fn forget() {
    if let Some(storage) = browser::session_storage() {
        let _ = storage.remove_item(&storage_key());
    }
}

#[cfg(test)]
mod tests {
    use super::split_fragment;

    fn split(fragment: &str) -> Option<(String, String)> {
        split_fragment(fragment)
    }

    /// The token is found wherever it stands, and nothing of it is left in the address.
    #[test]
    fn the_token_leaves_the_fragment() {
        assert_eq!(split("#token=abc"), Some(("abc".into(), String::new())));
        assert_eq!(split("#/jobs&token=a-b_c"), Some(("a-b_c".into(), "#/jobs".into())));
        assert_eq!(split("#token=abc&token=def&x=1"), Some(("abc".into(), "#x=1".into())));
        for none in ["", "#", "#token=", "#/workers", "#tokens=abc"] {
            assert_eq!(split(none), None, "{none}");
        }
    }
}
