//! The client address that proxies pass on in `X-Forwarded-For`.
//!
//! ```text
//! X-Forwarded-For: 198.51.100.1, 192.0.2.7, 10.1.1.1
//!                  |             |          a trusted proxy
//!                  |             the client, as that proxy saw it
//!                  whatever the client sent
//! ```
//!
//! Each proxy appends the address of its peer, so the header is read from its end: the first address that does not belong
//! to a trusted proxy is the client. Everything in front of it can be invented and is ignored.
//!
//! Some proxies append the port as well (`192.0.2.7:47011`, `[2001:db8::7]:47011`): it tells the connections of a client apart.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::HeaderName;

/// `x-forwarded-for`.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A client as a proxy names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardedClient {
    /// IPv4-mapped addresses are IPv4.
    pub address: IpAddr,
    /// Of its connection to the proxy, if the proxy tells it.
    pub port: Option<u16>,
}

/// The client of a request that came from a trusted proxy.
///
/// If every address is that of a trusted proxy, the first one is returned. `None` without the header, and if an entry
/// that has to be read is not an address.
pub fn forwarded_for(headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> Option<ForwardedClient> {
    let mut nearest = None;
    for line in headers.get_all(X_FORWARDED_FOR).iter().rev() {
        for entry in line.to_str().ok()?.rsplit(',') {
            let client = parse_client(entry.trim())?;
            nearest = Some(client);
            if !is_trusted(client.address) {
                return nearest;
            }
        }
    }
    nearest
}

/// An address as proxies write it: with or without a port, IPv6 with or without brackets.
fn parse_client(text: &str) -> Option<ForwardedClient> {
    let with_port = || text.parse::<SocketAddr>().ok().map(|client| (client.ip(), Some(client.port())));
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let alone = text.parse().ok().or_else(in_brackets).map(|address: IpAddr| (address, None));
    alone.or_else(with_port).map(|(address, port)| ForwardedClient { address: address.to_canonical(), port })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_entries_of_trusted_proxies_count() {
        let is_trusted = |address: IpAddr| {
            matches!(address, IpAddr::V4(address) if address.octets()[0] == 10) || address.is_loopback()
        };
        let of = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(X_FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
            }
            forwarded_for(&headers, is_trusted).map(|client| match client.port {
                Some(port) => SocketAddr::new(client.address, port).to_string(),
                None => client.address.to_string(),
            })
        };
        let client = Some("192.0.2.7".to_owned());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["192.0.2.7"]), client);
        assert_eq!(of(&["198.51.100.1, 192.0.2.7, 10.1.1.1"]), client, "a client can invent addresses in front");
        assert_eq!(of(&["198.51.100.1", "192.0.2.7,10.1.1.1"]), client);
        assert_eq!(of(&["192.0.2.7:4711"]).as_deref(), Some("192.0.2.7:4711"));
        assert_eq!(of(&["192.0.2.7:4711, 10.0.0.1:80"]).as_deref(), Some("192.0.2.7:4711"), "the port of the client");
        assert_eq!(of(&["[::ffff:192.0.2.7]:4711"]).as_deref(), Some("192.0.2.7:4711"));
        assert_eq!(of(&["2001:db8::1"]).as_deref(), Some("2001:db8::1"), "no port without brackets");
        assert_eq!(of(&["192.0.2.7, ::1"]), client);
        assert_eq!(of(&["[2001:db8::1]"]).as_deref(), Some("2001:db8::1"));
        assert_eq!(of(&["[2001:db8::1]:443"]).as_deref(), Some("[2001:db8::1]:443"));
        assert_eq!(of(&["192.0.2.7, ::ffff:10.0.0.1"]), client, "mapped addresses are compared as IPv4");
        assert_eq!(of(&["10.0.0.1, 10.0.0.2"]).as_deref(), Some("10.0.0.1"));
        assert_eq!(of(&["nonsense"]), None);
        assert_eq!(of(&["192.0.2.7, nonsense"]), None);
        assert_eq!(of(&["192.0.2.7,"]), None);
        assert_eq!(of(&["nonsense, 192.0.2.7"]), client, "what is in front is not read");
    }
}
