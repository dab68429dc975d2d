# shellcheck shell=bash
# What every part of the lab shares: names, numbers, messages and the lock.

LAB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LAB_SUITE=${LAB_SUITE:-trixie}
LAB_CACHE=${LAB_CACHE:-/var/cache/xen-legi-lab}
# Of this computer, not of the cache: its network namespace is there once. Only root can make a file in /run.
LAB_LOCK=${LAB_LOCK:-/run/xen-legi-lab.lock}

# say TEXT: one line for the person who waits; die TEXT [HINT]: wrong use, nothing was changed.
say() { printf 'lab: %s\n' "$*" >&2; }

die() {
    printf 'lab: %s\n' "$1" >&2
    [[ -z ${2:-} ]] || printf 'hint: %s\n' "$2" >&2
    exit 2
}

# fail TEXT [HINT]: something that should have worked did not.
fail() {
    printf 'lab: %s\n' "$1" >&2
    [[ -z ${2:-} ]] || printf 'hint: %s\n' "$2" >&2
    exit 1
}

# Debian's release number stands for the suite in addresses, so that both suites can exist side by side.
suite_number() {
    case ${1:-$LAB_SUITE} in
        bookworm) echo 12 ;;
        trixie) echo 13 ;;
        *) return 1 ;;
    esac
}

need_suite() {
    suite_number >/dev/null || die "unknown suite '$LAB_SUITE'" "LAB_SUITE is trixie or bookworm"
}

need_root() {
    [[ $EUID -eq 0 ]] || die "must be run as root" "the lab makes a network namespace and virtual machines: try sudo $0"
}

need_programs() {
    local program missing=()
    for program; do
        command -v "$program" >/dev/null || missing+=("$program")
    done
    [[ ${#missing[@]} -eq 0 ]] || die "not installed: ${missing[*]}" "lab/host-packages installs what the lab needs"
}

# The table lab/hosts: names, and one field of one machine.
host_names() { awk '!/^#/ && NF { print $1 }' "$LAB_DIR/hosts"; }
host_field() { awk -v host="$1" -v field="$2" '!/^#/ && $1 == host { print $field }' "$LAB_DIR/hosts"; }
host_number() { host_field "$1" 2; }

need_host() {
    [[ -n $(host_number "$1") ]] || die "no machine is called '$1'" "the machines: $(host_names | xargs)"
}

domain_of() { echo "xen-legi-$LAB_SUITE-$1"; }

# Addresses by number: the MAC is 52:54:00:SUITE:HOST:NIC, the address on the management network ends in SUITE and HOST.
mac_of() { printf '52:54:00:%s:%02d:%02d\n' "$(suite_number "${3:-}")" "$(host_number "$1")" "$2"; }
address_of() { printf '10.213.0.%s%s\n' "$(suite_number "${2:-}")" "$(host_number "$1")"; }

# A run that has the lab for itself from its beginning to its end (lab/demo, lab/prepare, tests/run, a measurement) holds it
# alone; a single command of lab/lab shares it. Who comes meanwhile is refused: a run takes up to an hour, and what another
# one does to its machines would look like a failure. What a run calls finds LAB_HELD and is part of it.
hold_lab() {
    need_suite
    need_root
    take_lab -x "$1"
    export LAB_HELD=$$
}

share_lab() { take_lab -s "$1"; }

# take_lab -x|-s NAME: with file descriptor 8, for the rest of this process and, on purpose, for its children.
take_lab() {
    [[ -z ${LAB_HELD:-} ]] || return 0
    exec 8>>"$LAB_LOCK"
    flock -n "$1" 8 || die "the lab is in use by $(tail -n 1 "$LAB_LOCK")" \
        "wait until it has ended, or end it (process $(users_of_lab 8>&-)); lab/lab status, ssh and console work meanwhile"
    echo "$2" >"$LAB_LOCK"
}

# users_of_lab: the processes that hold it. Those of a run that was killed may still work.
users_of_lab() {
    local open
    for open in /proc/[0-9]*/fd/8; do
        [[ ! $open -ef $LAB_LOCK || $open == /proc/$$/* ]] || cut -d / -f 3 <<<"$open"
    done | xargs
}

# with_lock NAME: take the lock for the rest of this process. Children inherit it on purpose: as long as a child of a killed
# run still works, the next run waits.
with_lock() {
    local file=$LAB_CACHE/$1.lock
    mkdir -p "$LAB_CACHE"
    exec 9>>"$file"
    if ! flock -n 9; then
        say "waiting for another run ($(tail -n 1 "$file"))"
        flock 9
    fi
    : >"$file"
    echo "process $$: ${0##*/} $LAB_COMMAND" >&9
}

# wait_up_to SECONDS TEXT CMD...: until CMD succeeds, telling every minute what is waited for; false when the time is over.
wait_up_to() {
    local end=$((SECONDS + $1)) what=$2 told=$SECONDS
    shift 2
    until "$@"; do
        [[ $SECONDS -lt $end ]] || return 1
        if [[ $((SECONDS - told)) -ge 60 ]]; then
            say "still waiting: $what"
            told=$SECONDS
        fi
        sleep 1
    done
}

# while_it_works CMD...: run it, and write every minute how long it has taken so far.
while_it_works() {
    local start=$SECONDS ticker
    # without the locks, and not for ever if we are killed; the last sleep outlives it, and must keep no pipe open
    (exec 8>&- 9>&-; while sleep 60 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do echo "   ... $((SECONDS - start)) s"; done) &
    ticker=$!
    "$@"
    kill "$ticker" 2>/dev/null || true
}

# timed TEXT CMD...: announce a step, run it, tell how long it took. (No `|| return`: it would switch errexit off in CMD.)
timed() {
    local what=$1 start=$SECONDS
    shift
    say "$what"
    "$@"
    say "$what: $((SECONDS - start)) s"
}
