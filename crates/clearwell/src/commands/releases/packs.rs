//! How delta packs deliver files: as deltas, or whole.

use clearwell_generate::deltas::report::{Delivery, PackReport};

use crate::page::Page;
use crate::ui::{bytes_text, count};

/// A delta pack, file by file.
pub(super) fn pack_text(pack: &PackReport) -> Page {
    let mut text = Page::of(format_args!(
        "delta pack of {} from {} to {}: {}, {}, {}; endpoints have {} already",
        pack.bundle,
        pack.from,
        pack.to,
        bytes_text(pack.bytes),
        count(pack.deltas, "delta"),
        count(pack.whole, "whole file"),
        count(pack.not_needed, "file"),
    ));
    if pack.is_zero_pack {
        let _ = writeln!(text, "  a copy of the zero pack: nothing smaller was found");
    }
    for file in &pack.files {
        let _ = writeln!(text, "  {}: {}", file.path, delivery_text(file.bytes, &file.delivery));
    }
    text
}

/// `delta of 160 B from /usr/bin/x of os-core (same path); whole 892 B`.
pub(super) fn delivery_text(bytes: u64, delivery: &Delivery) -> String {
    let bytes = bytes_text(bytes);
    match delivery {
        Delivery::Delta { base, base_bundle, found, whole_bytes, .. } => {
            format!("delta of {bytes} from {base} of {base_bundle} ({found}); whole {}", bytes_text(*whole_bytes))
        }
        Delivery::Whole { why } => format!("whole, {bytes} ({why})"),
    }
}
