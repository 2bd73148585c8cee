//! Where the token comes from and where it stays.
//!
//! It comes in the address's fragment (`#token=…`), which a browser never sends to a server, so no
//! proxy's log has it. The page takes it from there at once: it stays in the storage of this tab,
//! and neither the address bar nor the history shows it.

use crate::browser;
use gloo_events::EventListener;
use wasm_bindgen::JsCast;
use web_sys::{BroadcastChannel, MessageEvent};
use yew::Callback;

/// The names in the fragment. A ticket stands for the token once: panels in notebooks have one, since notebooks are
/// saved with their addresses.
const FRAGMENT_KEY: &str = "token";
const TICKET_KEY: &str = "ticket";

/// The stored name ends with the page's own folder: two clusters behind one proxy have one origin.
fn storage_key() -> String {
    format!("partita-token:{}", browser::base_folder().unwrap_or_default())
}

/// Takes the value of this name out of a fragment. Gives it and the fragment that is left.
fn split_fragment(fragment: &str, name: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = fragment.trim_start_matches('#').split('&').collect();
    let found = parts
        .iter()
        .find_map(|part| part.split_once('=').filter(|(key, _)| *key == name))
        .map(|(_, value)| value.trim().to_string())
        .filter(|value| !value.is_empty())?;
    let rest: Vec<&str> = parts
        .into_iter()
        .filter(|part| part.split_once('=').is_none_or(|(key, _)| key != name))
        .collect();
    let rest = rest.join("&");
    Some((found, if rest.is_empty() { rest } else { format!("#{rest}") }))
}

/// Moves the token from the address into the tab's storage, if there is one in the address.
pub fn take_from_address() -> Option<String> {
    let token = take(FRAGMENT_KEY)?;
    store(&token);
    Some(token)
}

/// Takes the ticket out of the address, if there is one.
pub fn take_ticket_from_address() -> Option<String> {
    take(TICKET_KEY)
}

fn take(name: &str) -> Option<String> {
    let (value, rest) = split_fragment(&browser::fragment(), name)?;
    browser::replace_fragment(if rest.is_empty() { "#/" } else { &rest });
    Some(value)
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

/// What a tab without a token asks the others.
const QUESTION: &str = "?";

/// How a tab tells that it has got a token: those that wait for one ask again.
const NEWS: &str = "!";

/// How a tab gives its token to another.
const ANSWER: &str = "=";

/// The tabs that show the same page share its token: a link that is opened in a new tab shows the
/// cluster at once. Only pages of the same origin that know the folder hear it, and only while a tab
/// that has the token is open. A tab takes only answers to its own question, so that none can give it
/// another token. Scripts of the same origin can ask too: they could as well open the page in a
/// frame and read it, so that an origin that is shared with others must not be trusted with a token.
pub struct Tabs {
    channel: BroadcastChannel,
    nonce: String,
    _listener: EventListener,
}

impl Tabs {
    /// Listens to the other tabs.
    pub fn open(on_say: Callback<Said>) -> Option<Self> {
        let channel = browser::channel(&storage_key())?;
        let nonce = browser::nonce();
        let own = nonce.clone();
        let listener = EventListener::new(&channel, "message", move |event| {
            let event: &MessageEvent = event.unchecked_ref();
            let text = event.data().as_string().unwrap_or_default();
            if let Some(said) = said(&text, &own) {
                on_say.emit(said);
            }
        });
        Some(Tabs { channel, nonce, _listener: listener })
    }

    /// Asks the others for the token.
    pub fn ask(&self) {
        self.say(&format!("{QUESTION}{}", self.nonce));
    }

    /// Gives the token to the one that asked with this nonce.
    pub fn tell(&self, nonce: &str, token: &str) {
        self.say(&format!("{ANSWER}{nonce}:{token}"));
    }

    /// Tells those that wait for a token that this tab has got one.
    pub fn announce(&self) {
        self.say(NEWS);
    }

    fn say(&self, text: &str) {
        let _ = self.channel.post_message(&text.into());
    }
}

/// What another tab said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It has no token, and asks with this nonce.
    Asks(String),
    /// It has got one.
    HasNews,
    /// It has this one.
    Has(String),
}

fn said(text: &str, own_nonce: &str) -> Option<Said> {
    if let Some(nonce) = text.strip_prefix(QUESTION) {
        return (!nonce.is_empty()).then(|| Said::Asks(nonce.into()));
    }
    if text == NEWS {
        return Some(Said::HasNews);
    }
    let (nonce, token) = text.strip_prefix(ANSWER)?.split_once(':')?;
    (nonce == own_nonce && !token.is_empty()).then(|| Said::Has(token.into()))
}

#[cfg(test)]
mod tests {
    use super::{FRAGMENT_KEY, Said, TICKET_KEY, said, split_fragment};

    fn split(fragment: &str) -> Option<(String, String)> {
        split_fragment(fragment, FRAGMENT_KEY)
    }

    /// A ticket is found beside the panel that it opens, and a token is not taken for a ticket.
    #[test]
    fn the_ticket_leaves_the_fragment() {
        let found = split_fragment("#/panel/timeline/timeline&ticket=ab", TICKET_KEY);
        assert_eq!(found, Some(("ab".into(), "#/panel/timeline/timeline".into())));
        assert_eq!(split_fragment("#token=ab", TICKET_KEY), None);
    }

    /// Tabs ask and answer; answers to others and whatever else is said in the channel are not heard.
    #[test]
    fn tabs_ask_and_answer() {
        assert_eq!(said("?7", "1"), Some(Said::Asks("7".into())));
        assert_eq!(said("!", "1"), Some(Said::HasNews));
        assert_eq!(said("=1:abc", "1"), Some(Said::Has("abc".into())));
        for text in ["=2:abc", "=abc", "=1:", "?", "", "abc"] {
            assert_eq!(said(text, "1"), None, "{text}");
        }
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
