//! A command at a terminal, with somebody who types.

use super::{Place, Process, SOON, wait_for};
use std::io::Write;
use std::process::{ChildStdin, Command, Stdio};

/// A command that runs at a terminal.
#[derive(Debug)]
pub struct Terminal {
    process: Process,
    keys: ChildStdin,
    /// Characters of the output that were waited for.
    seen: usize,
}

impl Terminal {
    /// Starts `partita ARGS` at a terminal of this many columns. The terminal is that of `script`, which every
    /// Debian machine has.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(place: &Place, columns: u16, args: &[&str]) -> Self {
        let own = place.command(args);
        let quoted: Vec<String> = std::iter::once(own.get_program())
            .chain(own.get_args())
            .map(|word| format!("'{}'", word.to_string_lossy().replace('\'', "'\\''")))
            .collect();
        let line = format!("stty cols {columns} rows 50; exec {}", quoted.join(" "));
        let mut command = Command::new("script");
        command.args(["--quiet", "--flush", "--return", "--command", &line, "/dev/null"]);
        for (name, value) in own.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(place.path("data")).env("TERM", "xterm").env("SHELL", "/bin/sh");
        command.stdin(Stdio::piped());
        let mut process = place.spawn("terminal", command);
        let keys = process.child.stdin.take().expect("the keys");
        Terminal { process, keys, seen: 0 }
    }

    /// Presses keys: `\r` is Enter, `\x03` is Ctrl-C, `\x04` is Ctrl-D.
    ///
    /// # Panics
    /// If nobody reads them.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the keys are read");
        self.keys.flush().expect("the keys are read");
    }

    /// Waits until a text is shown behind the last one that was waited for, and returns what is before it.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        let from = self.seen;
        let mut before = String::new();
        let what = format!("`{text}` at the terminal");
        self.seen = wait_for(&what, SOON, || {
            let shown = without_sequences(&self.process.output());
            let found = shown.get(from..)?.find(text);
            if found.is_none() && !self.process.is_running() {
                panic!("`{text}` is not in: {shown}");
            }
            before = shown[from..from + found?].to_string();
            Some(from + found? + text.len())
        });
        before
    }

    /// Waits for the end, and returns the exit code.
    #[track_caller]
    pub fn finish(mut self) -> i32 {
        self.process.finish(SOON).code
    }
}

/// A text without the sequences that move the cursor and colour letters.
fn without_sequences(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\x1b' if rest.peek() == Some(&'[') => {
                rest.next();
                // Parameters end with a letter.
                while rest.next().is_some_and(|c| !c.is_ascii_alphabetic() && c != '~') {}
            }
            '\x1b' => {
                rest.next();
            }
            '\r' => {}
            c => plain.push(c),
        }
    }
    plain
}
