//! Archives that the tar writer makes are read back: names, owners, targets, content, without padding.
#![no_main]

use clearwell_format::archive::{ArchiveError, TarWriter, read_members};
use clearwell_format::{FileKind, Owner};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    // Members lie between NULs, which no name has: a kind and an owner, then a name, then content or a target.
    let mut pieces = input.split(|&byte| byte == 0);
    let mut members = Vec::new();
    while let (Some(first), Some(name), Some(content)) = (pieces.next(), pieces.next(), pieces.next()) {
        let number = |at: usize| u32::from(first.get(at).copied().unwrap_or_default());
        let kind = [FileKind::File, FileKind::Directory, FileKind::Link][number(0) as usize % 3];
        // Links have no permissions.
        let permissions = if kind == FileKind::Link { 0o777 } else { number(1) << 4 };
        let owner = Owner { permissions, uid: number(2) << 20, gid: number(3) << 24 };
        // A name that ends with a slash is a directory's.
        if !name.is_empty() && !name.ends_with(b"/") && (kind != FileKind::Link || !content.is_empty()) {
            members.push((kind, owner, name, content));
        }
    }
    // As packs begin; the name of a first member could look like the beginning of a filter.
    let folder = Owner { permissions: 0o700, uid: 0, gid: 0 };
    members.insert(0, (FileKind::Directory, folder, &b"staged"[..], &b""[..]));
    let mut writer = TarWriter::new(Vec::new());
    for (kind, owner, name, content) in &members {
        match kind {
            FileKind::File => writer.file(name, *owner, 7, content.len() as u64, &mut &content[..]),
            FileKind::Directory => writer.directory(name, *owner, 7),
            FileKind::Link => writer.link(name, *owner, 7, content),
        }
        .expect("memory takes it");
    }
    let archive = writer.finish().expect("memory takes it");
    let mut expected = members.iter();
    read_members::<ArchiveError>(&archive[..], |member| {
        let (kind, owner, name, content) = expected.next().expect("no more than were written");
        let header = member.header;
        assert_eq!((header.kind, header.owner, header.mtime), (*kind, *owner, 7));
        assert_eq!(header.name.strip_suffix(b"/").unwrap_or(&header.name), *name);
        let mut found = header.target;
        member.body.read_to_end(&mut found).expect("it is in memory");
        assert_eq!(found, if *kind == FileKind::Directory { b"" } else { *content });
        Ok(())
    })
    .expect("an archive of ours");
    assert_eq!(expected.next(), None, "all of them");
});
