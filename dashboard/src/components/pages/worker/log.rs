//! The last lines of a log.

use crate::components::parts::Same;
use partita_observe::view::WorkerView;
use web_sys::Element;
use yew::prelude::*;

/// Nearer to the end than this, the log is read at its end, in pixels.
const END_PX: i32 = 24;

/// What is shown.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The worker's page, which has the log in it.
    pub lines: Option<Same<WorkerView>>,
}

/// What the log reacts to.
pub enum Msg {
    /// It was scrolled.
    Scrolled,
    /// To the end.
    ToEnd,
}

/// The last lines of a log. It stays at its end as lines come, unless someone scrolled up to read.
pub struct LogTail {
    node: NodeRef,
    is_at_end: bool,
}

impl LogTail {
    fn go_to_end(&self) {
        if let Some(log) = self.node.cast::<Element>() {
            log.set_scroll_top(log.scroll_height());
        }
    }
}

impl Component for LogTail {
    type Message = Msg;
    type Properties = Props;

    fn create(_ctx: &Context<Self>) -> Self {
        LogTail { node: NodeRef::default(), is_at_end: true }
    }

    fn update(&mut self, _ctx: &Context<Self>, msg: Msg) -> bool {
        let before = self.is_at_end;
        match msg {
            Msg::Scrolled => {
                if let Some(log) = self.node.cast::<Element>() {
                    let below = log.scroll_height() - log.scroll_top() - log.client_height();
                    self.is_at_end = below < END_PX;
                }
            }
            Msg::ToEnd => {
                self.is_at_end = true;
                self.go_to_end();
            }
        }
        before != self.is_at_end
    }

    fn rendered(&mut self, _ctx: &Context<Self>, _is_first: bool) {
        if self.is_at_end {
            self.go_to_end();
        }
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let lines = ctx.props().lines.as_ref().map(|page| page.log.join("\n")).unwrap_or_default();
        let link = ctx.link();
        html! {
            <div class="log-frame">
                <pre class="log" ref={&self.node} tabindex="0" role="group" aria-label="Log"
                    onscroll={link.callback(|_| Msg::Scrolled)}>{ lines }</pre>
                if !self.is_at_end {
                    <button type="button" class="to-end" onclick={link.callback(|_| Msg::ToEnd)}>
                        { "↓ follow the end" }
                    </button>
                }
            </div>
        }
    }
}
