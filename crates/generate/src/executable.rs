//! Which files contain x86 machine code, from their first bytes.

/// How many bytes of a file are enough for [`is_x86`].
pub(crate) const START_BYTES: u64 = 1024;

/// True for ELF and PE files of 32 and 64 bit x86. `start` is the beginning of a file, or all of it.
pub(crate) fn is_x86(start: &[u8]) -> bool {
    elf_machine(start).is_some_and(|machine| matches!(machine, ELF_386 | ELF_X86_64))
        || pe_machine(start).is_some_and(|machine| matches!(machine, PE_I386 | PE_AMD64))
}

/// `e_machine` of a little-endian ELF file.
fn elf_machine(start: &[u8]) -> Option<u16> {
    let little_endian = start.starts_with(b"\x7fELF") && start.get(5) == Some(&1);
    little_endian.then(|| u16_at(start, 18)).flatten()
}

/// The machine of a PE file whose header is in the bytes given.
fn pe_machine(start: &[u8]) -> Option<u16> {
    start.strip_prefix(b"MZ")?;
    let header = u32::from_le_bytes(start.get(0x3c..0x40)?.try_into().ok()?) as usize;
    let machine = start.get(header..)?.strip_prefix(b"PE\0\0")?;
    u16_at(machine, 0)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

const ELF_386: u16 = 3;
const ELF_X86_64: u16 = 62;
const PE_I386: u16 = 0x14c;
const PE_AMD64: u16 = 0x8664;

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(class: u8, data: u8, machine: u16) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, data, 1]);
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes
    }

    #[test]
    fn headers_tell_the_machine() {
        assert!(is_x86(&elf(2, 1, 62)) && is_x86(&elf(1, 1, 3)));
        assert!(!is_x86(&elf(2, 1, 183)), "ARM");
        assert!(!is_x86(&elf(2, 2, 62)), "big-endian");
        let mut pe = vec![0; 256];
        pe[..2].copy_from_slice(b"MZ");
        pe[0x3c] = 0x80;
        pe[0x80..0x86].copy_from_slice(b"PE\0\0\x64\x86");
        assert!(is_x86(&pe));
        for cut in [0, 1, 4, 19, 0x3e, 0x81, 0x85] {
            let _ = is_x86(&pe[..cut]);
            let _ = is_x86(&elf(2, 1, 62)[..cut.min(64)]);
        }
        pe[0x3c..0x40].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(!is_x86(&pe));
    }
}
