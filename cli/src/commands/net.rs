//! Addresses to listen on.

use anyhow::{Context, Result, bail};
use std::net::IpAddr;

/// The address that stands for all of a machine's.
pub(crate) const EVERYWHERE: &str = "0.0.0.0";

/// Where to listen, and under which host others are told to come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The address to listen on, as it is written before a port; none if nothing was asked for.
    pub(crate) listen: Option<String>,
    /// What others are told, if it is not that.
    pub(crate) contact: Option<String>,
}

/// What `--host` and `--interface` ask for. An interface is the way that the others take; what
/// comes another way, such as the tunnel from a login host that is not on it, is not shut out.
pub(crate) fn place(host: Option<&str>, interface: Option<&str>) -> Result<Place> {
    match (host, interface) {
        (Some(host), _) => Ok(Place { listen: Some(bracketed(host)), contact: None }),
        (None, Some(interface)) => {
            let address = address_of(interface)?;
            let everywhere = if address.is_ipv4() { EVERYWHERE } else { "[::]" };
            let contact = Some(bracketed(&address.to_string()));
            Ok(Place { listen: Some(everywhere.to_string()), contact })
        }
        (None, None) => Ok(Place::default()),
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
    let all =
        if_addrs::get_if_addrs().context("cannot list the network interfaces of this machine")?;
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
        bail!(
            "interface {interface} (--interface) has no address that other machines can reach; choose another one, or set --host"
        );
    }
    bail!("unknown interface {interface} (--interface); this machine has {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The loopback interface exists on every machine; the error for an unknown interface lists the
    /// existing ones.
    #[test]
    fn interfaces_have_addresses() {
        let loopback = place(None, Some("lo")).unwrap();
        assert_eq!(loopback.contact.as_deref(), Some("127.0.0.1"));
        assert_eq!(loopback.listen.as_deref(), Some(EVERYWHERE));
        let error = place(None, Some("ib77")).unwrap_err().to_string();
        assert!(error.contains("ib77") && error.contains("lo"), "{error}");
        assert_eq!(place(Some("::1"), None).unwrap().listen.as_deref(), Some("[::1]"));
        assert_eq!(place(None, None).unwrap(), Place::default());
    }
}
