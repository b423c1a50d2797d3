//! Damage to files.

use std::fs;
use std::path::Path;

/// Inverts one byte in the middle of a file.
pub fn flip_byte(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] = !bytes[middle];
    fs::write(path, bytes).unwrap();
}

/// Cuts a file off in its middle.
pub fn cut_off(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}
