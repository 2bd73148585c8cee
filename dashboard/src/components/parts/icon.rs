//! Signs, drawn: fonts of some machines lack them or draw them as coloured pictures.

use yew::prelude::*;

/// The outline of a sign in a square of 12, and whether it is filled.
fn outline(glyph: &str) -> (&'static str, bool) {
    match glyph.trim_end_matches('\u{fe0e}') {
        "○" => ("M10.2 6a4.2 4.2 0 1 1-8.4 0a4.2 4.2 0 1 1 8.4 0z", false),
        "●" => ("M10.5 6a4.5 4.5 0 1 1-9 0a4.5 4.5 0 1 1 9 0z", true),
        "◔" => ("M10.2 6a4.2 4.2 0 1 1-8.4 0a4.2 4.2 0 1 1 8.4 0zM6 1.8v4.2h4.2", false),
        "◐" => ("M10.2 6a4.2 4.2 0 1 1-8.4 0a4.2 4.2 0 1 1 8.4 0zM6 2v8M4 2.5v7M2.5 4v4", false),
        "◌" => (
            "M6 1.8a4.2 4.2 0 0 1 3 1.2M10.2 6a4.2 4.2 0 0 1-1.2 3M6 10.2a4.2 4.2 0 0 1-3-1.2M1.8 6a4.2 4.2 0 0 1 1.2-3",
            false,
        ),
        "⊘" => ("M10.2 6a4.2 4.2 0 1 1-8.4 0a4.2 4.2 0 1 1 8.4 0zM3 9l6-6", false),
        "▶" => ("M2.5 1.5l8 4.5-8 4.5z", true),
        "✔" => ("M1.5 6.5l3 3L10.5 2.5", false),
        "✖" => ("M2 2l8 8M10 2l-8 8", false),
        "▲" => ("M6 1.2l5.3 9.6H.7z", true),
        "▼" => ("M6 10.8L.7 1.2h10.6z", true),
        "◆" => ("M6 .8l5.2 5.2L6 11.2.8 6z", true),
        "▤" => ("M1.5 1.5h9v9h-9zM1.5 4.5h9M1.5 7.5h9", false),
        "▦" => ("M1.5 1.5h9v9h-9zM1.5 4.5h9M1.5 7.5h9M4.5 1.5v9M7.5 1.5v9", false),
        "▣" => ("M1.5 1.5h9v9h-9zM4.5 4.5h3v3h-3z", false),
        "≡" => ("M1 2h10M1 4.7h10M1 7.3h10M1 10h10", false),
        "☰" => ("M1 3h10M1 9h10", false),
        "❚❚" => ("M2 1.5h3v9H2zM7 1.5h3v9H7z", true),
        "↻" => ("M9.5 4A4.2 4.2 0 1 0 10.2 6.5M10 1v3.2H6.8", false),
        "☀" => (
            "M8.2 6a2.2 2.2 0 1 1-4.4 0a2.2 2.2 0 1 1 4.4 0zM6 .5V2M6 10v1.5M.5 6H2M10 6h1.5M2 2l1 1M9 9l1 1M2 10l1-1M9 3l1-1",
            false,
        ),
        "☾" => ("M9.8 7.8A4.6 4.6 0 1 1 5 1.6a3.8 3.8 0 0 0 4.8 6.2z", true),
        _ => ("", false),
    }
}

/// A sign, in the colour of the text around it.
pub fn icon(glyph: &str) -> Html {
    let (class, path) = icon_path(glyph);
    html! { <svg {class} viewBox="0 0 12 12" aria-hidden="true">{ path }</svg> }
}

/// The class and the path of a sign, for drawings: it is 12 wide and high.
pub fn icon_path(glyph: &str) -> (Classes, Html) {
    let (path, is_filled) = outline(glyph);
    (classes!("icon", is_filled.then_some("solid")), html! { <path d={path} /> })
}

#[cfg(test)]
mod tests {
    use super::super::look;
    use super::outline;
    use partita_shared::model::{JobState, TaskState};

    /// Each state of jobs and tasks has a drawn sign.
    #[test]
    fn states_are_drawn() {
        use JobState::{Cancelled, Done, Failed, Persisted, Planning, Queued, Running};
        for state in [Planning, Queued, Running, Done, Failed, Persisted, Cancelled] {
            assert_ne!(outline(look::job(state).glyph).0, "", "{state:?}");
        }
        for state in [TaskState::Waiting, TaskState::Ready, TaskState::Running, TaskState::Done] {
            assert_ne!(outline(look::task(state).glyph).0, "", "{state:?}");
        }
    }
}
