# Called by `sbom`, which says what the document has.

def lines: split("\n") | map(select(. != ""));
# Of a crate name@version, a package deb-name or a file path. The program has its version from tags, not from Cargo.
def id: if startswith("clearwell@") then "SPDXRef-clearwell" else "SPDXRef-" + gsub("[^A-Za-z0-9.-]"; "-") end;
def sha256: {algorithm: "SHA256", checksumValue: .};
# Older crates write MIT/Apache-2.0.
def expression: if . == null or . == "" then "NOASSERTION" else gsub(" */ *"; " OR ") end;
def package($id; $licence; $purl): {
    SPDXID: $id,
    downloadLocation: "NOASSERTION",
    filesAnalyzed: false,
    licenseConcluded: "NOASSERTION",
    licenseDeclared: $licence,
    copyrightText: "NOASSERTION",
    externalRefs: [{referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: $purl}]
};
def relation($from; $type; $to):
    {spdxElementId: $from, relationshipType: $type, relatedSpdxElement: $to};

($linked | lines | map({key: ., value: true}) | from_entries) as $is_linked
| ($digests | lines | map(split(" ") | {key: .[0], value: .[1]}) | from_entries) as $digest_of
| ($metadata[0].packages | map({key: .id, value: "\(.name)@\(.version)"}) | from_entries) as $name_of
| [$metadata[0].packages[] | . + {key: "\(.name)@\(.version)"} | select($is_linked[.key])] as $crates
| ($is_linked | keys - ($crates | map(.key))) as $unknown
| if $unknown != [] then error("crates of the tree that cargo metadata does not list: \($unknown)") else . end
| [$packages | lines[] | split("\t")] as $debian
| [$files | lines[] | split("\t")] as $copied
| ("clearwell@" | id) as $program
| {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: "clearwell-\($version)",
    documentNamespace: "https://spdx.org/spdxdocs/clearwell-\($version)-\($digest)",
    creationInfo: {created: $created, creators: ["Tool: clearwell-packaging-image-sbom"]},
    packages: (
        [
            $crates[]
            | .key as $key
            | .version = if .name == "clearwell" then $version else .version end
            | {name, versionInfo: .version}
            + package($key | id; .license | expression; "pkg:cargo/\(.name)@\(.version | @uri)")
            + if .name == "clearwell" then
                {primaryPackagePurpose: "APPLICATION", packageFileName: "usr/bin/clearwell", checksums: [$digest | sha256]}
              elif $digest_of[$key] then
                {primaryPackagePurpose: "LIBRARY", checksums: [$digest_of[$key] | sha256]}
              else
                {primaryPackagePurpose: "LIBRARY", comment: "of this repository; contained in the program"}
              end
        ]
        + if $rust == "" then [] else [
            {name: "rust-std", versionInfo: $rust, primaryPackagePurpose: "LIBRARY"}
            + package("SPDXRef-rust-std"; "MIT OR Apache-2.0"; "pkg:generic/rust-std@\($rust)")
        ] end
        + [
            $debian[]
            | . as [$name, $version, $architecture, $source, $licence, $code]
            | {name: $name, versionInfo: $version, supplier: "Organization: \($supplier)", primaryPackagePurpose: "LIBRARY"}
            + package("deb-\($name)" | id; $licence;
                "pkg:deb/debian/\($name)@\($version | @uri)?arch=\($architecture)&distro=\($distribution)&upstream=\($source)")
            + {filesAnalyzed: true, packageVerificationCode: {packageVerificationCodeValue: $code}}
        ]
    ) | sort_by(.SPDXID),
    files: [
        $copied[]
        | . as [$path, $name, $sha1, $sha256]
        | {
            SPDXID: ("file\($path)" | id),
            fileName: ".\($path)",
            checksums: [{algorithm: "SHA1", checksumValue: $sha1}, ($sha256 | sha256)],
            licenseConcluded: "NOASSERTION",
            copyrightText: "NOASSERTION"
        }
    ],
    relationships: (
        [relation("SPDXRef-DOCUMENT"; "DESCRIBES"; $program, ($debian[] | "deb-\(.[0])" | id))]
        + [
            $metadata[0].resolve.nodes[]
            | $name_of[.id] as $from
            | select($is_linked[$from])
            | .deps[]
            | select(any(.dep_kinds[]; .kind == null))
            | $name_of[.pkg]
            | select($is_linked[.])
            | relation($from | id; "DEPENDS_ON"; id)
        ]
        + if $rust == "" then [] else [relation($program; "DEPENDS_ON"; "SPDXRef-rust-std")] end
        + [$copied[] | relation("deb-\(.[1])" | id; "CONTAINS"; "file\(.[0])" | id)]
    ) | unique
}
