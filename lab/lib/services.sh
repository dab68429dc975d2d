# shellcheck shell=bash
# What the machines run on: a libvirt, its network and its storage pool.
#
# Where a system libvirt answers it is used. Elsewhere (no systemd, a container, a build machine) the lab starts its own
# virtlogd and libvirtd inside a network namespace of its own, whose only way out is slirp4netns: nothing of the host's
# network is touched, and stopping it leaves nothing. The choice is remembered until `down` in $LAB_CACHE/run.

NETNS=xen-legi-lab
NETWORK=xen-legi-lab
POOL=xen-legi-lab
RUN=$LAB_CACHE/run
export LIBVIRT_DEFAULT_URI=qemu:///system

# A daemon is remembered by its process id together with its start time, so that a reused id is never taken for it.
start_time() { awk '{ print $22 }' "/proc/$1/stat" 2>/dev/null; }
remember() { echo "$2 $(start_time "$2")" >"$RUN/$1.pid"; }

# remembered NAME: its process id, if it still runs.
remembered() {
    local pid started
    read -r pid started 2>/dev/null <"$RUN/$1.pid" || return 1
    [[ -n $started && $(start_time "$pid") == "$started" ]] && echo "$pid"
}

libvirt_answers() { timeout 20 virsh -q list >/dev/null 2>&1; }

# own: the lab's own libvirt is in use (or was, when the machine went down under it).
own() { [[ -e $RUN/own ]]; }

namespace_exists() { [[ -e /run/netns/$NETNS ]]; }
in_namespace() { [[ $(ip netns identify $$) == "$NETNS" ]]; }

# inside CMD...: run it where the machines' addresses are reachable.
inside() {
    if ! own || in_namespace; then
        "$@"
    else
        ip netns exec "$NETNS" "$@"
    fi
}

# become CMD...: the same as the last thing that this program does.
become() {
    if ! own || in_namespace; then
        exec "$@"
    else
        exec ip netns exec "$NETNS" "$@"
    fi
}

# start_daemon NAME CMD...: in a session of its own and never in the background of its own accord, so that its process id is
# ours to know; every step to it is an exec. Without the locks, or it would hold them for ever.
start_daemon() {
    local name=$1
    shift
    [[ -z $(remembered "$name") ]] || return 0
    (
        exec 8>&- 9>&-
        exec setsid "$@" >"$RUN/$name.log" 2>&1 </dev/null
    ) &
    remember "$name" $!
    # not a job any more: what ends with this run must not end the daemons
    disown $!
}

start_namespace() {
    namespace_exists || ip netns add "$NETNS"
    # Programs in the namespace ask slirp4netns for names; the host's resolver may be on the host's loopback.
    mkdir -p "/etc/netns/$NETNS"
    echo 'nameserver 10.0.2.3' >"/etc/netns/$NETNS/resolv.conf"
    ip -n "$NETNS" link set lo up
    start_daemon slirp4netns slirp4netns --configure --mtu=65520 --disable-host-loopback --netns-type=path \
        "/run/netns/$NETNS" tap0
}

start_own_libvirt() {
    : >"$RUN/own"
    start_namespace
    start_daemon virtlogd ip netns exec "$NETNS" virtlogd
    start_daemon libvirtd ip netns exec "$NETNS" "$LAB_DIR/lib/run-libvirtd" "$RUN"
    local try
    for try in {1..60}; do
        ! libvirt_answers || return 0
        [[ -n $(remembered libvirtd) ]] || break
        sleep 0.5
    done
    fail "libvirtd does not answer: $(tail -n 1 "$RUN/libvirtd.log")" "all of it: $RUN/libvirtd.log"
}

# reservations: a name and a fixed address for each machine of both suites.
reservations() {
    local suite host
    for suite in bookworm trixie; do
        for host in $(host_names); do
            printf "<host mac='%s' ip='%s'/>\n" "$(mac_of "$host" 0 "$suite")" "$(address_of "$host" "$suite")"
        done
    done
}

network_xml() {
    cat <<END
<network>
  <name>$NETWORK</name>
  <forward mode='nat'/>
  <bridge name='xenlegi0' stp='off' delay='0'/>
  <ip address='10.213.0.1' netmask='255.255.255.0'>
    <dhcp>
      <range start='10.213.0.201' end='10.213.0.250'/>
      $(reservations)
    </dhcp>
  </ip>
</network>
END
}

# Network and pool are transient: they are gone when they are stopped.
start_network() {
    virsh -q net-info "$NETWORK" >/dev/null 2>&1 || virsh -q net-create <(network_xml) >/dev/null
}

start_pool() {
    virsh -q pool-info "$POOL" >/dev/null 2>&1 && return
    mkdir -p "$LAB_CACHE/pool"
    virsh -q pool-create-as "$POOL" dir --target "$LAB_CACHE/pool" >/dev/null
}

start_services() {
    need_programs virsh ip qemu-system-x86_64 qemu-img ipmi_sim
    mkdir -p "$RUN"
    find_accel
    if own || ! libvirt_answers; then
        need_programs libvirtd virtlogd slirp4netns dnsmasq iptables tini
        start_own_libvirt
    fi
    start_network
    start_pool
    start_bmcs
}

# ancestors: this process and those above it, which must survive a `down` that they themselves started inside the namespace.
ancestors() {
    local pid=$$
    while [[ $pid -gt 1 ]]; do
        echo "$pid"
        pid=$(awk '{ print $4 }' "/proc/$pid/stat")
    done
}

# lab_processes: everything that lives in the lab's namespace, which holds nothing else, and the daemons on record.
lab_processes() {
    local name
    {
        if namespace_exists; then ip netns pids "$NETNS"; fi
        for name in slirp4netns virtlogd libvirtd $(bmc_names); do remembered "$name" || true; done
    } | sort -u | grep -vxFf <(ancestors) || true
}

# stop_processes: ask, wait, insist.
stop_processes() {
    local signal try pids
    for signal in TERM KILL; do
        for try in {1..20}; do
            mapfile -t pids < <(lab_processes)
            [[ ${#pids[@]} -gt 0 ]] || return 0
            [[ $try -gt 1 ]] || kill -s "$signal" "${pids[@]}" 2>/dev/null || true
            sleep 0.25
        done
    done
    fail "these processes do not end: ${pids[*]}"
}

stop_services() {
    if libvirt_answers; then
        virsh -q net-destroy "$NETWORK" >/dev/null 2>&1 || true
        virsh -q pool-destroy "$POOL" >/dev/null 2>&1 || true
    fi
    stop_processes
    own || return 0
    ip netns del "$NETNS" 2>/dev/null || true
    rm -rf "/etc/netns/$NETNS" "$RUN"
    rmdir /etc/netns 2>/dev/null || true
}
