#!/bin/bash
# The first process of one host: it sets the host up, starts slurmd (again, with SIGUSR1), and
# lives. When it is killed the host is gone with all its processes.
#
# host.sh NAME
set -euo pipefail
name=$1
mount --make-rprivate /
hostname "$name"
mount --bind "/srv/hosts/$name/tmp" /tmp
# The disk on which jobs get their scratch folders.
mount --bind "/srv/hosts/$name/scratch" /mnt
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
# As on a machine of its own: the control groups begin at the host's.
while read -r folder; do
  controller=$(cut -d/ -f5 <<<"$folder")
  umount "/sys/fs/cgroup/$controller"
  mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller"
done </srv/run/control-groups
ip link set lo up
for _ in $(seq 500); do
  [ -n "$(ip -4 -o addr show dev ib0 up 2>/dev/null)" ] && break
  sleep 0.01
done
start_slurmd() { slurmd -D -N "$name" </dev/null >>"/srv/log/slurmd-$name.out" 2>&1 & }
trap start_slurmd USR1
start_slurmd
# `wait` ends with each signal that is trapped; sleep ends seldom.
while :; do
  sleep 3600 &
  wait $! || true
done
