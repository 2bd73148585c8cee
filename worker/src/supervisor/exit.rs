//! Why a process ended, in words.

use crate::error::{EXIT_NO_SCHEDULER, EXIT_REFUSED};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// Whether a worker that was told to leave did so: by itself, or by the signal because it was so
/// young that it did not handle it yet.
pub(super) fn in_order(status: ExitStatus) -> bool {
    status.success() || status.signal() == Some(libc::SIGTERM)
}

/// Why a process died. `out_of_memory` is asked only after SIGKILL, and says whether the kernel
/// killed a process of this cgroup for want of memory.
pub(super) fn cause(status: ExitStatus, out_of_memory: impl FnOnce() -> bool) -> String {
    let Some(signal) = status.signal() else {
        return match status.code() {
            Some(code) => match lasting_cause(code as u8) {
                Some(cause) => format!("exit code {code}: {cause}"),
                None => format!("exit code {code}"),
            },
            None => format!("unknown ({status})"),
        };
    };
    if signal == libc::SIGKILL && out_of_memory() {
        return "out of memory (killed by the kernel because of its cgroup memory limit, SIGKILL)"
            .into();
    }
    let core = if status.core_dumped() { ", core dumped" } else { "" };
    match signal_name(signal) {
        Some(name) => format!("signal {name} ({signal}){core}"),
        None => format!("signal {signal}{core}"),
    }
}

/// The cause that an exit code of a worker stands for, if another start would end the same way.
pub(super) fn lasting_cause(code: u8) -> Option<&'static str> {
    match code {
        EXIT_NO_SCHEDULER => Some("no scheduler responded within --death-timeout"),
        EXIT_REFUSED => Some("the scheduler refused the worker"),
        _ => None,
    }
}

/// The exit code of a process, as a shell gives it.
pub fn exit_code(status: ExitStatus) -> u8 {
    match (status.code(), status.signal()) {
        (Some(code), _) => code as u8,
        (None, Some(signal)) => signal_code(signal),
        (None, None) => super::EXIT_UNKNOWN,
    }
}

/// The exit code that a shell gives for a process that a signal ended.
pub(super) fn signal_code(signal: i32) -> u8 {
    128 + signal as u8
}

/// The signals by which processes die.
fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGSYS => "SIGSYS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: i32, out_of_memory: bool, expected: &str) {
        let found = cause(ExitStatus::from_raw(raw), || out_of_memory);
        assert!(found.starts_with(expected), "{found}");
    }

    /// Codes, signals with and without a name, core dumps, and want of memory.
    #[test]
    fn causes_are_told_apart() {
        check(3 << 8, true, "exit code 3");
        check(i32::from(EXIT_NO_SCHEDULER) << 8, false, "exit code 69: no scheduler responded");
        check(i32::from(EXIT_REFUSED) << 8, false, "exit code 77: the scheduler refused");
        check(libc::SIGSEGV | 0x80, true, "signal SIGSEGV (11), core dumped");
        check(libc::SIGTERM, true, "signal SIGTERM (15)");
        check(40, true, "signal 40");
        check(libc::SIGKILL, false, "signal SIGKILL (9)");
        check(libc::SIGKILL, true, "out of memory");
    }

    /// A worker that was told to leave may do so by the signal, but not with an error.
    #[test]
    fn leaving_in_order() {
        assert!(in_order(ExitStatus::from_raw(0)) && in_order(ExitStatus::from_raw(libc::SIGTERM)));
        assert!(!in_order(ExitStatus::from_raw(1 << 8)));
        assert!(!in_order(ExitStatus::from_raw(libc::SIGKILL)));
    }
}
