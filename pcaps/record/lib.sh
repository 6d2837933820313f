# shellcheck shell=bash
# Sourced by the recording scripts beside it. Gives each its two hosts, 10.77.0.1 (the client, namespace rmmw-a) and
# 10.77.0.2 (the server, namespace rmmw-b), joined by a cable that leads nowhere else, and takes everything away
# again when the script ends, however it ends. Needs root and Debian's iproute2, ethtool and tcpdump.
set -euo pipefail

record_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
pcaps_dir=${PCAPS_DIR:-$(dirname "$record_dir")}
client=10.77.0.1
server=10.77.0.2
export client server
work=$(mktemp -d)
tcpdump_pid=

# end_all ends every process of the two namespaces, which hold nothing but what the script started.
end_all() {
    local ns signal
    for signal in TERM TERM KILL; do
        for ns in rmmw-a rmmw-b; do
            ip netns pids "$ns" 2>/dev/null | xargs -r kill "-$signal" 2>/dev/null || true
        done
        sleep 0.3
    done
}

# cleanup takes away processes, namespaces and the work folder.
cleanup() {
    end_all
    if [ -n "$tcpdump_pid" ]; then kill "$tcpdump_pid" 2>/dev/null || true; fi
    ip netns del rmmw-a 2>/dev/null || true
    ip netns del rmmw-b 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

# need installs the Debian packages that are missing. RUNLEVEL=1 keeps their services from starting.
need() {
    local package missing=()
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >&2
    fi
}

# hosts makes the two namespaces. Offloads are off, so that the capture has the packets of the wire, with checksums.
hosts() {
    need iproute2 ethtool tcpdump procps
    local ns
    for ns in rmmw-a rmmw-b; do
        ip netns del "$ns" 2>/dev/null || true
        ip netns add "$ns"
    done
    ip link add rmmw-veth-a netns rmmw-a type veth peer name rmmw-veth-b netns rmmw-b
    for ns in a b; do
        ip netns exec "rmmw-$ns" sysctl -q -w net.ipv6.conf.all.disable_ipv6=1
        ip netns exec "rmmw-$ns" ethtool -K "rmmw-veth-$ns" tx off rx off tso off gso off gro off >/dev/null
        ip -n "rmmw-$ns" link set lo up
        ip -n "rmmw-$ns" link set "rmmw-veth-$ns" up
    done
    ip -n rmmw-a addr add "$client/24" dev rmmw-veth-a
    ip -n rmmw-b addr add "$server/24" dev rmmw-veth-b
}

on_client() { ip netns exec rmmw-a "$@"; }
on_server() { ip netns exec rmmw-b "$@"; }

# start runs a command on a host in the background, to be ended with the script; its output is in $work/log.
start() {
    "$@" >>"$work/log" 2>&1 &
}

# start_capture NAME [PACKETS] records what crosses the cable to NAME.pcap, at most that many packets.
start_capture() {
    ip netns exec rmmw-a tcpdump -i rmmw-veth-a -Z root -U -s 0 -c "${2:-400}" -w "$work/$1.pcap" ip >>"$work/log" 2>&1 &
    tcpdump_pid=$!
    wait_for test -s "$work/$1.pcap"
}

# has_packets NAME COUNT: has the running recording seen as many?
has_packets() { [ "$(tcpdump -r "$work/$1.pcap" 2>/dev/null | wc -l)" -ge "$2" ]; }

# finish_capture NAME ends the recording and keeps it.
finish_capture() {
    sleep 0.5
    kill -INT "$tcpdump_pid" 2>/dev/null || true
    wait "$tcpdump_pid" 2>/dev/null || true
    install -m 644 "$work/$1.pcap" "$pcaps_dir/$1.pcap"
    echo "$pcaps_dir/$1.pcap: $(tcpdump -r "$work/$1.pcap" 2>/dev/null | wc -l) packets"
}

# wait_for COMMAND... waits until the command succeeds, for half a minute at most.
wait_for() {
    local try
    for try in $(seq 150); do
        if "$@" >/dev/null 2>&1; then
            return 0
        fi
        sleep 0.2
    done
    echo "gave up after $try tries: $*" >&2
    tail -20 "$work/log" >&2 || true
    return 1
}

# listens PORT [--udp]: does anything on the server listen there?
listens() {
    on_server ss -Hln "${2:---tcp}" "sport = :$1" | grep -q .
}

# version_of PACKAGE is its Debian version.
version_of() { dpkg-query -W -f='${Version}' "$1"; }
