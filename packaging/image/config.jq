# The configuration of the image (OCI image specification, config.md). Containerfile says the same in its own words.
{
    created: $created,
    architecture: $architecture,
    os: "linux",
    config: {
        User: "65532:65532",
        ExposedPorts: {"8080/tcp": {}, "8081/tcp": {}, "8443/tcp": {}},
        Env: [
            "PATH=/usr/bin",
            "CLEARWELL_STORE=/var/lib/clearwell/store",
            "CLEARWELL_SERVE_CONFIG=/etc/clearwell/serve.toml"
        ],
        Entrypoint: ["/usr/bin/clearwell"],
        Cmd: ["serve"],
        Volumes: {"/var/lib/clearwell": {}},
        WorkingDir: "/var/lib/clearwell",
        Labels: {
            "org.opencontainers.image.created": $created,
            "org.opencontainers.image.title": "clearwell",
            "org.opencontainers.image.description": "A swupd-compatible update content server",
            "org.opencontainers.image.licenses": "MIT",
            "org.opencontainers.image.version": $version,
            "org.opencontainers.image.revision": $revision
        },
        StopSignal: "SIGTERM",
        # Not of OCI, which tells programs to ignore what they do not know; Docker reads it. Times are nanoseconds.
        Healthcheck: {
            Test: ["CMD", "/usr/bin/clearwell", "health"],
            Interval: 10000000000,
            Timeout: 5000000000,
            StartPeriod: 30000000000,
            Retries: 3
        }
    },
    rootfs: {type: "layers", diff_ids: [$diff_id]},
    history: [{created: $created, created_by: "packaging/image/build"}]
}
