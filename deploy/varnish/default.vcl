# Varnish as a cache in front of two Clearwell nodes. Replace the addresses of the nodes. They run with serve.toml of this
# folder. Tried with Varnish 7.1.
#
# What it does, and why: docs/proxies.md.

vcl 4.1;

import directors;
import std;

# A draining node answers 503 on /readyz. It gets no more requests after two probes, 2 s; by default (drain-grace-seconds) it
# accepts requests for 5 s.
probe ready {
    .request = "GET /readyz HTTP/1.1" "Host: health" "Connection: close";
    .interval = 1s;
    .timeout = 2s;
    .window = 3;
    .threshold = 2;
    .initial = 2;
}

# With the PROXY protocol the nodes learn address and port of the client.
backend node1 {
    .host = "10.0.0.11";
    .port = "8080";
    .probe = ready;
    .proxy_header = 2;
    .connect_timeout = 2s;
    .first_byte_timeout = 120s;
    .between_bytes_timeout = 120s;
}

backend node2 {
    .host = "10.0.0.12";
    .port = "8080";
    .probe = ready;
    .proxy_header = 2;
    .connect_timeout = 2s;
    .first_byte_timeout = 120s;
    .between_bytes_timeout = 120s;
}

sub vcl_init {
    new nodes = directors.shard();
    nodes.add_backend(node1);
    nodes.add_backend(node2);
    nodes.reconfigure();
}

sub vcl_recv {
    if (req.method != "GET" && req.method != "HEAD") {
        return (synth(405));
    }
    # A response depends on nothing but the path.
    set req.url = regsub(req.url, "\?.*$", "");
    set req.url = regsuball(req.url, "/+", "/");
    # The stock client sends "request=uncached".
    unset req.http.Cookie;
    unset req.http.Authorization;
    # It takes a correct partial response for a failure, and requests ranges of fullfiles only.
    if (req.url ~ "^/[0-9]+/files/" && req.http.User-Agent ~ "^swupd-client/") {
        unset req.http.Range;
    }
    # Pointers are never cached: a cache cannot replace latest and latest.sig in one step.
    if (req.url !~ "^/[0-9]+/") {
        return (pass);
    }
    # Other spellings of a name that has a copy already: a client must not fill the cache with them.
    if (req.url ~ "%" || req.url ~ "/\.\.?(/|$)") {
        return (pass);
    }
    return (hash);
}

sub vcl_hash {
    hash_data(req.url);
    return (lookup);
}

sub vcl_backend_fetch {
    # alt: the second try goes to another node, however many requests there are in between.
    if (bereq.url ~ "^/version/") {
        # One node for each connection of a client: pointers may have been published on one node a moment earlier.
        set bereq.backend = nodes.backend(by = KEY, alt = bereq.retries,
            key = nodes.key(client.ip + ":" + std.port(client.ip)));
    } else {
        set bereq.backend = nodes.backend(by = KEY, alt = bereq.retries, key = nodes.key(bereq.url));
    }
}

sub vcl_backend_response {
    # The other node may have the release already.
    if (beresp.status == 503 && bereq.retries == 0) {
        return (retry);
    }
    # What a release has never changes, so it may be served however old it is.
    if (beresp.status == 200 && beresp.http.Cache-Control ~ "immutable") {
        set beresp.grace = 30d;
        return (deliver);
    }
    # Requests for the same thing do not wait for each other.
    set beresp.uncacheable = true;
    set beresp.ttl = 10s;
    return (deliver);
}

sub vcl_backend_error {
    # Only GET and HEAD are repeated.
    if (bereq.retries == 0) {
        return (retry);
    }
    set beresp.http.Content-Type = "text/plain; charset=utf-8";
    set beresp.http.Cache-Control = "no-store";
    set beresp.http.Retry-After = "10";
    set beresp.body = beresp.reason + {"
"};
    return (deliver);
}

sub vcl_synth {
    set resp.http.Content-Type = "text/plain; charset=utf-8";
    set resp.http.Cache-Control = "no-store";
    if (resp.status == 405) {
        set resp.http.Allow = "GET, HEAD";
    }
    set resp.body = resp.reason + {"
"};
    return (deliver);
}
