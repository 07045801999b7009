#!/bin/sh
# Run one command on two machines that are none: this network namespace, and one more, with a cable between
# them. Machine 0 is 10.77.0.1, machine 1 is 10.77.0.2, and the interface is called "cable" on both.
#
#   unshare --net sh two_machines.sh FOLDER COMMAND...     NODE in COMMAND becomes 0 or 1
set -eu
folder=$1
shift

on_machine() { # NODE COMMAND...: wait for the cable, then run the command
    node=$1
    shift
    until ip link show cable >/dev/null 2>&1; do sleep 0.1; done
    ip link set lo up
    ip addr add "10.77.0.$((node + 1))/24" dev cable
    ip link set cable up
    readlink /proc/self/ns/net >"$folder/network.$node"
    for word in "$@"; do
        shift
        set -- "$@" "$(printf %s "$word" | sed "s/NODE/$node/")"
    done
    exec "$@"
}

if [ "${CINEFOLEY_NODE:-}" = 1 ]; then
    touch "$folder/machine-1-is-there"
    on_machine 1 "$@"
fi
CINEFOLEY_NODE=1 unshare --net sh "$0" "$folder" "$@" &
other=$!
trap 'kill $other 2>/dev/null || true' EXIT
until [ -e "$folder/machine-1-is-there" ]; do sleep 0.1; done
ip link add cable type veth peer name cable netns "$other"
(on_machine 0 "$@")
wait "$other"
