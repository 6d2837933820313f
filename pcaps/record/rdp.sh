#!/usr/bin/env bash
# Records rdp.pcap: FreeRDP connects to xrdp over TLS and stops at the login, on port 33890.
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"
need xrdp freerdp2-x11 xvfb openssl
hosts

openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=desk.corp.example' \
    -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
sed -e 's/^port=.*/port=33890/' -e "s|^certificate=.*|certificate=$work/cert.pem|" -e "s|^key_file=.*|key_file=$work/key.pem|" \
    -e 's/^security_layer=.*/security_layer=tls/' -e 's|^LogFile=.*|LogFile=/dev/null|' /etc/xrdp/xrdp.ini >"$work/xrdp.ini"
start on_server xrdp --nodaemon --config "$work/xrdp.ini"
wait_for listens 33890
start on_client Xvfb :79 -screen 0 800x600x24
wait_for test -S /tmp/.X11-unix/X79

start_capture rdp 120
DISPLAY=:79 HOME="$work" start on_client xfreerdp "/v:$server:33890" /u:operator /p:none /cert:ignore /sec:tls /size:320x240 /bpp:8
wait_for has_packets rdp 30
sleep 1
finish_capture rdp
echo "xrdp $(version_of xrdp), freerdp $(version_of freerdp2-x11)"
