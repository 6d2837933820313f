#!/usr/bin/env bash
# Records openssh.pcap: an OpenSSH client runs one command on an OpenSSH server, on port 2222.
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"
need openssh-server openssh-client
hosts

ssh-keygen -q -t ed25519 -N '' -f "$work/host"
ssh-keygen -q -t ed25519 -N '' -f "$work/user"
cp "$work/user.pub" "$work/authorized_keys"
cat >"$work/sshd_config" <<CONFIG
Port 2222
ListenAddress $server
HostKey $work/host
AuthorizedKeysFile $work/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
PidFile none
CONFIG
mkdir -p /run/sshd
start on_server /usr/sbin/sshd -D -e -f "$work/sshd_config"
wait_for listens 2222

start_capture openssh 120
on_client ssh -p 2222 -i "$work/user" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
    "root@$server" 'echo hello; ls /usr' >"$work/out"
grep -q hello "$work/out"
finish_capture openssh
echo "openssh $(version_of openssh-server)"
