//! Taking over the listening sockets of the running server, so that no connection is refused in between.
//!
//! ```text
//! new -> connects to the Unix socket that both configurations name
//! old -> a line with the number of sockets and a line with the name of each; every socket as ancillary data
//! new -> "ready\n", once it accepts; from then on it owns the Unix socket
//! old -> drains and ends
//! ```
//!
//! Both accept from the same sockets for a while, so no waiting connection is lost.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

use crate::inherit::Inherited;
use clearwell_format::printable::chain;

/// The longest wait for the other side.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest number of sockets passed; the kernel allows 253 per message.
const SOCKETS: usize = 250;
const READY: &[u8] = b"ready\n";

/// The previous server, which waits until this one is ready.
#[derive(Debug)]
pub(crate) struct HandOver(UnixStream);

/// Requests the sockets of the running server. `None` if none runs.
pub(crate) fn ask(path: &Path, inherited: &mut Inherited) -> io::Result<Option<HandOver>> {
    let stream = match UnixStream::connect(path) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let (names, sockets) = receive(&stream)?;
    for (name, socket) in names.lines().zip(sockets) {
        inherited.add(name.to_owned(), socket);
    }
    Ok(Some(HandOver(stream)))
}

fn receive(stream: &UnixStream) -> io::Result<(String, Vec<OwnedFd>)> {
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = vec![0; 64 * 1024];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let length = recvmsg(stream, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags)?.bytes;
    let sockets = ancillary.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(sockets) => sockets.collect(),
        _ => Vec::new(),
    });
    let sockets: Vec<OwnedFd> = sockets.collect();
    let text = String::from_utf8(bytes[..length].to_vec()).map_err(io::Error::other)?;
    let (count, names) = text.split_once('\n').ok_or(io::ErrorKind::UnexpectedEof)?;
    let complete = count.parse() == Ok(sockets.len()) && names.lines().count() == sockets.len();
    complete.then(|| (names.to_owned(), sockets)).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

impl HandOver {
    /// Tells the previous server that this one accepts.
    pub(crate) fn release(mut self) -> io::Result<()> {
        self.0.write_all(READY)
    }
}

/// Waits for the next server on a separate thread and gives it `sockets`. `done` is called once it is ready.
pub(crate) fn offer(
    path: &Path,
    sockets: Vec<(String, OwnedFd)>,
    done: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    // The path belongs to the server that accepts; the previous one keeps its socket until it ends.
    let scratch = path.with_extension("new");
    let _ = std::fs::remove_file(&scratch);
    let listener = UnixListener::bind(&scratch)?;
    // The process that connects becomes the server: only the owner may connect.
    std::fs::set_permissions(&scratch, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&scratch, path)?;
    let wait = move || {
        while let Ok((stream, _)) = listener.accept() {
            match give(stream, &sockets) {
                Ok(()) => return done(),
                Err(error) => {
                    tracing::warn!(error = chain(&error), "the next server did not take over");
                }
            }
        }
    };
    std::thread::Builder::new().name("takeover".to_owned()).spawn(wait).map(drop)
}

fn give(mut stream: UnixStream, sockets: &[(String, OwnedFd)]) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut text = format!("{}\n", sockets.len());
    for (name, _) in sockets {
        text += name;
        text.push('\n');
    }
    let handles: Vec<BorrowedFd<'_>> = sockets.iter().map(|(_, socket)| socket.as_fd()).collect();
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&handles)) {
        return Err(io::Error::other("more sockets than can be passed at once"));
    }
    sendmsg(&stream, &[IoSlice::new(text.as_bytes())], &mut ancillary, SendFlags::empty())?;
    let mut answer = [0; READY.len()];
    stream.read_exact(&mut answer)?;
    if answer == READY { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}
