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

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::HeaderName;

/// `x-forwarded-for`.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client of a request that came from a trusted proxy; IPv4-mapped addresses are returned as IPv4.
///
/// If every address is that of a trusted proxy, the first one is returned. `None` without the header, and if an entry
/// that has to be read is not an address.
pub fn forwarded_for(headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let mut nearest = None;
    for line in headers.get_all(X_FORWARDED_FOR).iter().rev() {
        for entry in line.to_str().ok()?.rsplit(',') {
            let address = parse_address(entry.trim())?;
            nearest = Some(address);
            if !is_trusted(address) {
                return nearest;
            }
        }
    }
    nearest
}

/// An address as proxies write it: with or without a port, IPv6 with or without brackets.
fn parse_address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse().ok().or_else(with_port).or_else(in_brackets).map(|address: IpAddr| address.to_canonical())
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
            forwarded_for(&headers, is_trusted).map(|address| address.to_string())
        };
        let client = Some("192.0.2.7".to_owned());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["192.0.2.7"]), client);
        assert_eq!(of(&["198.51.100.1, 192.0.2.7, 10.1.1.1"]), client, "a client can invent addresses in front");
        assert_eq!(of(&["198.51.100.1", "192.0.2.7,10.1.1.1"]), client);
        assert_eq!(of(&["192.0.2.7:4711"]), client);
        assert_eq!(of(&["192.0.2.7, ::1"]), client);
        assert_eq!(of(&["[2001:db8::1]"]).as_deref(), Some("2001:db8::1"));
        assert_eq!(of(&["[2001:db8::1]:443"]).as_deref(), Some("2001:db8::1"));
        assert_eq!(of(&["192.0.2.7, ::ffff:10.0.0.1"]), client, "mapped addresses are compared as IPv4");
        assert_eq!(of(&["10.0.0.1, 10.0.0.2"]).as_deref(), Some("10.0.0.1"));
        assert_eq!(of(&["nonsense"]), None);
        assert_eq!(of(&["192.0.2.7, nonsense"]), None);
        assert_eq!(of(&["192.0.2.7,"]), None);
        assert_eq!(of(&["nonsense, 192.0.2.7"]), client, "what is in front is not read");
    }
}
