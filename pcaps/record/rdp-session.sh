#!/usr/bin/env bash
# Records rdp-session.pcap: FreeRDP on a desktop that xrdp shows, over TLS on port 33890: left alone, in use, left alone.
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=sessions.sh
source "$(dirname "$0")/sessions.sh"
need xrdp freerdp2-x11 openssl
hosts rdp-session

desktop 8
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=desk.corp.example' \
    -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
sed -e 's/^port=.*/port=33890/' -e "s|^certificate=.*|certificate=$work/cert.pem|" -e "s|^key_file=.*|key_file=$work/key.pem|" \
    -e 's/^security_layer=.*/security_layer=tls/' -e 's|^LogFile=.*|LogFile=/dev/null|' -e 's/^autorun=.*/autorun=desk/' \
    -e '/^\[Xorg\]/,$d' /etc/xrdp/xrdp.ini >"$work/xrdp.ini"
printf '[desk]\nname=desk\nlib=libvnc.so\nusername=na\npassword=\nip=127.0.0.1\nport=5908\n' >>"$work/xrdp.ini"
start on_server xrdp --nodaemon --config "$work/xrdp.ini"
wait_for listens 33890
viewer 79 xfreerdp "/v:$server:33890" /u:operator /p:none /cert:ignore /sec:tls /size:800x600 /bpp:16
sleep 5
play env DISPLAY=:79 python3 "$record_dir/hands.py" "$in_use" xdotool
finish_capture rdp-session
echo "xrdp $(version_of xrdp), freerdp $(version_of freerdp2-x11)"
