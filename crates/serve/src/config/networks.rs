//! Networks of addresses, as prefixes.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A list of networks: `10.0.0.0/8, 2001:db8::/32, 192.0.2.1`. It may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// True if an address is in one of them. An IPv4 address may be written as IPv6 (`::ffff:10.0.0.1`).
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// True if there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Networks {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let networks = text.split(',').map(str::trim).filter(|text| !text.is_empty());
        networks.map(network).collect::<Result<_, _>>().map(Self)
    }
}

/// A network, or an address as a network with one address.
fn network(text: &str) -> Result<IpNet, InvalidNetwork> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(|_| address()).map_err(|_| InvalidNetwork(text.to_owned()))
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, network) in self.0.iter().enumerate() {
            write!(f, "{}{network}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a network; write it like \"10.0.0.0/8\", \"2001:db8::/32\" or \"192.0.2.1\"")]
pub struct InvalidNetwork(String);

impl Serialize for Networks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_decide() {
        let networks: Networks = "10.0.0.0/8, 2001:db8::/32, 192.0.2.1".parse().unwrap();
        assert_eq!(networks.to_string(), "10.0.0.0/8, 2001:db8::/32, 192.0.2.1/32");
        for (address, is_in) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::1", false),
            ("::ffff:10.0.0.1", true),
        ] {
            assert_eq!(networks.contains(address.parse().unwrap()), is_in, "{address}");
        }
        assert!(
            "10.9.8.7/8".parse::<Networks>().unwrap().contains("10.0.0.1".parse().unwrap()),
            "host bits do not matter"
        );
        assert!("0.0.0.0/0".parse::<Networks>().unwrap().contains("203.0.113.9".parse().unwrap()));
        assert!("".parse::<Networks>().unwrap().is_empty());
        for bad in ["x", "10.0.0.0/33", "::/129", "10.0.0.0/", "10/8", "/8", "10.0.0.0/-1", "10.0.0.0/8/8"] {
            assert!(bad.parse::<Networks>().is_err(), "{bad}");
        }
    }
}
