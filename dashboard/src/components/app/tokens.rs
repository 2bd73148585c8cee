//! How the page gets its token: from the address, for a ticket, or from another tab.

use super::{App, Msg};
use crate::link::Link;
use crate::{api, token};
use yew::prelude::*;

impl App {
    pub(super) fn refuse(&mut self) {
        token::forget();
        self.token = None;
        self.refused = true;
        self.source = None;
        self.retry = None;
        self.link = Link::new(self.now_ms);
    }

    pub(super) fn take_token(&mut self, ctx: &Context<Self>, token: String) {
        self.refused = false;
        self.token = Some(token);
        self.link = Link::new(self.now_ms);
        self.connect(ctx);
        if let Some(tabs) = &self.tabs {
            tabs.announce();
        }
    }

    /// Asks for the token for a ticket, if there is one and this tab has no token.
    pub(super) fn redeem(&mut self, ctx: &Context<Self>, ticket: Option<String>) {
        let Some(ticket) = ticket.filter(|_| self.token.is_none()) else { return };
        self.is_redeeming = true;
        let redeemed = ctx.link().callback(Msg::Redeemed);
        wasm_bindgen_futures::spawn_local(async move {
            redeemed.emit(api::redeem(ticket).await);
        });
    }

    pub(super) fn on_redeemed(&mut self, ctx: &Context<Self>, token: Option<String>) -> bool {
        self.is_redeeming = false;
        if let (Some(token), None) = (token, &self.token) {
            token::store(&token);
            self.take_token(ctx, token);
        }
        true
    }

    /// A tab without a token asks for one; this tab takes one if it has none.
    pub(super) fn on_tab(&mut self, ctx: &Context<Self>, said: token::Said) -> bool {
        match (said, &self.token, &self.tabs) {
            (token::Said::Asks(nonce), Some(token), Some(tabs)) => tabs.tell(&nonce, token),
            (token::Said::HasNews, None, Some(tabs)) => tabs.ask(),
            (token::Said::Has(token), None, _) if !self.refused => {
                token::store(&token);
                self.take_token(ctx, token);
                return true;
            }
            _ => {}
        }
        false
    }
}
