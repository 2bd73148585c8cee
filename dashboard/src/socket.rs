//! The one WebSocket of the page.
//!
//! The page sends the token as the first text frame. From then on binary frames go both ways:
//! [`FromPage`] and [`ToPage`] as postcard.

use crate::browser;
use crate::source::{Source, SourceEvent};
use gloo_events::EventListener;
use partita_observe::frame::{FromPage, ToPage};
use partita_shared::wire;
use wasm_bindgen::JsCast;
use web_sys::{BinaryType, CloseEvent, MessageEvent, WebSocket};
use yew::Callback;

/// The address, relative to the page's own.
const PATH: &str = "ws/dashboard";

/// The scheduler closes with this code when it refuses the token.
pub const CLOSE_CODE_REFUSED: u16 = 4401;

/// The scheduler closes with this code when too many pages are open.
pub const CLOSE_CODE_FULL: u16 = 4429;

/// An open socket. Dropping it closes it, and none of its events come after that.
pub struct Socket {
    socket: WebSocket,
    _listeners: [EventListener; 3],
}

impl Socket {
    /// Begins a connection. Events come to `on_event` from then on. Gives nothing if the page's
    /// own address is unknown or the browser forbids it.
    pub fn open(token: String, on_event: Callback<SourceEvent>) -> Option<Self> {
        let socket = WebSocket::new(&address()?).ok()?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let opened = {
            let socket = socket.clone();
            EventListener::new(&socket.clone(), "open", move |_| {
                // If it is closed by now, its close event says so.
                let _ = socket.send_with_str(&token);
            })
        };
        let message = {
            let on_event = on_event.clone();
            EventListener::new(&socket, "message", move |event| {
                on_event.emit(read(event.unchecked_ref()));
            })
        };
        let closed = EventListener::new(&socket, "close", move |event| {
            let event: &CloseEvent = event.unchecked_ref();
            on_event.emit(SourceEvent::Closed { code: event.code() });
        });
        Some(Self { socket, _listeners: [opened, message, closed] })
    }
}

impl Source for Socket {
    fn send(&self, message: &FromPage) {
        if let Ok(bytes) = wire::encode(message) {
            let _ = self.socket.send_with_u8_array(&bytes);
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = self.socket.close();
    }
}

/// `ws://` or `wss://` below the page's own address, whatever prefix a proxy put before it.
fn address() -> Option<String> {
    let folder = browser::base_folder()?;
    let (_, rest) = folder.split_once("http")?;
    Some(format!("ws{rest}{PATH}"))
}

fn read(message: &MessageEvent) -> SourceEvent {
    let Ok(buffer) = message.data().dyn_into::<js_sys::ArrayBuffer>() else {
        return SourceEvent::Unreadable;
    };
    let bytes = js_sys::Uint8Array::new(&buffer).to_vec();
    match wire::decode::<ToPage>(&bytes) {
        Ok(message) => SourceEvent::Message(Box::new(message), bytes.len()),
        Err(_) => SourceEvent::Unreadable,
    }
}
