#!/usr/bin/env bash
# Records vnc.pcap: TigerVNC's viewer shows the desktop of TigerVNC's server, on port 5907.
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"
need tigervnc-standalone-server tigervnc-viewer xvfb
hosts

start on_server Xtigervnc :77 -rfbport 5907 -SecurityTypes None -geometry 320x240 -depth 16 -AlwaysShared
wait_for listens 5907
start on_client Xvfb :78 -screen 0 640x480x24
wait_for test -S /tmp/.X11-unix/X78

start_capture vnc 150
DISPLAY=:78 start on_client xtigervncviewer -SecurityTypes None "$server::5907"
wait_for has_packets vnc 15
sleep 1
finish_capture vnc
echo "tigervnc $(version_of tigervnc-standalone-server)"
