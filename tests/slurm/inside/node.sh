#!/bin/bash
# Makes, breaks and mends one host. It runs on the login host, as root.
#
# node.sh start NODE          makes the host and starts its slurmd
# node.sh kill NODE           the host crashes: all its processes are killed at once
# node.sh renew NODE          makes it anew, whatever state it is in; its jobs are gone
# node.sh stop-slurmd NODE    kills its slurmd alone; jobs run on
# node.sh start-slurmd NODE   starts slurmd again
# node.sh cut NODE [LINK]     takes its links down, or one of them (eth, ib)
# node.sh heal NODE [LINK]    puts them up again
# node.sh exec NODE COMMAND   runs a command on it
set -euo pipefail
# shellcheck source=network.sh
. /srv/inside/network.sh
operation=$1 name=$2
shift 2
number=${name#node}
recorded=/srv/run/$name.pid

# The host's first process: the one child of the recorded `unshare`.
first() { awk '{print $1}' "/proc/$(cat "$recorded")/task/$(cat "$recorded")/children"; }

start() {
  mkdir -p "/srv/spool/$name" "/srv/hosts/$name/"{tmp,scratch}
  chmod 1777 "/srv/hosts/$name/"{tmp,scratch}
  rm -f "/srv/run/slurmd-$name.pid"
  local folder folders=()
  # Slurm makes its control groups below that of the host, so that clusters never meet in them.
  while read -r folder; do
    mkdir -p "$folder/$name"
    folders+=("$folder/$name/cgroup.procs")
  done </srv/run/control-groups
  # The inner $$ is the pid of the shell that becomes `unshare`.
  # shellcheck disable=SC2016
  setsid bash -c 'for file in "${@:2}"; do echo $$ >"$file"; done
    exec unshare --cgroup --uts --mount --pid --net --fork --kill-child --mount-proc \
      /srv/inside/host.sh "$1"' host "$name" "${folders[@]}" \
    </dev/null >>"/srv/log/$name.out" 2>&1 &
  local outer=$! own init
  echo "$outer" >"$recorded"
  own=$(readlink /proc/self/ns/net)
  for _ in $(seq 500); do
    init=$(first 2>/dev/null) && [ -n "$init" ] &&
      [ "$(readlink "/proc/$init/ns/net")" != "$own" ] && break
    sleep 0.01
  done
  tie "$number" "$init"
}

slurmd_of() {
  local child
  for child in $(cat "/proc/$1/task/"*/children); do
    [ "$(cat "/proc/$child/comm")" != slurmd ] || echo "$child"
  done
}

each_link() { for link in ${2:-$LINKS}; do ip link set "$link-$number" "$1"; done; }

crash() {
  # Without its links nobody is told that its connections end.
  each_link down
  kill -9 "$(cat "$recorded")"
  rm -f "$recorded"
}

case $operation in
start) start ;;
kill) crash ;;
renew)
  [ ! -e "$recorded" ] || crash
  # Else Slurm asks the node for a minute what became of jobs that it never heard of.
  scontrol update "nodename=$name" state=down reason=renewed
  start
  ;;
stop-slurmd) kill -9 "$(slurmd_of "$(first)")" ;;
start-slurmd) kill -USR1 "$(first)" ;;
cut) each_link down "$@" ;;
heal) each_link up "$@" ;;
exec) exec nsenter -t "$(first)" -u -m -p -n -- "$@" ;;
*) sed -n 's/^# node.sh/node.sh/p' "$0" >&2; exit 2 ;;
esac
