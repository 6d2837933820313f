#!/usr/bin/env bash
# Records meshcentral-session.pcap: a real MeshCentral agent, enrolled over TLS 1.2 and left alone; then somebody opens a
# terminal on it from the server's side and types; then it is left alone again. Only the agent's traffic crosses the cable.
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=sessions.sh
source "$(dirname "$0")/sessions.sh"
need nodejs openssl curl
hosts meshcentral-session

version=1.1.55
cache=${RECORD_CACHE:-$HOME/.cache/rmmwatch-record}/meshcentral-$version
if [ ! -d "$cache/node_modules/meshcentral" ]; then
    mkdir -p "$cache"
    (cd "$cache" && npm install --no-audit --no-fund "meshcentral@$version") >&2
fi
package=$cache/node_modules/meshcentral
url=wss://$server:8444
ctl() {
    local verb=$1
    shift
    on_server node "$package/meshctrl.js" "$verb" --url "$url" --loginuser admin --loginpass Rec0rd-only "$@"
}
first_id() { node -pe 'JSON.parse(require("fs").readFileSync(0))[0]._id.split("/")[2]'; }

mkdir -p "$work/data" "$work/files" "$work/agent"
cat >"$work/data/config.json" <<CONFIG
{"settings": {"cert": "$server", "WANonly": true, "port": 8444, "redirPort": 0, "mpsPort": 0, "selfUpdate": false,
  "exactPorts": true}, "domains": {"": {"newAccounts": false}}}
CONFIG
node=(node "$package" --datapath "$work/data" --filespath "$work/files")
cd "$cache"
export NODE_OPTIONS=--tls-max-v1.2
on_server "${node[@]}" --createaccount admin --pass Rec0rd-only --email admin@corp.example >>"$work/log" 2>&1
on_server "${node[@]}" --adminaccount admin >>"$work/log" 2>&1
start on_server "${node[@]}"
wait_for listens 8444
wait_for ctl AddDeviceGroup --name desk
group=$(ctl ListDeviceGroups --json | first_id)
install -m 755 "$package/agents/meshagent_x86-64" "$work/agent/meshagent"
on_client curl -ksSG "https://$server:8444/meshsettings" --data-urlencode "id=$group" |
    sed "s|^MeshServer=.*|MeshServer=$url/agent.ashx|" >"$work/agent/meshagent.msh"
cd "$work/agent"
start on_client ./meshagent connect
cd "$cache"
connected() { ctl ListDevices --json | grep -q '"conn": 1'; }
wait_for connected
device=$(ctl ListDevices --json | first_id)

play on_server env STAY=1 IDLE_AFTER=20 python3 "$record_dir/hands.py" "$in_use" \
    pty node "$package/meshctrl.js" shell --url "$url" --loginuser admin --loginpass Rec0rd-only --id "$device"
finish_capture meshcentral-session
echo "meshcentral $version, its agents/meshagent_x86-64"
