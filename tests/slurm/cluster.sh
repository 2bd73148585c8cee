#!/bin/bash
# A real Slurm of four hosts on one machine, for the tests and for people who want to look.
#
# Every host is a set of kernel namespaces with a name, addresses, processes, temporary folders
# and control groups of its own, and one slurmd. All of them live inside one more set, the
# machine, which is the login host too: when its first process ends everything is gone.
#
# cluster.sh check                   says what is missing here, if anything is
# cluster.sh serve FOLDER            brings a cluster up in FOLDER, which it makes and removes;
#                                    the file FOLDER/run/ready says when; ends with standard input
# cluster.sh up [FOLDER]             the same in the background, until `down`; returns when ready
# cluster.sh login [-u USER] [FOLDER] [-- COMMAND]
#                                    runs a command (a shell without one) on the login host, as
#                                    the user ada unless another is named (bob, cleo, dirk, eve,
#                                    root), in the user's home
# cluster.sh node OPERATION NODE [FOLDER]
#                                    start, kill, renew, stop-slurmd, start-slurmd, cut, heal
# cluster.sh down [FOLDER]           ends it
#
# Environment: PARTITA_PROGRAM is the partita that hosts have as /srv/bin/partita.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Users of the cluster, known inside it alone.
users="ada:22001 bob:22002 cleo:22003 dirk:22004 eve:22005"
# Seconds that a cluster may take to come up.
ready_s_max=60
# Where the kernel shows control groups of version 1, and those that Slurm uses.
groups_root=/sys/fs/cgroup
controllers="freezer memory cpuset"

default_folder() { echo "${TMPDIR:-/tmp}/partita-slurm-by-hand"; }

# Prints what is missing, one thing a line.
missing() {
  [ "$(uname -s)" = Linux ] || echo "Linux"
  [ "$(id -u)" = 0 ] || echo "root (namespaces and slurmd need it)"
  local program
  for program in slurmctld slurmd sbatch munged; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null ||
      echo "$program (packages slurmctld, slurmd, slurm-client, munge: cargo xtask setup --slurm)"
  done
  for program in ip unshare nsenter setpriv; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null ||
      echo "$program (packages iproute2, util-linux)"
  done
  [ "$(id -u)" != 0 ] || unshare --mount --pid --net --uts --fork true 2>/dev/null ||
    echo "the right to make namespaces (a container needs --privileged)"
}

# Whether Slurm can use control groups here.
has_groups() {
  local controller
  for controller in $controllers; do
    [ -w "$groups_root/$controller/cgroup.procs" ] || return 1
  done
}

# Makes a control group for the cluster below this process's own, for each controller.
make_groups() { # FOLDER
  : >"$1/run/control-groups"
  if ! has_groups; then
    printf 'ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\n' >"$1/etc/control-groups.conf"
    return
  fi
  printf 'ProctrackType=proctrack/cgroup\nTaskPlugin=task/cgroup\n' >"$1/etc/control-groups.conf"
  local controller own folder
  for controller in $controllers; do
    own=$(sed -n "s/^[0-9]*:$controller://p" /proc/self/cgroup)
    folder=$groups_root/$controller${own%/}
    [ -d "$folder" ] || folder=$groups_root/$controller
    folder=$folder/partita-slurm-$$
    mkdir "$folder"
    # A cpuset takes no process before it has processors and memory.
    [ "$controller" != cpuset ] || {
      echo 1 >"$folder/cgroup.clone_children"
      cat "$folder/../cpuset.cpus" >"$folder/cpuset.cpus"
      cat "$folder/../cpuset.mems" >"$folder/cpuset.mems"
    }
    echo "$folder" >>"$1/run/control-groups"
  done
}

# Removes a cluster's control groups, once their processes are gone.
remove_groups() { # PID of `serve`
  [ -d "$groups_root" ] || return 0
  local top
  find "$groups_root" -type d -name "partita-slurm-$1" 2>/dev/null | while read -r top; do
    for _ in $(seq 100); do
      find "$top" -depth -type d -exec rmdir {} + 2>/dev/null || true
      [ -d "$top" ] || break
      sleep 0.05
    done
  done
}

# Removes what clusters left whose `serve` was killed.
sweep() {
  local top pid
  find "$groups_root" -type d -name 'partita-slurm-*' 2>/dev/null | while read -r top; do
    pid=${top##*-}
    [ -e "/proc/$pid" ] || remove_groups "$pid"
  done
}

configure() { # FOLDER
  mkdir -m 755 "$1" "$1"/{bin,etc,home,hosts,inside,log,run,spool,state} "$1/hosts/login"
  mkdir -m 1777 "$1/hosts/login/tmp"
  chmod 1777 "$1/log"
  cp "$here"/inside/* "$1/inside/"
  cp "$here"/etc/* "$1/etc/"
  chmod 755 "$1"/inside/*.sh "$1"/etc/*.sh
  : >"$1/bin/partita"
  cp /etc/passwd /etc/group "$1/etc/"
  local user
  for user in $users; do
    echo "${user%:*}:x:${user#*:}:${user#*:}::/home/${user%:*}:/bin/bash" >>"$1/etc/passwd"
    echo "${user%:*}:x:${user#*:}:" >>"$1/etc/group"
    mkdir -m 700 "$1/home/${user%:*}"
    chown "${user#*:}:${user#*:}" "$1/home/${user%:*}"
  done
  # shellcheck source=inside/network.sh
  (. "$here/inside/network.sh" && print_hosts) >"$1/etc/hosts"
  (umask 077 && head -c 128 /dev/urandom >"$1/etc/munge.key")
}

serve() { # FOLDER
  local lacking
  lacking=$(missing)
  [ -z "$lacking" ] || { printf 'no Slurm can run here, it lacks:\n%s\n' "$lacking" >&2; exit 3; }
  folder=$(realpath -m "$1")
  sweep
  configure "$folder"
  trap 'end' EXIT
  trap 'exit 143' TERM INT HUP
  make_groups "$folder"
  local program=${PARTITA_PROGRAM:-$(command -v partita || echo /bin/false)}
  unshare --mount --uts --net --pid --fork --kill-child --mount-proc \
    "$folder/inside/machine.sh" "$folder" "$(realpath "$program")" <&0 >"$folder/log/machine.out" 2>&1 &
  machine=$!
  echo "$machine" >"$folder/run/machine.pid"
  wait "$machine"
}

# What is left to do when `serve` ends, however it does; nothing of it may keep it from the rest.
end() {
  trap '' TERM INT HUP
  set +e
  if [ -n "${machine:-}" ]; then
    kill -9 "$machine" 2>/dev/null
    wait "$machine" 2>/dev/null
  fi
  [ -e "$folder/run/ready" ] || tail -n 20 "$folder/log/"*.out >&2
  remove_groups $$
  rm -rf --one-file-system "$folder"
}

up() { # FOLDER
  [ ! -e "$1" ] || { echo "$1 is there already: cluster.sh down" >&2; exit 1; }
  # A pipe to itself never ends.
  local pipe
  pipe=$(mktemp -u)
  mkfifo -m 600 "$pipe"
  setsid "${BASH_SOURCE[0]}" serve "$1" <>"$pipe" >/dev/null 2>"$1.log" &
  local serving=$!
  rm "$pipe"
  for _ in $(seq $((ready_s_max * 10))); do
    [ ! -e "$1/run/ready" ] || { echo "$serving" >"$1/run/serve.pid"; rm "$1.log"; return; }
    [ -e "/proc/$serving" ] || { cat "$1.log" >&2; exit 1; }
    sleep 0.1
  done
  end_serving "$serving"
  echo "not ready after $ready_s_max s" >&2
  exit 1
}

# Ends a `serve`, if that is what this process is, and waits until it has cleaned up.
end_serving() { # PID
  is_serving() { tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -q 'cluster.sh serve'; }
  ! is_serving "$1" || kill "$1"
  while is_serving "$1"; do sleep 0.02; done
}

down() { # FOLDER
  [ -s "$1/run/serve.pid" ] || { echo "nothing is up in $1" >&2; return 0; }
  end_serving "$(cat "$1/run/serve.pid")"
}

# The machine's first process.
first() { # FOLDER
  local outer
  outer=$(cat "$1/run/machine.pid")
  awk '{print $1}' "/proc/$outer/task/$outer/children"
}

inside() { # FOLDER COMMAND...
  local pid
  pid=$(first "$1")
  shift
  exec nsenter -t "$pid" -m -u -n -p -- "$@"
}

login() {
  local user=ada folder
  [ "${1:-}" != -u ] || { user=$2; shift 2; }
  folder=$(default_folder)
  [ $# = 0 ] || [ "$1" = -- ] || { folder=$1; shift; }
  shift || true
  [ $# != 0 ] || set -- bash
  inside "$folder" /srv/inside/as-user.sh "$user" "$@"
}

command=${1:-help}
shift || true
case $command in
check) lacking=$(missing); [ -z "$lacking" ] || { echo "$lacking"; exit 3; } ;;
serve) serve "$1" ;;
up) up "${1:-$(default_folder)}" ;;
down) down "${1:-$(default_folder)}" ;;
login) login "$@" ;;
node) inside "${3:-$(default_folder)}" /srv/inside/node.sh "$1" "$2" ;;
*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
