#!/usr/bin/env bash
# Records three captures of a real MeshCentral agent that connects to a real MeshCentral server, both from the npm
# package meshcentral: meshcentral.pcap over TLS 1.3, as the server comes; meshcentral-tls12.pcap with the server held
# at TLS 1.2, where its self-made certificate shows; meshcentral-clear.pcap without TLS, as behind a reverse proxy.
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"
need nodejs openssl curl
hosts

version=1.1.55
cache=${RECORD_CACHE:-$HOME/.cache/rmmwatch-record}/meshcentral-$version
if [ ! -d "$cache/node_modules/meshcentral" ]; then
    mkdir -p "$cache"
    (cd "$cache" && npm install --no-audit --no-fund "meshcentral@$version") >&2
fi
package=$cache/node_modules/meshcentral

# serve NAME PORT SETTINGS starts a server that keeps its data in $work/NAME.
serve() {
    local node=(node "$package" --datapath "$work/$1" --filespath "$work/$1-files")
    mkdir -p "$work/$1" "$work/$1-files"
    cat >"$work/$1/config.json" <<CONFIG
{"settings": {"cert": "$server", "WANonly": true, "port": $2, "redirPort": 0, "mpsPort": 0, "selfUpdate": false,
  "exactPorts": true, $3}, "domains": {"": {"newAccounts": false}}}
CONFIG
    (
        cd "$cache"
        on_server "${node[@]}" --createaccount admin --pass Rec0rd-only --email admin@corp.example
        on_server "${node[@]}" --adminaccount admin
    ) >>"$work/log" 2>&1
    cd "$cache"
    start on_server "${node[@]}"
    cd - >/dev/null
    wait_for listens "$2"
}

# group NAME WEBSOCKET-URL makes a device group and prints the id of the server's first one.
group() {
    local ctl=(node "$package/meshctrl.js" --url "$2" --loginuser admin --loginpass Rec0rd-only)
    on_server "${ctl[@]}" AddDeviceGroup --name "$1" >>"$work/log" 2>&1
    on_server "${ctl[@]}" ListDeviceGroups --json | node -pe 'JSON.parse(require("fs").readFileSync(0))[0]._id.split("/")[2]'
}

# agent NAME HTTP-URL WEBSOCKET-URL enrols an agent in a new group and records its connection.
agent() {
    local id dir=$work/$1-agent
    cd "$cache"
    wait_for group "$1" "$3"
    id=$(group "$1" "$3")
    mkdir -p "$dir"
    install -m 755 "$package/agents/meshagent_x86-64" "$dir/meshagent"
    on_client curl -ksSG "$2/meshsettings" --data-urlencode "id=$id" |
        sed "s|^MeshServer=.*|MeshServer=$3/agent.ashx|" >"$dir/meshagent.msh"
    start_capture "$1" 40
    cd "$dir"
    start on_client ./meshagent connect
    cd "$cache"
    wait_for has_packets "$1" 12
    sleep 1
    finish_capture "$1"
}

serve tls13 8443 '"tlsOffload": false'
agent meshcentral "https://$server:8443" "wss://$server:8443"
NODE_OPTIONS=--tls-max-v1.2 serve tls12 8444 '"tlsOffload": false'
agent meshcentral-tls12 "https://$server:8444" "wss://$server:8444"
serve clear 8080 '"tlsOffload": true'
agent meshcentral-clear "http://$server:8080" "ws://$server:8080"
echo "meshcentral $version, its agents/meshagent_x86-64"
