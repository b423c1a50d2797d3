//! The PROXY protocol: the header in which a proxy in front of the server names the client (haproxy.org,
//! proxy-protocol.txt §2).
//!
//! ```text
//! PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n                             version 1; at most 107 bytes
//! \r\n\r\n\0\r\nQUIT\n | 2x | family | length, 16 bit | addresses, ports, TLVs  version 2
//! ```
//!
//! The header comes before all other bytes of the connection, before TLS too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The client that a header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The proxy forwards a connection of this client.
    Client(SocketAddr),
    /// The proxy speaks for itself (LOCAL), or the client has no IP address (UNKNOWN, UNSPEC, UNIX): use the address of
    /// the socket.
    Proxy,
}

/// The result of parsing the first bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The bytes may become a header: read more.
    Partial,
    /// A header, and its length in bytes.
    Complete(Source, usize),
    /// The bytes do not begin with a header.
    Invalid,
}

/// The largest accepted header, in bytes: what one TCP segment always has room for, so that it arrives in one piece.
pub const MAX_BYTES: usize = 536;
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, with CRLF.
const MAX_LINE_BYTES: usize = 107;

/// Parses the header at the start of `bytes`.
pub fn parse(bytes: &[u8]) -> Parsed {
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(left, right)| left == right);
    if begins(b"PROXY ") {
        parse_line(bytes)
    } else if begins(SIGNATURE) {
        parse_binary(bytes)
    } else {
        Parsed::Invalid
    }
}

fn parse_line(bytes: &[u8]) -> Parsed {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < MAX_LINE_BYTES { Parsed::Partial } else { Parsed::Invalid };
    };
    let source = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        match fields.next()? {
            "UNKNOWN" => Some(Source::Proxy),
            family @ ("TCP4" | "TCP6") => {
                let address: IpAddr = fields.next()?.parse().ok()?;
                let _destination: IpAddr = fields.next()?.parse().ok()?;
                let port = fields.next()?.parse().ok()?;
                let _port: u16 = fields.next()?.parse().ok()?;
                let fits = address.is_ipv4() == (family == "TCP4") && fields.next().is_none();
                fits.then_some(Source::Client(SocketAddr::new(address, port)))
            }
            _ => None,
        }
    };
    let line = std::str::from_utf8(&bytes[..end]).ok().filter(|_| end + 2 <= MAX_LINE_BYTES);
    line.and_then(source).map_or(Parsed::Invalid, |source| Parsed::Complete(source, end + 2))
}

fn parse_binary(bytes: &[u8]) -> Parsed {
    let Some([command, family, high, low]) = bytes.get(SIGNATURE.len()..).and_then(<[u8]>::first_chunk) else {
        return Parsed::Partial;
    };
    let length = SIGNATURE.len() + 4 + usize::from(u16::from_be_bytes([*high, *low]));
    if command >> 4 != 2 || length > MAX_BYTES {
        return Parsed::Invalid;
    }
    let Some(addresses) = bytes.get(SIGNATURE.len() + 4..length) else { return Parsed::Partial };
    let port = |at: usize| addresses.get(at..)?.first_chunk().map(|port| u16::from_be_bytes(*port));
    let source = match (command & 15, family >> 4) {
        // LOCAL, UNSPEC or UNIX.
        (0, _) | (1, 0 | 3) => Some(Source::Proxy),
        (1, 1) => addresses
            .first_chunk::<4>()
            .zip(port(8))
            .map(|(address, port)| Source::Client(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(*address)), port))),
        (1, 2) => addresses.first_chunk::<16>().zip(port(32)).map(|(address, port)| {
            Source::Client(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(*address)).to_canonical(), port))
        }),
        _ => None,
    };
    source.map_or(Parsed::Invalid, |source| Parsed::Complete(source, length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(text: &str) -> Source {
        Source::Client(text.parse().unwrap())
    }

    fn binary(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family], &length, addresses].concat()
    }

    #[test]
    fn version_1() {
        for (line, source) in [
            ("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", client("192.0.2.7:56324")),
            ("PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n", client("[2001:db8::7]:56324")),
            ("PROXY UNKNOWN\r\n", Source::Proxy),
            ("PROXY UNKNOWN anything at all\r\n", Source::Proxy),
        ] {
            let bytes = format!("{line}GET / HTTP/1.1\r\n");
            assert_eq!(parse(bytes.as_bytes()), Parsed::Complete(source, line.len()));
            for cut in 0..line.len() - 1 {
                assert_eq!(parse(&bytes.as_bytes()[..cut]), Parsed::Partial, "{cut}");
            }
        }
        for bad in [
            "GET / HTTP/1.1\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 more\r\n",
            "PROXY TCP6 192.0.2.7 198.51.100.1 56324 443\r\n",
            "PROXY TCP4 192.0.2.7 198.51.100.1 99999 443\r\n",
            "PROXY UDP4 192.0.2.7 198.51.100.1 56324 443\r\n",
            &format!("PROXY UNKNOWN {}\r\n", "x".repeat(100)),
            &"PROXY ".repeat(20),
        ] {
            assert_eq!(parse(bad.as_bytes()), Parsed::Invalid, "{bad}");
        }
    }

    #[test]
    fn version_2() {
        let four = [192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x34, 1, 187];
        let mut six = [0; 36];
        six[..2].copy_from_slice(&[0x20, 1]);
        six[32..34].copy_from_slice(&[0x12, 0x34]);
        for (bytes, source) in [
            (binary(0x21, 0x11, &four), client("192.0.2.7:4660")),
            (binary(0x21, 0x11, &[&four[..], &[3, 0, 1, 9]].concat()), client("192.0.2.7:4660")),
            (binary(0x21, 0x21, &six), client("[2001::]:4660")),
            (binary(0x20, 0, &[]), Source::Proxy),
            (binary(0x21, 0, &[]), Source::Proxy),
            (binary(0x21, 0x31, &[0; 216]), Source::Proxy),
        ] {
            assert_eq!(parse(&[&bytes[..], b"rest"].concat()), Parsed::Complete(source, bytes.len()));
            for cut in 0..bytes.len() {
                assert_eq!(parse(&bytes[..cut]), Parsed::Partial, "{cut}");
            }
        }
        for bad in [
            binary(0x11, 0x11, &four),
            binary(0x22, 0x11, &four),
            binary(0x21, 0x11, &four[..8]),
            binary(0x21, 0x51, &four),
            binary(0x21, 0x11, &[0; 600]),
        ] {
            assert_eq!(parse(&bad), Parsed::Invalid);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), signed: bool) {
            let bytes = if signed { [SIGNATURE, &bytes].concat() } else { [b"PROXY ", &bytes[..]].concat() };
            if let Parsed::Complete(_, length) = parse(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }
    }
}
