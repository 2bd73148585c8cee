#!/bin/bash
# Runs a command as a user who has just logged in: in the home, with a bare environment.
#
# as-user.sh USER COMMAND...
set -euo pipefail
user=$1
shift
home=$(getent passwd "$user" | cut -d: -f6)
mkdir -p "$home"
cd "$home"
exec setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups \
  env -i HOME="$home" USER="$user" LOGNAME="$user" SHELL=/bin/bash LANG=C.UTF-8 \
  ${TERM:+TERM="$TERM"} PATH=/srv/bin:/usr/local/bin:/usr/bin:/bin "$@"
