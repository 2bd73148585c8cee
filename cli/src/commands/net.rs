//! Addresses to listen on.

use anyhow::{Context, Result, bail};
use std::net::IpAddr;

/// The address that stands for all of a machine's.
pub(crate) const EVERYWHERE: &str = "0.0.0.0";

/// The address that `--host` or `--interface` asks for, as it is written before a port. None if
/// neither is given.
pub(crate) fn listen_on(host: Option<&str>, interface: Option<&str>) -> Result<Option<String>> {
    match (host, interface) {
        (Some(host), _) => Ok(Some(bracketed(host))),
        (None, Some(interface)) => Ok(Some(bracketed(&address_of(interface)?.to_string()))),
        (None, None) => Ok(None),
    }
}

/// An address as it is written before a port.
pub(crate) fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_string()
    }
}

/// The address of a network interface: its IPv4 address if it has one, else an IPv6 address that
/// reaches further than its own wire.
fn address_of(interface: &str) -> Result<IpAddr> {
    let all = if_addrs::get_if_addrs().context("the network interfaces of this machine")?;
    let of_it = || all.iter().filter(|found| found.name == interface).map(|found| found.ip());
    let usable = |ip: &IpAddr| match ip {
        IpAddr::V4(_) => true,
        IpAddr::V6(ip) => !ip.is_unicast_link_local(),
    };
    let found = of_it().find(IpAddr::is_ipv4).or_else(|| of_it().find(usable));
    if let Some(found) = found {
        return Ok(found);
    }
    let mut names: Vec<&str> = all.iter().map(|found| found.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if names.contains(&interface) {
        bail!("the interface {interface} has no address that other machines could reach");
    }
    bail!(
        "there is no interface {interface} on this machine (--interface): it has {}",
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The loopback is there on every machine; what is not there is named, with what is.
    #[test]
    fn interfaces_have_addresses() {
        assert_eq!(listen_on(None, Some("lo")).unwrap().as_deref(), Some("127.0.0.1"));
        let error = listen_on(None, Some("ib77")).unwrap_err().to_string();
        assert!(error.contains("ib77") && error.contains("lo"), "{error}");
        assert_eq!(listen_on(Some("::1"), None).unwrap().as_deref(), Some("[::1]"));
        assert_eq!(listen_on(None, None).unwrap(), None);
    }
}
