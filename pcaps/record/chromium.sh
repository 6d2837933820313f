#!/usr/bin/env bash
# Records chromium-tls.pcap and chromium-quic.pcap: Chromium fetches a page from a host of AnyDesk's name, which its
# resolver rules map to our own server, first over TCP, then over QUIC.
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"
need chromium
hosts

name=relay-3185a847.net.anydesk.com
(cd "$record_dir" && go build -o "$work/webserver" ./webserver)
ip netns exec rmmw-b "$work/webserver" "$server:443" "$name" >"$work/spki" 2>>"$work/log" &
wait_for listens 443
wait_for listens 443 --udp

# fetch NAME FLAG... records one visit.
fetch() {
    local capture=$1
    shift
    start_capture "$capture" 80
    on_client timeout 60 chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --disable-default-apps --user-data-dir="$work/$capture-profile" \
        --host-resolver-rules="MAP $name $server, MAP * ~NOTFOUND" \
        --ignore-certificate-errors-spki-list="$(cat "$work/spki")" "$@" \
        --dump-dom "https://$name/" >"$work/$capture.html" 2>>"$work/log"
    grep "$name over" "$work/$capture.html"
    finish_capture "$capture"
}

fetch chromium-tls --disable-quic
fetch chromium-quic --enable-quic --origin-to-force-quic-on="$name:443"
echo "chromium $(version_of chromium)"
