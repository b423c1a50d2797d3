//! The servers that are compared, as child processes.

use std::fs;
use std::io::{BufRead, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use clearwell_serve::config::{ByteSize, Listen};
use clearwell_serve::{ServeConfig, Server};
use clearwell_store::Store;

use crate::corpus::Corpus;
use crate::machine::{self, Cores};

/// A running server.
pub(crate) struct ServerProcess {
    child: Child,
    /// Our server ends when this is closed.
    _stdin: Option<ChildStdin>,
    /// The worker processes.
    pub(crate) pids: Vec<u32>,
    pub(crate) address: SocketAddr,
    pub(crate) tls_address: SocketAddr,
}

impl ServerProcess {
    pub(crate) fn clearwell(corpus: &Corpus, cores: &Cores) -> Self {
        Self::this_program(&["clearwell".as_ref(), corpus.path("").as_os_str()], cores)
    }

    pub(crate) fn floor(_: &Corpus, cores: &Cores) -> Self {
        Self::this_program(&["floor".as_ref()], cores)
    }

    /// This program in another role, which prints its two addresses.
    fn this_program(role: &[&std::ffi::OsStr], cores: &Cores) -> Self {
        cores.server();
        let program = std::env::current_exe().expect("this program is a file");
        let mut child = Command::new(program)
            .arg("--role")
            .args(role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut address = || lines.next().expect("an address").expect("text").parse().expect("an address");
        let (address, tls_address) = (address(), address());
        Self { pids: vec![child.id()], _stdin: child.stdin.take(), child, address, tls_address }
    }

    pub(crate) fn nginx(corpus: &Corpus, cores: &Cores) -> Self {
        cores.server();
        let [address, tls_address] = free_addresses();
        let config = corpus.path("nginx.conf");
        fs::write(&config, nginx_config(corpus, address, tls_address)).expect("room on the disk");
        let child = Command::new("nginx").arg("-c").arg(&config).stderr(Stdio::null()).spawn().expect("nginx");
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "nginx does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        let pids = [vec![child.id()], machine::children(child.id())].concat();
        Self { child, _stdin: None, pids, address, tls_address }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // SIGTERM, so that nginx ends its workers; it ends our server too.
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

pub(crate) fn has_nginx() -> bool {
    Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs our server, with every feature that is enabled in production, until standard input is closed.
pub(crate) fn serve(folder: &Path) {
    let log = fs::File::create(folder.join("clearwell.log")).expect("room for a log");
    tracing_subscriber::fmt().json().with_writer(std::sync::Mutex::new(log)).init();
    let any = Listen::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let config = ServeConfig {
        listen: any.clone(),
        listen_tls: any.clone(),
        admin: any,
        tls_certificate: Some(folder.join("tls.pem")),
        tls_key: Some(folder.join("tls.key")),
        memory_cache: ByteSize::new(192 << 20),
        max_connections: std::num::NonZeroUsize::new(16_384).expect("not zero"),
        max_connections_per_address: 0,
        idle_seconds: std::num::NonZeroU32::new(600).expect("not zero"),
        ..ServeConfig::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(folder.join("store")).expect("the corpus");
        let running = Server::bind(config, store).await.expect("a server");
        println!("{}", running.addr().expect("it listens"));
        println!("{}", running.tls_addr().expect("it listens"));
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        ended.await.expect("reading does not panic").expect("an end");
        drop(running);
    });
}

/// Two ports that were free a moment ago: nginx cannot let the kernel choose.
fn free_addresses() -> [SocketAddr; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("it is bound"))
}

/// Everything that the manual recommends for static files, connections accepted with their first bytes as ours are, no
/// access log.
fn nginx_config(corpus: &Corpus, address: SocketAddr, tls_address: SocketAddr) -> String {
    let dir = corpus.path("").display().to_string();
    let dir = dir.trim_end_matches('/');
    format!(
        "worker_processes 1; daemon off; pid {dir}/nginx.pid; error_log {dir}/nginx.log;
        worker_rlimit_nofile 20000; {user}
        events {{ worker_connections 16384; multi_accept on; use epoll; }}
        http {{
            access_log off; sendfile on; sendfile_max_chunk 1m; tcp_nopush on; tcp_nodelay on; server_tokens off;
            keepalive_requests 1000000000; keepalive_timeout 600s; reset_timedout_connection on;
            open_file_cache max=20000 inactive=600s; open_file_cache_valid 600s;
            default_type application/octet-stream; types {{ }}
            client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
            uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
            ssl_certificate {dir}/tls.pem; ssl_certificate_key {dir}/tls.key; ssl_protocols TLSv1.2 TLSv1.3;
            ssl_session_cache shared:tls:10m; ssl_buffer_size 16k; http2_max_requests 1000000000;
            http2_max_concurrent_streams 128; http2_chunk_size 16k;
            server {{
                listen {address} reuseport deferred backlog=4096;
                listen {tls_address} ssl http2 reuseport deferred backlog=4096;
                root {dir}/store/content;
                location ^~ /version/ {{ add_header Cache-Control \"no-cache\"; }}
                location / {{ add_header Cache-Control \"public, max-age=31536000, immutable\"; }}
            }}
        }}",
        user = if rustix::process::geteuid().is_root() { "user root;" } else { "" },
    )
}
