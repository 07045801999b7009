#!/bin/sh
# A Dask scheduler and two workers on three machines that are none: this network namespace, and two more, each
# with a cable to a switch in this one. The scheduler is 10.78.0.1:8786, worker N is 10.78.0.N with N 2 or 3.
#
#   unshare --net sh three_machines.sh FOLDER PYTHON COMMAND...
#
# FOLDER gets network.1 to network.3, which name the namespaces, and worker.2 and worker.3, the workers' pids.
# COMMAND runs beside the scheduler; when it ends, so does all else.
set -eu
folder=$1 python=$2

if [ -n "${CINEFOLEY_NODE:-}" ]; then # a worker: wait for the cable
    touch "$folder/machine.$CINEFOLEY_NODE"
    until ip link show cable >/dev/null 2>&1; do sleep 0.1; done
    ip link set lo up
    ip addr add "10.78.0.$CINEFOLEY_NODE/24" dev cable
    ip link set cable up
    readlink /proc/self/ns/net >"$folder/network.$CINEFOLEY_NODE"
    echo $$ >"$folder/worker.$CINEFOLEY_NODE"
    exec "$python" -m dask worker tcp://10.78.0.1:8786 --nthreads 1 --no-nanny --no-dashboard \
        --host "10.78.0.$CINEFOLEY_NODE" --death-timeout 120 --local-directory "$folder"
fi

shift 2
readlink /proc/self/ns/net >"$folder/network.1"
ip link set lo up
ip link add switch type bridge
ip addr add 10.78.0.1/24 dev switch
ip link set switch up
others=
trap 'kill $others 2>/dev/null || true' EXIT
for node in 2 3; do
    CINEFOLEY_NODE=$node unshare --net sh "$0" "$folder" "$python" >"$folder/worker.$node.log" 2>&1 &
    others="$others $!"
    until [ -e "$folder/machine.$node" ]; do sleep 0.1; done
    ip link add "port$node" type veth peer name cable netns "$!"
    ip link set "port$node" master switch
    ip link set "port$node" up
done
"$python" -m dask scheduler --host 10.78.0.1 --port 8786 --no-dashboard >"$folder/scheduler.log" 2>&1 &
others="$others $!"
"$@"
