# shellcheck shell=bash
# The stages from two plain Debian machines to two dom0s, shared by `lab/demo` and `lab/prepare`.
#
# Each stage ends with a saved state whose name holds a hash of all that the stage depends on: where such a state is
# there, it is restored in seconds instead. What changes from run to run (the Python code) is not in the hash: the
# packages are reinstalled after a restore, which takes seconds too.

LAB=$TOP/lab/lab
HOSTS=(dom0a dom0b)

# on_hosts COMMAND [HOST...]: run it on all of them at once ($HOSTS when none is named); fail if it fails on one.
on_hosts() {
    local command=$1 host pids=() failed=0
    shift
    [ $# -gt 0 ] || set -- "${HOSTS[@]}"
    for host; do
        "$LAB" ssh "$host" "$command" </dev/null >"$WORK/$host.out" 2>&1 &
        pids+=($!)
    done
    for host; do
        wait "${pids[0]}" || { failed=1; echo "--- $host: $command" >&2; tail -n 40 "$WORK/$host.out" >&2; }
        pids=("${pids[@]:1}")
    done
    return "$failed"
}

# The hash that names the state: what the conversion reads and what a template holds, but not the programs, which are reinstalled.
stage_key() {
    (cd "$TOP" && find debian/control debian/xen-legi-* etc/default hooks lab/lib/stages.sh lab/files lab/box lab/hosts \
        lab/Vagrantfile xen-legi/xen_legi/install/packages.py \
        -type f ! -path 'hooks/ifupdown/*' ! -path 'hooks/libexec/*' ! -path 'hooks/vif/*' -print0 |
        sort -z | xargs -0 sha256sum; echo "$LAB_SUITE") | sha256sum | cut -c1-12
}

have_state() { "$LAB" states 2>/dev/null | grep -w "$1" >/dev/null; }

# Two plain hosts, with empty volume groups, as a preseeded installation leaves them.
stage_plain() {
    "$LAB" up "${HOSTS[@]}"
    empty_groups "${HOSTS[@]}"
}

# empty_groups HOST...
empty_groups() { on_hosts 'vgs vg0 >/dev/null 2>&1 || { vgcreate -q vg0 /dev/vdb && vgcreate -q vg1 /dev/vdc; }' "$@"; }

# apt makes them dom0s: from the repository that `make repo` has laid out.
stage_install() {
    "$LAB" deb
    on_hosts 'DEBIAN_FRONTEND=noninteractive apt-get install -y -q xen-legi-dom0 xen-legi-backup </dev/null'
}

# The reference's interfaces file: read at the next boot.
stage_network() {
    local host file
    for host in "${HOSTS[@]}"; do
        for file in "$TOP"/lab/files/interfaces.d/*; do
            "$LAB" put "$host" "$file" "/etc/network/interfaces.d/${file##*/}"
        done
    done
}

stage_reboot() {
    "$LAB" reboot "${HOSTS[@]}"
    on_hosts 'xl info >/dev/null'
}

# dom0a and dom0b may send each other copies; both use vg1 of their own host as well.
stage_peers() {
    local from to key
    for from in "${HOSTS[@]}"; do
        to=dom0b; [ "$from" = dom0a ] || to=dom0a
        "$LAB" ssh "$from" xen-legi peer add "$to" --yes >/dev/null
        key=$("$LAB" ssh "$from" cat "/etc/xen-legi/peers/$to.key.pub")
        "$LAB" ssh "$to" xen-legi peer accept "$from" "'$key'"
        "$LAB" ssh "$from" "printf '[backup]\ndestinations = [\"vg1\", \"$to\"]\n' > /etc/xen-legi/xen-legi.toml"
    done
}

stage_template() { "$LAB" ssh dom0a xen-legi template make trixie; }
