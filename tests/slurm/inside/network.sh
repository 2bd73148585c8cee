# The hosts' network, for machine.sh and node.sh to read: two links for each host, as a cluster
# has Ethernet and InfiniBand, each with addresses of both versions. The addresses are of the
# ranges for tests and for private use, in a network namespace that leads nowhere else.

NUMBERS="1 2 3 4"
LOGIN_NUMBER=254
LINKS="eth ib"

# address4 LINK NUMBER, address6 LINK NUMBER
address4() { case $1 in eth) echo "198.18.77.$2" ;; ib) echo "198.18.78.$2" ;; esac; }
address6() { case $1 in eth) echo "fd77::$2" ;; ib) echo "fd78::$2" ;; esac; }

# Bridges on the login host, to which the other hosts are tied.
make_networks() {
  ip link set lo up
  for link in $LINKS; do
    ip link add "br-$link" type bridge
    ip addr add "$(address4 "$link" $LOGIN_NUMBER)/24" dev "br-$link"
    ip addr add "$(address6 "$link" $LOGIN_NUMBER)/64" dev "br-$link" nodad
    ip link set "br-$link" up
  done
}

# tie NUMBER PID: gives the host with this first process its links. One end of each stays here.
tie() {
  for link in $LINKS; do
    local here="$link-$1" there="${link}0"
    ip link del "$here" 2>/dev/null || true
    ip link add "$here" type veth peer name "$there" netns "$2"
    ip link set "$here" master "br-$link" up
    nsenter -t "$2" -n ip addr add "$(address4 "$link" "$1")/24" dev "$there"
    nsenter -t "$2" -n ip addr add "$(address6 "$link" "$1")/64" dev "$there" nodad
    nsenter -t "$2" -n ip link set "$there" up
  done
}

# Names as Slurm and people use them; those of the second link and of version 6 have endings.
print_hosts() {
  echo "127.0.0.1 localhost"
  echo "::1 localhost"
  for number in $NUMBERS $LOGIN_NUMBER; do
    local name="node$number"
    [ "$number" != $LOGIN_NUMBER ] || name=login
    echo "$(address4 eth "$number") $name"
    echo "$(address4 ib "$number") $name-ib"
    echo "$(address6 eth "$number") $name-v6"
  done
}
