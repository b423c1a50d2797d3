//! Limits of the system: reaching one gives an error with an exit code, never a signal.
//!
//! A failed allocation ends the process immediately, because there may be no memory left to continue; nothing is lost that
//! `kill -9` would not lose. A file that may not grow (`ulimit -f`) is an ordinary write error.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::Exit;

/// The system's allocator; on exhaustion it reports the error and ends the process with [`Exit::Memory`].
struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Results are JSON; known when there may be no memory to ask for it.
static JSON: AtomicBool = AtomicBool::new(false);

/// Set once a thread reports that memory ran out.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Turns signals caused by limits into errors. Child processes inherit the ignored SIGXFSZ.
pub(crate) fn heed() {
    #[expect(unsafe_code, reason = "neither std nor rustix can set what a signal does")]
    // SAFETY: this is called before any thread begins, and the handler does only what is allowed in one.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        libc::signal(libc::SIGABRT, aborted as extern "C" fn(libc::c_int) as libc::sighandler_t);
    }
}

/// The C library aborts when it cannot allocate memory for itself, as at the end of a thread. Other aborts proceed.
extern "C" fn aborted(_: libc::c_int) {
    #[expect(unsafe_code, reason = "only the kernel can be asked from within a signal")]
    // SAFETY: a new separate mapping, which is never used.
    let page = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        libc::mmap(std::ptr::null_mut(), PROBED_BYTES, libc::PROT_NONE, flags, -1, 0)
    };
    if page == libc::MAP_FAILED {
        end_without_memory(PROBED_BYTES);
    }
}

/// The size of one request of the C library to the system.
const PROBED_BYTES: usize = 1 << 20;

/// From now on the final error is printed as JSON.
pub(crate) fn speak_json() {
    JSON.store(true, Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "an allocator is unsafe to write")]
// SAFETY: every call and its result are passed on unchanged.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        given(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        given(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        given(unsafe { System.realloc(pointer, layout, size) }, size)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn given(pointer: *mut u8, size: usize) -> *mut u8 {
    if pointer.is_null() {
        end_without_memory(size);
    }
    pointer
}

/// Prints one line without allocating, and exits.
#[cold]
fn end_without_memory(size: usize) -> ! {
    if ENDING.swap(true, Ordering::Relaxed) {
        loop {
            #[expect(unsafe_code, reason = "waits for another thread to end the process, without memory")]
            // SAFETY: it waits, and touches nothing.
            unsafe {
                libc::pause();
            }
        }
    }
    let mut line = Line::default();
    line.add(b"error: out of memory: the system refused ");
    line.add_number(size);
    line.add(b" bytes; raise the limit (ulimit -v, MemoryMax= of the unit), or use fewer workers\n");
    print(2, line.text());
    if JSON.load(Ordering::Relaxed) {
        print(1, b"{\"schema-version\":1,\"error\":\"out of memory\",\"exit\":13}\n");
    }
    #[expect(unsafe_code, reason = "what std runs at an exit may need memory")]
    // SAFETY: it does not return, and the process uses nothing afterwards.
    unsafe {
        libc::_exit(Exit::Memory as i32)
    }
}

/// Writes to the descriptor itself: the thread that ran out of memory may hold the locks of std's streams. A failure
/// cannot be reported anywhere and is ignored.
fn print(descriptor: i32, text: &[u8]) {
    #[expect(unsafe_code, reason = "std has locks and buffers before its descriptors")]
    // SAFETY: the bytes live as long as the call, and a descriptor that is closed is an error.
    unsafe {
        libc::write(descriptor, text.as_ptr().cast(), text.len());
    }
}

/// A short text on the stack.
struct Line {
    bytes: [u8; 192],
    length: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self { bytes: [0; 192], length: 0 }
    }
}

impl Line {
    fn add(&mut self, text: &[u8]) {
        let room = &mut self.bytes[self.length..];
        let length = text.len().min(room.len());
        room[..length].copy_from_slice(&text[..length]);
        self.length += length;
    }

    fn add_number(&mut self, mut number: usize) {
        let mut digits = [0; 20];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.add(&digits[first..]);
    }

    fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_needs_no_memory_and_has_an_end() {
        let mut line = Line::default();
        for (number, text) in [(0, "0"), (7, "07"), (usize::MAX, "0718446744073709551615")] {
            line.add_number(number);
            assert_eq!(line.text(), text.as_bytes());
        }
        line.add(&[b'x'; 500]);
        assert_eq!(line.text().len(), 192);
    }
}
