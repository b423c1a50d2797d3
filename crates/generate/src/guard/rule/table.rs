//! Every rule: what it finds, what endpoints would suffer, what a maintainer can do, and where the protocol says so.
//!
//! docs/reference/guard-rules.md follows this table. `allow` is the reason why a maintainer may overrule the rule; what
//! would break every endpoint is never allowable.

use super::Severities::{Both, Refusal, Warning};

rules! {
    ConflictingEntries = "conflicting-entries" {
        finds: "Two bundles list one path with different hashes.",
        harm: "An endpoint with both bundles deletes the path at its next update; if it is the last path that the \
            endpoint has, it deletes every file that it manages.",
        remedy: "Give the path the same type, mode, owner and content in both bundles, or leave it to one bundle that \
            the other includes.",
        severity: Refusal,
        source: "manifest §3.4, must-keep §8",
    }
    DuplicatePath = "duplicate-path" {
        finds: "A manifest lists one path twice.",
        harm: "It is undefined which of the two entries an endpoint installs.",
        remedy: "Build the release again. If another program made the manifest, release the bundle again with \
            `--min-version`.",
        severity: Refusal,
        source: "manifest §3.2",
    }
    IncompleteVariants = "incomplete-variants" {
        finds: "The optimised builds of a path are not those that its modifiers promise.",
        harm: "Endpoints whose processor selects a build that is not listed have no file at the path.",
        remedy: "Add a baseline build to those below `/V3`, `/V4` and `/VA`, and build again.",
        severity: Refusal,
        source: "manifest §2.3",
    }
    MissingParent = "missing-parent" {
        finds: "The directory of a listed path is not in the bundle, its includes or os-core.",
        harm: "Endpoints cannot install the path: updates end with exit code 10, installations with 35.",
        remedy: "Add the directory to the bundle or to os-core.",
        severity: Refusal,
        allow: "Every endpoint with the bundle has the directory from another bundle.",
        source: "manifest §3.4, must-keep §6",
    }
    MissingTrackingFile = "missing-tracking-file" {
        finds: "A bundle does not list its tracking file, `/usr/share/clear/bundles/NAME`.",
        harm: "Endpoints install the bundle but do not count it as installed: it is never updated.",
        remedy: "Add that empty file to the bundle. If the name of the bundle begins with a dot, give it another name.",
        severity: Refusal,
        source: "glossary \"bundle\", client behaviour §7",
    }
    ForeignTrackingFile = "foreign-tracking-file" {
        finds: "A bundle lists the tracking file of a bundle that it does not include.",
        harm: "Endpoints treat that bundle as installed and lack its files; if the release does not have it, `swupd \
            diagnose` and `repair` fail permanently.",
        remedy: "Remove the file from the bundle. The root of an installed system has such a file for every bundle \
            that it had.",
        severity: Refusal,
        allow: "Updates work; only `diagnose` and `repair` of these endpoints do not.",
        source: "glossary \"bundle\", client behaviour §7",
    }
    LostPath = "lost-path" {
        finds: "A bundle asks for a path of the tree, and neither the bundle nor anything that it includes lists it.",
        harm: "Endpoints with the bundle do not get the file.",
        remedy: "If bundles include each other, remove one of the includes; otherwise build again.",
        severity: Refusal,
        source: "manifest §6 quirk 4",
    }
    IncludeCycle = "include-cycle" {
        finds: "Bundles include or add each other. A warning if the cycle needs an `also-add`, or is a bundle that \
            includes itself.",
        harm: "`swupd bundle-remove` of these bundles and of what they include crashes, so they cannot be removed; \
            `bundle-list --verbose --deps` prints without end.",
        remedy: "Remove one of the includes, or merge the bundles.",
        severity: Both,
        allow: "Endpoints never remove these bundles, as on an appliance.",
        source: "manifest §6 quirk 4",
    }
    MissingInclude = "missing-include" {
        finds: "A bundle includes a bundle that the release does not have. A warning for an `also-add`.",
        harm: "Endpoints skip the include without an error. Files that the including bundle left to it are on no \
            endpoint.",
        remedy: "Add the missing bundle to the release, or remove the include.",
        severity: Both,
        allow: "No endpoint relies on the content of the missing bundle.",
        source: "manifest §3.4, §6 quirk 14",
    }
    MissingOsCore = "missing-os-core" {
        finds: "The release has no bundle os-core.",
        harm: "Nothing can be installed: every bundle includes os-core, and every endpoint has it.",
        remedy: "Add os-core with the base directories of the system.",
        severity: Refusal,
        source: "manifest §5.1",
    }
    IllegalName = "illegal-name" {
        finds: "A name with a shell metacharacter, or a path below one.",
        harm: "Endpoints install it, but other generators leave such names out: after a change of generator the path \
            and its children are lost.",
        remedy: "Rename it in the tree, or remove it from every bundle.",
        severity: Refusal,
        allow: "The mix will not be built by another generator.",
        source: "manifest §5.2, §6 quirk 17",
    }
    LongName = "long-name" {
        finds: "A name or path that is too long for the name under which endpoints stage it, `.update.NAME`. A \
            warning for a directory whose name is too long for `.deleted.TIME.NAME`.",
        harm: "Endpoints cannot stage the file, and the update fails. If a later release removes a directory of the \
            second kind, the update of endpoints with local files in it ends with exit code 10.",
        remedy: "Shorten it in the tree, or remove it from every bundle.",
        severity: Both,
        source: "manifest §3.3",
    }
    StagingCollision = "staging-collision" {
        finds: "A path has the name under which endpoints stage another path: `.update.NAME`, with `NAME` in the same \
            directory.",
        harm: "One of the two files is lost or gets the content of the other; an update that removes one and adds the \
            other ends with exit code 10.",
        remedy: "Rename it in the tree, or remove it from every bundle.",
        severity: Refusal,
        source: "manifest §3.3",
    }
    StagingName = "staging-name" {
        finds: "A path has a temporary name of the client: `.update.NAME` or `.deleted.TIME.NAME`.",
        harm: "Nothing now. A later `NAME` in the same directory is a collision. In most cases it is a leftover of an \
            update on the machine that the tree was copied from.",
        remedy: "Remove it from every bundle.",
        severity: Refusal,
        allow: "The file is intended, and no file will be staged under its name.",
        source: "manifest §3.3, §6.1 quirk 25",
    }
    ClientData = "client-data" {
        finds: "Content in `/opt/3rd-party`, `/var/lib/swupd` or `/var/tmp/swupd`.",
        harm: "Clients keep their own data there. For example, a `repo.ini` in the content overwrites the third-party \
            repositories that the user added, at each update that changes it and at each repair.",
        remedy: "Remove the content of these directories from the tree.",
        severity: Refusal,
        allow: "Endpoints are meant to start with that data, such as third-party repositories.",
        source: "client behaviour §7, content layout §8",
    }
    NotUpdated = "not-updated" {
        finds: "New, changed or deleted files below `/etc`, `/var` and other prefixes for configuration and state.",
        harm: "Updates do not touch them: new files are not installed, changed files keep their old content, deleted \
            files stay.",
        remedy: "Ship defaults below `/usr`, and create the rest with systemd-tmpfiles or at program start.",
        severity: Warning,
        source: "manifest §3.4",
    }
    EntryFromFuture = "entry-from-future" {
        finds: "An entry is newer than its manifest, or a manifest newer than its MoM.",
        harm: "Endpoints request files in the folder of a version that does not exist.",
        remedy: "Build the release again.",
        severity: Refusal,
        source: "manifest §3.2",
    }
    UnnoticedChange = "unnoticed-change" {
        finds: "An entry changed or was deleted, and its version is not above that of the entry that some endpoints \
            have. A warning if the bundle itself was removed.",
        harm: "These endpoints keep the old file. It happens if the release is not built on what endpoints have, for \
            example on the release before a retracted one.",
        remedy: "Build on the newest release that endpoints have (`--previous`), or with `--min-version`.",
        severity: Both,
        allow: "No endpoint is on the releases that the finding names.",
        source: "manifest §3.4",
    }
    DirectoryReplaced = "directory-replaced" {
        finds: "A directory with content became a file or a link. A warning if it became a link, or if updates do not \
            remove its content.",
        harm: "The update of endpoints that have the directory ends with exit code 10, although everything is \
            installed; the directory stays as `.deleted.TIME.NAME`.",
        remedy: "Keep the directory and choose another name for the file.",
        severity: Both,
        allow: "No endpoint is on the releases that the finding names, or an error at that one update is acceptable.",
        source: "manifest §6.1 quirk 25",
    }
    LocalDataMoved = "local-data-moved" {
        finds: "A directory with local data, such as `/home`, `/etc`, `/var` or `/opt`, is deleted or replaced.",
        harm: "Endpoints rename it to `.deleted.TIME.NAME`, with all local data in it, and report success.",
        remedy: "Keep the directory in os-core.",
        severity: Refusal,
        allow: "The endpoints on the releases that the finding names have no local data there.",
        source: "manifest §3.4",
    }
    DirectoryPermissions = "directory-permissions" {
        finds: "A directory that every system has, such as `/usr`, is closed to all but root, or writable for every \
            user. A warning for other directories below `/usr`, and for a `/tmp` that only root can write to.",
        harm: "Modes are content: on every endpoint only root can use the directory, or every user can replace the \
            programs in it.",
        remedy: "Change the mode in the tree (`chmod go+rx`, `chmod o-w`); the umask of the build machine may be the \
            cause.",
        severity: Both,
        allow: "The system has no other users than root.",
        source: "hash §1",
    }
    BootRemoved = "boot-removed" {
        finds: "A directory with kernels, such as `/boot` or `/usr/lib/modules`, is deleted, and its files stay on \
            endpoints.",
        harm: "Endpoints rename the directory to `.deleted.TIME.NAME`, with the kernels in it, and report success.",
        remedy: "Keep the directory in a bundle.",
        severity: Warning,
        source: "manifest §6.1 quirk 26",
    }
    BundleRemoved = "bundle-removed" {
        finds: "A bundle that endpoints may have is no longer in the release.",
        harm: "Endpoints that have it remove its files at the update, without a warning.",
        remedy: "Inform its users, or keep the bundle.",
        severity: Warning,
        source: "manifest §4",
    }
    UnreadableManifest = "unreadable-manifest" {
        finds: "A manifest exceeds a limit of the client, or differs when it is read back.",
        harm: "Endpoints cannot load the manifest, and the update fails.",
        remedy: "Split the bundle or shorten what is too long, then build again.",
        severity: Refusal,
        source: "manifest §3.1, §3.3, must-keep §7",
    }
    UnsortedManifest = "unsorted-manifest" {
        finds: "The entries of a manifest are not in order of version and name.",
        harm: "None for endpoints. Other generators and reproducible builds rely on the order.",
        remedy: "Build the release again.",
        severity: Warning,
        source: "manifest §4, §5.6",
    }
    ManifestMismatch = "manifest-mismatch" {
        finds: "A manifest is not the one that the MoM names, by version or by hash.",
        harm: "Endpoints download it again, refuse it, and the update fails.",
        remedy: "Build the release again.",
        severity: Refusal,
        source: "manifest §3.1",
    }
    DuplicateBundle = "duplicate-bundle" {
        finds: "The MoM names a bundle twice.",
        harm: "It is undefined which of the two manifests an endpoint uses.",
        remedy: "List the bundle once.",
        severity: Refusal,
        source: "manifest §4",
    }
    HiddenBundle = "hidden-bundle" {
        finds: "The MoM gives a bundle a modifier for some processors only.",
        harm: "Other endpoints do not see the bundle.",
        remedy: "Use a dot as modifier; the flag of experimental bundles is the byte before it.",
        severity: Refusal,
        source: "manifest §2.3",
    }
    VersionNotAbove = "version-not-above" {
        finds: "The version is not above the previous one, or the store has it already.",
        harm: "Endpoints update only to a higher version, and download only what has one.",
        remedy: "Choose a higher version.",
        severity: Refusal,
        source: "client behaviour §3",
    }
    SecondHistory = "second-history" {
        finds: "The release has no previous release, but the store has releases.",
        harm: "Endpoints download everything again, keep files that they should delete, and get no delta packs.",
        remedy: "Build on the newest release (`--previous`), or start another history in a separate store.",
        severity: Refusal,
        allow: "The mix starts over, and all endpoints are installed again.",
        source: "manifest §5.1, §5.4",
    }
    MissingFullfile = "missing-fullfile" {
        finds: "An entry has no fullfile in the folder of its version.",
        harm: "Endpoints that no pack helps cannot get the file: the update ends with exit code 17.",
        remedy: "Build with `--min-version VERSION`, which releases every file again.",
        severity: Refusal,
        source: "content layout §1, must-keep §5",
    }
    MissingManifest = "missing-manifest" {
        finds: "A manifest that the MoM names is not in the store, plain or as archive.",
        harm: "Endpoints with the bundle cannot update to the release.",
        remedy: "Build the release again, with `--min-version` if the manifest is an old one.",
        severity: Refusal,
        source: "content layout §1",
    }
    ManifestStillNeeded = "manifest-still-needed" {
        finds: "A manifest of an older release of the format is not in the store.",
        harm: "Endpoints on that release cannot update: they fetch the manifests of the installed version first.",
        remedy: "Restore it from a copy of the public tree.",
        severity: Refusal,
        allow: "No endpoint is on that release, or the manifest cannot be restored.",
        source: "must-keep §5",
    }
    MissingZeroPack = "missing-zero-pack" {
        finds: "A bundle has no zero pack.",
        harm: "Endpoints that install the bundle fetch every file individually.",
        remedy: "Build the release with zero packs.",
        severity: Warning,
        source: "packs §3.1, client behaviour §3",
    }
    UselessPack = "useless-pack" {
        finds: "A delta pack is larger than the zero pack of its bundle.",
        harm: "Endpoints download more than they need: they take the delta pack if it exists and do not compare sizes.",
        remedy: "Remove the pack, or build it with deltas.",
        severity: Warning,
        source: "packs §5",
    }
    WrongArchive = "wrong-archive" {
        finds: "The members of an archive, or their hashes, do not match its name.",
        harm: "A wrong fullfile ends the client at once; a wrong folder in a pack changes the cache folders of the \
            client.",
        remedy: "Build the release again.",
        severity: Refusal,
        source: "content layout §4, §5, must-keep §1, §2",
    }
    OwnerNames = "owner-names" {
        finds: "An archive names users or groups.",
        harm: "An endpoint that knows the name under another number takes that number; the hash then does not match, \
            and the file is refused.",
        remedy: "Write numeric owners only, then build again.",
        severity: Refusal,
        source: "content layout §3 trap 1",
    }
    PaxLinkTarget = "pax-link-target" {
        finds: "An archive has a link target outside ASCII in a PAX record.",
        harm: "Endpoints in the C locale fail to extract it.",
        remedy: "Write the target raw or as a GNU record, then build again.",
        severity: Refusal,
        source: "content layout §3 trap 2",
    }
    MissingSignature = "missing-signature" {
        finds: "The release is signed, but the signature of the MoM or of a pointer is missing.",
        harm: "Endpoints refuse the release.",
        remedy: "Sign again with the key of the certificate.",
        severity: Refusal,
        source: "client behaviour §6, must-keep §3",
    }
    InvalidSignature = "invalid-signature" {
        finds: "A signature does not verify with the certificate of the signer.",
        harm: "Endpoints refuse the release.",
        remedy: "Sign again with the key of the certificate.",
        severity: Refusal,
        source: "client behaviour §6",
    }
    StaleSignature = "stale-signature" {
        finds: "The release is not signed, but there is a signature of its MoM or pointer.",
        harm: "The signature belongs to other content: endpoints refuse the release.",
        remedy: "Sign the release, or remove the signature.",
        severity: Refusal,
        source: "manifest §6 quirk 18",
    }
    UnusableCertificate = "unusable-certificate" {
        finds: "Endpoints refuse the certificate of the signer, for example because it is expired.",
        harm: "The client ends with exit code 21 before it does anything: no endpoint can update.",
        remedy: "Sign with a certificate that endpoints accept.",
        severity: Refusal,
        source: "client behaviour §6",
    }
    CertificateExpires = "certificate-expires" {
        finds: "The certificate of the signer expires in less than 90 days.",
        harm: "Once it has expired, endpoints refuse every update.",
        remedy: "Renew it with `clearwell renew`, or release its successor before then.",
        severity: Warning,
        source: "client behaviour §6",
    }
    WeakCertificate = "weak-certificate" {
        finds: "The certificate of the signer has a short key, or is signed with a weak digest.",
        harm: "None now: endpoints accept its signatures. An attacker who breaks it can sign updates.",
        remedy: "Use a stronger key or digest for the next certificate.",
        severity: Warning,
        source: "client behaviour §6",
    }
    CertificateInContent = "certificate-in-content" {
        finds: "The certificates in the content do not verify the release. A warning if the content has none, or if \
            its second one cannot be used.",
        harm: "Endpoints on the release trust these certificates: they refuse the release and everything that follows.",
        remedy: "Put the certificate of the signer at `/usr/share/clear/update-ca/Swupd_Root.pem` of os-core; during \
            a key rotation also the next one, as `Swupd_Root.pem.alt`.",
        severity: Both,
        allow: "Endpoints get their certificate in another way, such as `swupd -C`.",
        source: "client behaviour §6, content layout §8",
    }
    SignerUnknown = "signer-unknown" {
        finds: "Endpoints on earlier releases trust another certificate than that of the signer.",
        harm: "They refuse the pointer or the release, and can never update again without help.",
        remedy: "Sign with the key that they trust and ship the new certificate together with the old one. Change \
            keys together with the format, or once `clearwell rotation` shows that all kept releases trust the new \
            certificate.",
        severity: Refusal,
        allow: "These endpoints are to be left behind, for example because they were off during the whole key \
            rotation.",
        source: "client behaviour §6",
    }
    VersionFile = "version-file" {
        finds: "`VERSION_ID` in `/usr/lib/os-release` is not the version of the release. A warning if the content has \
            no such file, or no `/usr/share/defaults/swupd/format`.",
        harm: "Endpoints report the wrong version: below the release they update for ever, above it they request a \
            release that does not exist.",
        remedy: "Write the version of the release into `/usr/lib/os-release` of os-core.",
        severity: Both,
        allow: "The content is not a whole system.",
        source: "client behaviour §2, §3",
    }
    VersionStamp = "version-stamp" {
        finds: "`/usr/share/clear/versionstamp` is not a time in seconds, or is more than a day ahead. A warning if a \
            signed release has no such file.",
        harm: "Without a time, endpoints end every command with exit code 22; with a time ahead, they set their clock \
            to it.",
        remedy: "Write the time of the build there, in seconds since the epoch.",
        severity: Both,
        source: "client behaviour §6",
    }
    FormatBoundary = "format-boundary" {
        finds: "Two releases of different formats that are not the two halves of a format bump. A warning for the \
            first half, until the second follows.",
        harm: "Endpoints of the old format find no further update, or keep files of the old release permanently.",
        remedy: "Build both halves with `--format-bump old` and `--format-bump new`, from the same trees, URLs and \
            certificate.",
        severity: Both,
        allow: "The content is not a whole system.",
        source: "manifest §5.12",
    }
    ThirdPartyAdd = "third-party-add" {
        finds: "os-core did not change in this release.",
        harm: "`swupd 3rd-party add` fails: it requests the manifest of os-core in the folder of the newest release.",
        remedy: "Put the version files into os-core, so that it changes with each release.",
        severity: Warning,
        source: "content layout §8",
    }
    UnreadablePointer = "unreadable-pointer" {
        finds: "Endpoints cannot read a version from a pointer, or it has more than 11 bytes.",
        harm: "Endpoints find no update.",
        remedy: "Write the version in decimal and nothing else.",
        severity: Refusal,
        source: "content layout §2",
    }
    MultiLineLatest = "multi-line-latest" {
        finds: "A `latest` has several lines.",
        harm: "Endpoints cannot add the release as third-party repository.",
        remedy: "Write only the newest version.",
        severity: Refusal,
        allow: "Endpoints update with `--incremental`, and the repository is not a third-party one.",
        source: "content layout §2, §8",
    }
    PointerGoesBack = "pointer-goes-back" {
        finds: "A pointer would name an older release than it does now.",
        harm: "Endpoints that have the newer release get no updates until a higher version is published.",
        remedy: "Publish a higher version, or retract the release with `clearwell retract`.",
        severity: Refusal,
        allow: "No endpoint has the newer release, or they may wait.",
        source: "content layout §2",
    }
    PointerTarget = "pointer-target" {
        finds: "A pointer would name a release that the store does not have, or one of another format.",
        harm: "Endpoints request a release that does not exist, or one that they cannot read.",
        remedy: "Publish a version that the store has, in its own format.",
        severity: Refusal,
        source: "content layout §1",
    }
    SignatureLost = "signature-lost" {
        finds: "A pointer that is signed now would not be signed.",
        harm: "Endpoints that check signatures refuse every update.",
        remedy: "Sign the release.",
        severity: Refusal,
        allow: "The whole fleet runs with `--nosigcheck`.",
        source: "client behaviour §6",
    }
}
