//! Load over HTTP/2 and TLS: a fixed number of connections and of concurrent streams on each.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::task::LocalSet;
use tokio_rustls::TlsConnector;

use crate::corpus::Random;
use crate::workload::{Run, Sample};
use crate::{machine, tls};

pub(crate) fn drive(run: &Run<'_>, connections: usize, streams: usize) -> Sample {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let sample = Rc::new(RefCell::new(Sample::default()));
    LocalSet::new().block_on(&runtime, async {
        let connector = TlsConnector::from(tls::client(&run.corpus.path("tls.pem"), &[b"h2"]));
        let mut senders = Vec::new();
        for _ in 0..connections {
            let stream = tokio::net::TcpStream::connect(run.peer.tls_address).await.expect("the server listens");
            stream.set_nodelay(true).expect("a socket");
            let name = ServerName::try_from("localhost").expect("a name");
            let stream = connector.connect(name, stream).await.expect("a handshake");
            let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                .initial_stream_window_size(1 << 20)
                .initial_connection_window_size(16 << 20)
                .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
                .await
                .expect("http2");
            tokio::task::spawn_local(connection);
            senders.push(sender);
        }
        let paths: Arc<[String]> = run.corpus.small.iter().map(|path| format!("https://localhost{path}")).collect();
        let (begun, cpu) = (Instant::now(), machine::cpu(&run.peer.pids));
        let workers: Vec<_> = (0..connections * streams)
            .map(|at| {
                let (mut sender, paths) = (senders[at % connections].clone(), Arc::clone(&paths));
                let (sample, end) = (Rc::clone(&sample), begun + run.time);
                let mut random = Random(at as u64 + 1);
                tokio::task::spawn_local(async move {
                    while Instant::now() < end {
                        let asked = Instant::now();
                        let request = http::Request::get(random.of(&paths))
                            .header("user-agent", "swupd-client/7.0.0")
                            .body(Empty::new())
                            .expect("a request");
                        let mut length = None;
                        if let Ok(answer) = sender.send_request(request).await {
                            let is_ok = answer.status() == 200;
                            length = answer
                                .into_body()
                                .collect()
                                .await
                                .ok()
                                .filter(|_| is_ok)
                                .map(|body| body.to_bytes().len());
                        }
                        let mut sample = sample.borrow_mut();
                        match length {
                            Some(length) => {
                                sample.requests += 1;
                                sample.bytes += length as u64;
                                sample.latencies.push(asked.elapsed().as_micros() as u32);
                            }
                            None => {
                                sample.errors += 1;
                                return;
                            }
                        }
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.expect("a worker");
        }
        let mut sample = sample.borrow_mut();
        sample.elapsed = begun.elapsed();
        sample.cpu = machine::cpu(&run.peer.pids) - cpu;
        sample.resident_mib = machine::resident_mib(&run.peer.pids);
    });
    let mut sample = sample.take();
    sample.latencies.sort_unstable();
    sample
}
