//! Over a socket: one connection, headers, broken bodies.

use std::sync::{Arc, Mutex};

use clearwell_endpoint::source::{HttpOptions, HttpSource, Method, Request, Source, Target, UserAgent};
use clearwell_endpoint::{Endpoint, EndpointError, Place};
use clearwell_format::Resource;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Content, four_bundles, names, options};

/// A server of few words: keeps connections, answers GET and HEAD, and writes down what it is told.
#[derive(Clone, Default)]
struct Server {
    content: Content,
    connections: Arc<Mutex<usize>>,
    heads: Arc<Mutex<Vec<String>>>,
    /// Path of which the first answer breaks off.
    breaks: Arc<Mutex<Option<String>>>,
}

impl Server {
    async fn start(content: Content) -> (Self, String) {
        let server = Self { content, ..Self::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}//", listener.local_addr().unwrap());
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *serving.connections.lock().unwrap() += 1;
                tokio::spawn(serving.clone().converse(stream));
            }
        });
        (server, url)
    }

    async fn converse(self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            let mut words = head.split(' ');
            let (method, path) = (words.next().unwrap(), words.next().unwrap().trim_start_matches('/').to_owned());
            let body = self.content.0.lock().unwrap().get(&path).cloned();
            let broken = self.breaks.lock().unwrap().take_if(|broken| method == "GET" && *broken == path).is_some();
            let is_get = method == "GET";
            self.heads.lock().unwrap().push(head);
            let (status, body) = body.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
            let mut answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
            if is_get {
                answer.extend(&body[..if broken { body.len() / 2 } else { body.len() }]);
            }
            if stream.write_all(&answer).await.is_err() || broken {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_whole_life_over_one_connection() {
    let (server, url) = Server::start(four_bundles()).await;
    let source = Arc::new(HttpSource::new(&HttpOptions::new(url)).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut endpoint = Endpoint::open(source, Place::folder(folder.path()), options()).unwrap();
    assert!(endpoint.install(clearwell_format::Version::new(10), &names(&["big"])).await.unwrap().is_clean());
    assert!(endpoint.update(None).await.unwrap().is_clean());
    assert!(endpoint.diagnose().await.unwrap().is_clean());
    assert_eq!(*server.connections.lock().unwrap(), 1);
    let heads = server.heads.lock().unwrap();
    assert!(heads.iter().all(|head| head.contains("user-agent: clearwell-endpoint/")), "{}", heads[0]);
    assert!(heads.iter().all(|head| !head.contains("accept-encoding") && !head.contains("upgrade")));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_fetched_again() {
    let (server, url) = Server::start(four_bundles()).await;
    *server.breaks.lock().unwrap() = Some("10/pack-big-from-0.tar".to_owned());
    let source = Arc::new(HttpSource::new(&HttpOptions::new(url)).unwrap());
    let mut endpoint = Endpoint::open(source, Place::Simulated, options()).unwrap();
    let report = endpoint.install(clearwell_format::Version::new(10), &names(&["big"])).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.traffic.retries, 1);
}

#[tokio::test]
async fn the_stock_client_can_be_imitated() {
    let (server, url) = Server::start(four_bundles()).await;
    let source = HttpSource::new(&HttpOptions { user_agent: UserAgent::Stock, ..HttpOptions::new(url) }).unwrap();
    let resource = Resource::from_request_path("version/latest_version").unwrap();
    let request = Request { uncached: true, from_byte: Some(5), ..Request::get(resource) };
    assert_eq!(source.send(request).await.unwrap().status, 200);
    let root = source.send(Request::head(Target::Root)).await.unwrap();
    assert_eq!((root.status, Method::Head), (404, Request::head(Target::Root).method));
    let heads = server.heads.lock().unwrap();
    for line in [
        "user-agent: swupd-client/7.0.0",
        "accept: */*",
        "connection: Upgrade, HTTP2-Settings",
        "upgrade: h2c",
        "http2-settings: AAMAAABkAAQCAAAAAAIAAAAA",
        "cookie: request=uncached",
        "range: bytes=5-",
    ] {
        assert!(heads[0].contains(line), "{line} in {}", heads[0]);
    }
    assert!(heads[1].starts_with("HEAD / HTTP/1.1"));
}

#[tokio::test]
async fn an_absent_server_and_bad_addresses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let source = Arc::new(HttpSource::new(&HttpOptions::new(url)).unwrap());
    let mut endpoint = Endpoint::open(source, Place::Simulated, options()).unwrap();
    let report = endpoint.install(None, &[]).await.unwrap();
    assert_eq!(report.exit_code.code(), 16);
    assert_eq!(report.traffic.retries, 0, "nobody waits for a server that is not there");
    let report = endpoint.install(clearwell_format::Version::new(10), &[]).await.unwrap();
    assert_eq!(report.exit_code.code(), 4);
    for url in ["ftp://host", "host", "http://", "http://host/?query", "/path", ""] {
        assert!(matches!(HttpSource::new(&HttpOptions::new(url)), Err(EndpointError::Url { .. })), "{url}");
    }
    let options = HttpOptions { ca_pem: Some(b"no certificate".to_vec()), ..HttpOptions::new("https://host") };
    assert!(matches!(HttpSource::new(&options), Err(EndpointError::Tls { .. })));
}
