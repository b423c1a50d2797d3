# Sourced by `licences` and `sbom`, in the root of the repository: the crates in the program.

# With the unification of a developer's environment, cargo would list the crates of all tests too.
unset CARGO_RESOLVER_FEATURE_UNIFICATION

# linked_crates: name@version of each normal dependency of the program, sorted.
linked_crates() {
    # The tree, not the metadata, says what is linked: features are those of this one package.
    cargo tree --package clearwell --edges normal --prefix none --locked --offline --format '{p}' |
        awk 'NF { print $1 "@" substr($2, 2) }' | sort -u
}

# crate_metadata: what cargo knows of all crates, as JSON.
crate_metadata() {
    cargo metadata --locked --offline --format-version 1 --filter-platform "$(rustc -vV | sed -n 's/^host: //p')"
}
