#!/bin/bash
# The first process of the machine that the cluster runs on, which is also its login host. The
# namespaces around it are its own: when it ends the kernel ends all that is in them. It ends when
# its standard input does.
#
# machine.sh FOLDER PROGRAM: the cluster's folder, /srv from here on, and the partita under test.
set -euo pipefail
cd /
# shellcheck source=network.sh
. "$1/inside/network.sh"

mount --make-rprivate /
mount --bind "$1" /srv
# Before the folders are covered in which it may lie.
mount --bind "$2" /srv/bin/partita
mount --bind /srv/etc /etc/slurm
for file in hosts passwd group; do mount --bind "/srv/etc/$file" "/etc/$file"; done
mount --bind /srv/home /home
mount --bind /srv/hosts/login/tmp /tmp
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -m 755 /run/munge
hostname login
make_networks

munged --force --key-file=/etc/slurm/munge.key --seed-file=/srv/run/munge.seed \
  --pid-file=/srv/run/munged.pid --log-file=/srv/log/munged.log >>/srv/log/munged.out 2>&1
slurmctld -D </dev/null >>/srv/log/slurmctld.out 2>&1 &
for number in $NUMBERS; do /srv/inside/node.sh start "node$number"; done

usable() { sinfo -h -N -p cpu -t idle -o '%N %t' 2>/dev/null | grep -vc '\*' || true; }
until [ "$(usable)" = "$(wc -w <<<"$NUMBERS")" ]; do sleep 0.1; done
touch /srv/run/ready

while read -r _; do :; done
