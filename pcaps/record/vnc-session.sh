#!/usr/bin/env bash
# Records vnc-session.pcap: TigerVNC's viewer on the desktop of TigerVNC's server, on port 5907: left alone, in use, left
# alone.
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=sessions.sh
source "$(dirname "$0")/sessions.sh"
need tigervnc-viewer
hosts vnc-session

desktop 7
viewer 78 xtigervncviewer -SecurityTypes None -FullScreen "$server::5907"
sleep 3
play env DISPLAY=:78 python3 "$record_dir/hands.py" "$in_use" xdotool
finish_capture vnc-session
echo "tigervnc $(version_of tigervnc-standalone-server)"
