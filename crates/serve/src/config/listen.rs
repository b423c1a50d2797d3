//! Where the server listens.
//!
//! ```text
//! 0.0.0.0:8080                            an address and a port; port 0 lets the system choose
//! [::]:8443 client-certificates=require   with an option for this address alone
//! 10.0.0.1:8080 proxy-protocol            a proxy in front sends the PROXY protocol
//! unix:/run/clearwell/http.sock           a Unix socket
//! systemd:http                            a socket that systemd opened, by its FileDescriptorName
//! off                                     no address
//! ```
//!
//! Several are an array, or one text with commas.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::ClientCertificates;

/// The addresses where the server listens; none if it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listen(Vec<Listener>);

/// An address to listen on, with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub addr: ListenAddr,
    /// Connections begin with the PROXY protocol.
    pub proxy_protocol: bool,
    /// Overrides the key `client-certificates` for this address.
    pub client_certificates: Option<ClientCertificates>,
}

/// What clients connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddr {
    /// Address and port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
    /// Sockets that systemd opened and named.
    Systemd(String),
}

impl Listen {
    /// No address.
    pub const OFF: Self = Self(Vec::new());

    /// At one address.
    pub fn at(address: SocketAddr) -> Self {
        Self(vec![Listener { addr: ListenAddr::Tcp(address), proxy_protocol: false, client_certificates: None }])
    }

    /// Every address.
    pub fn listeners(&self) -> &[Listener] {
        &self.0
    }

    /// True without any address.
    pub const fn is_off(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Listen {
    type Err = InvalidListen;

    fn from_str(text: &str) -> Result<Self, InvalidListen> {
        if text == "off" {
            return Ok(Self::OFF);
        }
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Listener {
    type Err = InvalidListen;

    fn from_str(text: &str) -> Result<Self, InvalidListen> {
        let invalid = || InvalidListen(text.trim().to_owned());
        let mut words = text.split_ascii_whitespace();
        let addr = words.next().ok_or_else(invalid)?.parse().map_err(|()| invalid())?;
        let mut listener = Self { addr, proxy_protocol: false, client_certificates: None };
        for word in words {
            match word.split_once('=') {
                None if word == "proxy-protocol" => listener.proxy_protocol = true,
                Some(("client-certificates", "none")) => listener.client_certificates = Some(ClientCertificates::None),
                Some(("client-certificates", "request")) => {
                    listener.client_certificates = Some(ClientCertificates::Request);
                }
                Some(("client-certificates", "require")) => {
                    listener.client_certificates = Some(ClientCertificates::Require);
                }
                _ => return Err(invalid()),
            }
        }
        Ok(listener)
    }
}

impl FromStr for ListenAddr {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') { Ok(Self::Unix(path.into())) } else { Err(()) };
        }
        match text.strip_prefix("systemd:") {
            Some("") => Err(()),
            Some(name) => Ok(Self::Systemd(name.to_owned())),
            None => text.parse().map(Self::Tcp).map_err(|_| ()),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_off() {
            return f.write_str("off");
        }
        for (at, listener) in self.0.iter().enumerate() {
            write!(f, "{}{listener}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr.fmt(f)?;
        if self.proxy_protocol {
            f.write_str(" proxy-protocol")?;
        }
        match self.client_certificates {
            None => Ok(()),
            Some(ClientCertificates::None) => f.write_str(" client-certificates=none"),
            Some(ClientCertificates::Request) => f.write_str(" client-certificates=request"),
            Some(ClientCertificates::Require) => f.write_str(" client-certificates=require"),
        }
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd(name) => write!(f, "systemd:{name}"),
        }
    }
}

/// Not an address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is not an address to listen on; write it like \"0.0.0.0:8080\", \"[::]:8080\", \"unix:/run/http.sock\" or \
     \"systemd:NAME\", with proxy-protocol or client-certificates=none|request|require after it, or \"off\""
)]
pub struct InvalidListen(String);

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;
        impl<'de> Visitor<'de> for ListVisitor {
            type Value = Listen;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address such as \"0.0.0.0:8080\", a list of them, or \"off\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Listen, E> {
                text.parse().map_err(de::Error::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Listen, A::Error> {
                let mut listeners = Vec::new();
                while let Some(text) = list.next_element::<String>()? {
                    listeners.push(text.parse().map_err(de::Error::custom)?);
                }
                Ok(Listen(listeners))
            }
        }
        deserializer.deserialize_any(ListVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_come_back_as_they_were_written() {
        for good in [
            "off",
            "127.0.0.1:0",
            "[::]:80",
            "127.0.0.1:0, [::1]:80 proxy-protocol",
            "unix:/run/x.sock",
            "systemd:http",
            "[::]:443 proxy-protocol client-certificates=require",
        ] {
            assert_eq!(good.parse::<Listen>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "Off",
            ":80",
            "80",
            "127.0.0.1",
            "localhost:80",
            "unix:x",
            "systemd:",
            "[::]:80 fast",
            "[::]:80,",
            "off,off",
        ] {
            assert!(bad.parse::<Listen>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_list_is_the_same_as_commas() {
        #[derive(Deserialize)]
        struct Table {
            listen: Listen,
        }
        let table: Table = toml::from_str("listen = [\"127.0.0.1:0\", \"[::1]:80 proxy-protocol\"]").unwrap();
        assert_eq!(table.listen, "127.0.0.1:0,[::1]:80 proxy-protocol".parse().unwrap());
    }
}
