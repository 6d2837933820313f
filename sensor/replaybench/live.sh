#!/usr/bin/env bash
# Sends a capture over a cable (veth, in a network namespace of its own) as fast as this
# machine can, and shows what each reader received and what it cost. Needs root,
# tcpreplay, tcpdump, curl. Usage: live.sh RMMWATCH CAPTURE [LOOPS]
set -euo pipefail
if [[ ${1:-} != --inside ]]; then
  go build -o /tmp/replaybench.$$ "./$(dirname "$0")"
  trap 'rm -f /tmp/replaybench.$$' EXIT
  unshare -n bash "$0" --inside "/tmp/replaybench.$$" "$(realpath "$1")" "$(realpath "$2")" "${3:-2}"
  exit
fi
bench=$2 rmmwatch=$3 capture=$4 loops=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ip link set lo up
ip link add eth0 mtu 65535 type veth peer name peer mtu 65535
ip link set peer up
ip link set eth0 up

# cpu PID: seconds of CPU, user and system
cpu() { awk -v t="$(getconf CLK_TCK)" '{print ($14 + $15) / t}' "/proc/$1/stat"; }

row() { printf '%-34s %10s %10s %10s %8s %10s\n' "$@"; }
row reader offered received dropped "CPU s" "us/packet"

# arrived: frames on eth0. sending: until the first of the capture is there; tcpreplay reads it all before.
arrived() { awk '$1 == "eth0:" {print $3}' /proc/net/dev; }
sending() { while (($(arrived) < $1 + 1000)); do sleep 0.05; done; }

# measure NAME COMMAND...: runs it while the capture is sent, and prints a row.
measure() {
  local name=$1 pid sent got drops before seconds
  shift
  "$@" >"$work/out" 2>"$work/err" &
  pid=$!
  sleep 2
  before=$(arrived)
  tcpreplay -q -i peer --topspeed --loop="$loops" --preload-pcap "$capture" >"$work/sent" 2>&1 &
  sending "$before"
  before=$(cpu $pid)
  wait $!
  sleep 1
  seconds=$(awk -v a="$before" -v b="$(cpu $pid)" 'BEGIN {print b - a}')
  sent=$(awk '/Successful packets/ {print $3}' "$work/sent")
  got="" drops=""
  if [[ $name == rmmwatch* ]]; then
    curl -s http://127.0.0.1:9477/metrics >"$work/metrics"
    got=$(awk '/^rmmwatch_packets_total/ {n += $2} END {printf "%d", n}' "$work/metrics")
    drops=$(awk '/^rmmwatch_capture_drops_total/ {n += $2} END {printf "%d", n}' "$work/metrics")
    kept=$(awk '/^rmmwatch_shunt_packets_total.*counted/ {n += $2} END {printf "%d", n}' "$work/metrics")
    ((kept == 0)) || name="$name (shunt kept $((100 * kept / sent)) %)"
  fi
  kill -TERM $pid
  wait $pid || true
  case $name in
  tcpdump*)
    got=$(awk '/packets captured/ {print $1}' "$work/err")
    drops=$(awk '/dropped by kernel/ {print $1}' "$work/err")
    ;;
  gopacket*) got=$(awk '{print $1}' "$work/out") drops=$((sent - got)) ;;
  esac
  row "$name" "$sent" "$got" "$drops" "$seconds" "$(awk -v s="$seconds" -v n="$sent" -v d="${drops:-0}" 'BEGIN {printf "%.3f", s * 1e6 / (n - d)}')"
}

config() { printf 'http: 127.0.0.1:9477\nstate: %s\noutputs: [file: {path: %s}]\ncapture: {ring_mib: 256, workers: 1, shunt: "%s"}\n' "$work/$1" "$work/$1.json" "$1" >"$work/$1.yaml"; }
config off
config on
measure "rmmwatch, one worker" "$rmmwatch" watch -i eth0 --quiet --config "$work/off.yaml"
measure "rmmwatch, shunt" "$rmmwatch" watch -i eth0 --quiet --config "$work/on.yaml"
measure "tcpdump -w /dev/null" tcpdump -i eth0 -B 262144 -w /dev/null
measure "gopacket, pcapgo.EthernetHandle" "$bench" -ethernet eth0
