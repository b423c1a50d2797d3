# What is wrong with a list of components (SPDX 2.3): nothing, and then the result is true.

def licence: test("^[A-Za-z0-9 .()+-]+$") and (gsub("[()]"; " ") | split(" ") | map(select(. != "")) | length % 2 == 1);
def digest: .algorithm as $algorithm
    | .checksumValue | test("^[0-9a-f]{\({"SHA1": 40, "SHA256": 64}[$algorithm])}$");

([.packages[], .files[] | .SPDXID] + [.SPDXID]) as $ids
| ($ids | map({key: ., value: true}) | from_entries) as $known
| [
    (select(.spdxVersion != "SPDX-2.3" or .dataLicense != "CC0-1.0" or .SPDXID != "SPDXRef-DOCUMENT") | "header"),
    (select(.documentNamespace | test("^https?://[^#]+$") | not) | "documentNamespace"),
    (select(.creationInfo.created | test("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$") | not) | "created"),
    (select(.creationInfo.creators | length == 0) | "creators"),
    (select(($ids | length) != ($ids | unique | length)) | "an SPDXID twice"),
    ($ids[] | select(test("^SPDXRef-[A-Za-z0-9.-]+$") | not) | "SPDXID \(.)"),
    (.packages[] | select((.name and .versionInfo and .downloadLocation and .copyrightText) | not) | "fields of \(.SPDXID)"),
    (.packages[] | select(.licenseDeclared | licence | not) | "licence of \(.name): \(.licenseDeclared)"),
    (.packages[] | select(.externalRefs | map(select(.referenceType == "purl" and .referenceCategory == "PACKAGE-MANAGER"
        and (.referenceLocator | test("^pkg:(cargo|deb/debian|generic)/[a-z0-9._+-]+@[^ +]+$"; "i")))) | length != 1)
        | "purl of \(.name)"),
    (.packages[], .files[] | .name as $name | .checksums // [] | .[] | select(digest | not) | "digest of \($name)"),
    # A package that contains files says which they are.
    (.packages[] | select(.filesAnalyzed != (.packageVerificationCode != null)) | "verification code of \(.name)"),
    (.files[] | select(.checksums | map(.algorithm) | index("SHA1") | not) | "SHA-1 of \(.fileName)"),
    (.relationships[] | .spdxElementId, .relatedSpdxElement | select($known[.] | not) | "relationship with \(.)"),
    (select([.relationships[] | select(.relationshipType == "DESCRIBES")] == []) | "nothing is described"),
    # Everything is reached from the document.
    (.relationships as $relations
        | ([$relations[].relatedSpdxElement] | map({key: ., value: true}) | from_entries) as $reached
        | ($ids - ["SPDXRef-DOCUMENT"])[] | select($reached[.] | not) | "\(.) belongs to nothing")
] as $findings
| if $findings == [] then true else ($findings | .[]), false end
