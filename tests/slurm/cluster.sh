#!/usr/bin/env bash
# A real Slurm on this one host, from Debian's packages, for tests: `cluster.sh up` sets it up, `cluster.sh down` takes it away,
# `cluster.sh fetch` only fetches the packages.
# As root, on a machine that is nobody's cluster. The packages stay installed.
set -euo pipefail

CONF=/etc/slurm/slurm.conf
FOLDER=/var/tmp/slurm-for-tests
MARK="# Written by tests/slurm/cluster.sh"

die() { echo "cluster.sh: $*" >&2; exit 1; }

fetch() {
    command -v slurmctld slurmd munged > /dev/null && return
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends slurm-wlm munge
}

up() {
    if [[ -e $CONF ]] && ! grep -q "^$MARK" "$CONF"; then die "$CONF is somebody else's; nothing was changed."; fi
    fetch
    stop
    mkdir -p "$FOLDER"/{state,spool}
    # All of the memory but a twentieth: what the kernel keeps is not counted alike everywhere.
    cat > "$CONF" << END
$MARK
ClusterName=tests
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
StateSaveLocation=$FOLDER/state
SlurmdSpoolDir=$FOLDER/spool
SlurmctldPidFile=$FOLDER/slurmctld.pid
SlurmdPidFile=$FOLDER/slurmd.pid
SlurmctldLogFile=$FOLDER/slurmctld.log
SlurmdLogFile=$FOLDER/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
MinJobAge=86400
KillWait=10
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.95)}' /proc/meminfo)
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
    install -d -o munge -g munge /run/munge
    [[ -e /etc/munge/munge.key ]] || runuser -u munge -- mungekey
    munge -n 2> /dev/null | unmunge > /dev/null 2>&1 || runuser -u munge -- munged
    slurmctld
    slurmd
    for _ in $(seq 60); do
        if [[ $(sinfo --noheader --format=%T 2> /dev/null) == idle ]]; then
            echo "Slurm is up: $(nproc) cores on $(hostname -s)."
            return
        fi
        sleep 1
    done
    tail -n 5 "$FOLDER"/*.log >&2
    die "the node did not become idle within a minute."
}

# Ends the daemons that `up` started, by their process ids.
stop() {
    local pid file
    for file in "$FOLDER"/slurmctld.pid "$FOLDER"/slurmd.pid; do
        [[ -s $file ]] || continue
        pid=$(cat "$file")
        kill "$pid" 2> /dev/null || true
        for _ in $(seq 50); do kill -0 "$pid" 2> /dev/null || break; sleep 0.2; done
    done
}

down() {
    grep -qs "^$MARK" "$CONF" || die "there is no cluster of this script's."
    timeout 10 scancel --state=RUNNING --state=PENDING > /dev/null 2>&1 || true
    sleep 1
    stop
    if [[ -s /run/munge/munged.pid ]]; then kill "$(cat /run/munge/munged.pid)" 2> /dev/null || true; fi
    rm -rf "$CONF" "$FOLDER"
    echo "Slurm is down."
}

[[ $EUID == 0 ]] || die "run it as root."
case ${1:-} in
    fetch | up | down) "$1" ;;
    *) die "say fetch, up or down." ;;
esac
