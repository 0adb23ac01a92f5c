//! Detects targets that are the gateway itself, such as a local server that was configured with the gateway's port.
//!
//! Looks at addresses only: it does not resolve names, and does not detect a detour through another proxy. Invariant: a
//! target for which a mistake is reported would send every request back to this listener.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hotspare::Client;
use http::Uri;

/// What is wrong with the first target of `client` whose address is the listener's own.
pub(super) fn mistake(client: &Client, listen: SocketAddr) -> Option<String> {
    client.targets().into_iter().find_map(|target| {
        let url = target.base_url.filter(|url| is_own(url, listen))?;
        Some(format!(
            "target `{}`: {url} is the gateway's own address, so that its requests would never end: change its base_url, or the gateway's port (server.listen or --listen)",
            target.id
        ))
    })
}

fn is_own(url: &str, listen: SocketAddr) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let default_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    if uri.port_u16().unwrap_or(default_port) != listen.port() {
        return false;
    }
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) => reaches(address, listen.ip()),
        Err(_) if host.eq_ignore_ascii_case("localhost") => {
            let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            loopback.into_iter().any(|address| reaches(address, listen.ip()))
        }
        Err(_) => false,
    }
}

/// Whether a connection from this machine to `address` arrives at a listener on `listen`.
fn reaches(address: IpAddr, listen: IpAddr) -> bool {
    let address = match address.to_canonical() {
        // As a destination, it is this machine.
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    };
    // A listener on [::] also accepts IPv4.
    let is_any = listen.is_unspecified() && (listen.is_ipv6() || address.is_ipv4());
    address == listen || (is_any && address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_at_the_listeners_address_are_detected() {
        for (url, listen, own) in [
            ("http://127.0.0.1:8080/v1", "127.0.0.1:8080", true),
            ("http://LOCALHOST:8080/v1", "127.0.0.1:8080", true),
            ("http://localhost:8080/v1", "[::1]:8080", true),
            ("http://0.0.0.0:8080/v1", "127.0.0.1:8080", true),
            ("http://127.0.0.1:8080/v1", "0.0.0.0:8080", true),
            ("http://127.0.0.1:8080/v1", "[::]:8080", true),
            ("http://[::1]:8080/v1", "[::]:8080", true),
            ("http://[::1]:8080/v1", "0.0.0.0:8080", false),
            ("http://[::1]:8080/v1", "127.0.0.1:8080", false),
            ("http://127.0.0.1:8081/v1", "127.0.0.1:8080", false),
            ("http://127.0.0.1/v1", "127.0.0.1:80", true),
            ("https://127.0.0.1/v1", "127.0.0.1:80", false),
            ("http://10.0.0.7:8080/v1", "10.0.0.7:8080", true),
            ("http://10.0.0.8:8080/v1", "10.0.0.7:8080", false),
            ("http://10.0.0.8:8080/v1", "0.0.0.0:8080", false),
            ("https://api.example.com:8080/v1", "127.0.0.1:8080", false),
        ] {
            assert_eq!(is_own(url, listen.parse().unwrap()), own, "{url} at {listen}");
        }
    }
}
