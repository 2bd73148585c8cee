//! Light, dark, or as the system has it.

use crate::browser;

/// The name under which the choice is kept.
const STORAGE_KEY: &str = "partita-theme";

/// What the user chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the system has it.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// The one that the user chose, now or some time ago.
    pub fn stored() -> Self {
        let stored = browser::local_storage().and_then(|s| s.get_item(STORAGE_KEY).ok().flatten());
        match stored.as_deref() {
            Some("light") => Theme::Light,
            Some("dark") => Theme::Dark,
            _ => Theme::System,
        }
    }

    /// The one after it: a button goes through all three.
    pub fn next(self) -> Self {
        match self {
            Theme::System => Theme::Light,
            Theme::Light => Theme::Dark,
            Theme::Dark => Theme::System,
        }
    }

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Theme::System => "system",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    /// Its sign.
    pub fn glyph(self) -> &'static str {
        match self {
            Theme::System => "◐",
            Theme::Light => "☀\u{fe0e}",
            Theme::Dark => "☾\u{fe0e}",
        }
    }

    /// Puts it on the page.
    pub fn apply(self) {
        let attribute = match self {
            Theme::System => None,
            Theme::Light | Theme::Dark => Some(self.name()),
        };
        browser::set_root_attribute("data-theme", attribute);
    }

    /// Puts it on the page and keeps it. Without storage it lives as long as the page.
    pub fn choose(self) {
        self.apply();
        if let Some(storage) = browser::local_storage() {
            let _ = storage.set_item(STORAGE_KEY, self.name());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three presses lead back to where one was, over all three.
    #[test]
    fn the_switch_goes_round() {
        let round = [Theme::System, Theme::System.next(), Theme::System.next().next()];
        assert_eq!(round, [Theme::System, Theme::Light, Theme::Dark]);
        assert_eq!(Theme::Dark.next(), Theme::System);
    }
}
