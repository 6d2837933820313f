#!/usr/bin/env bash
# Records wireguard.pcap: two wireguard-go tunnels shake hands and carry a few pings, on port 51900.
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"
need wireguard-tools iputils-ping
hosts

if [ ! -c /dev/net/tun ]; then
    echo "this needs /dev/net/tun" >&2
    exit 1
fi
version=v0.0.0-20260522210424-ecfc5a8d5446
GOBIN="$work/bin" GOFLAGS=-mod=mod go install "golang.zx2c4.com/wireguard@$version"

for side in a b; do
    wg genkey >"$work/$side.key"
    wg pubkey <"$work/$side.key" >"$work/$side.pub"
done
# up SIDE PEER ENDPOINT TUNNEL-ADDRESS
up() {
    WG_PROCESS_FOREGROUND=1 start ip netns exec "rmmw-$1" "$work/bin/wireguard" -f "rmmw-wg-$1"
    wait_for test -S "/var/run/wireguard/rmmw-wg-$1.sock"
    ip netns exec "rmmw-$1" wg set "rmmw-wg-$1" listen-port 51900 private-key "$work/$1.key" \
        peer "$(cat "$work/$2.pub")" allowed-ips 10.78.0.0/24 endpoint "$3:51900"
    ip -n "rmmw-$1" addr add "$4/24" dev "rmmw-wg-$1"
    ip -n "rmmw-$1" link set "rmmw-wg-$1" up
}

start_capture wireguard 40
up a b "$server" 10.78.0.1
up b a "$client" 10.78.0.2
on_client ping -q -c 5 -i 0.3 10.78.0.2
finish_capture wireguard
echo "wireguard-go $version"
