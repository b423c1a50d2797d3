# How the Containerfile differs from the configuration of the image: not at all, and then the result is true.

def pairs: [scan("([^ =]+)=(?:\"([^\"]*)\"|([^ ]+))") | {key: .[0], value: (.[1] // .[2])}];
def nanoseconds: rtrimstr("s") | tonumber * 1000000000;

($text
    | split("\n") | map(select(startswith("#") | not)) | join("\n") | gsub("\\\\\n *"; "")
    | split("\nFROM scratch\n")[1] | split("\n") | map(select(. != "") | capture("^(?<word>[A-Z]+) (?<rest>.*)$"))
) as $lines
| (reduce $lines[] as {$word, $rest} ({};
    if $word == "COPY" then .
    elif $word == "USER" then .User = $rest
    elif $word == "WORKDIR" then .WorkingDir = $rest
    elif $word == "STOPSIGNAL" then .StopSignal = $rest
    elif $word == "ENTRYPOINT" then .Entrypoint = ($rest | fromjson)
    elif $word == "CMD" then .Cmd = ($rest | fromjson)
    elif $word == "EXPOSE" then .ExposedPorts = ($rest | split(" ") | map({key: ., value: {}}) | from_entries)
    elif $word == "VOLUME" then .Volumes = ($rest | fromjson | map({key: ., value: {}}) | from_entries)
    elif $word == "ENV" then .Env = ($rest | pairs | map("\(.key)=\(.value)"))
    elif $word == "LABEL" then .Labels = ($rest | pairs | from_entries)
    elif $word == "HEALTHCHECK" then ($rest | capture(
            "^--interval=(?<interval>\\d+s) --timeout=(?<timeout>\\d+s) --start-period=(?<start>\\d+s) --retries=(?<retries>\\d+) CMD (?<test>.*)$"
        )) as $check
        | .Healthcheck = {
            Test: (["CMD"] + ($check.test | fromjson)),
            Interval: ($check.interval | nanoseconds),
            Timeout: ($check.timeout | nanoseconds),
            StartPeriod: ($check.start | nanoseconds),
            Retries: ($check.retries | tonumber)
        }
    else error("unknown instruction \($word)") end
)) as $said
# These depend on the build.
| ($config[0].config | .Labels |= del(.["org.opencontainers.image.created", "org.opencontainers.image.version",
    "org.opencontainers.image.revision"])) as $built
| if $said == $built then true
  else ($built | keys + ($said | keys) | unique[] | select($said[.] != $built[.])
    | "\(.): \($said[.]) in place of \($built[.])"), false end
