# shellcheck shell=bash
# Saved states: disks and memory of the running machines, as snapshots inside their qcow2 disks. A file for each state tells
# which machines are in it, so that the list is known while libvirt is down.

STATES=$LAB_CACHE/$LAB_SUITE/states

state_file() { echo "$STATES/$1"; }

need_state_name() {
    [[ ${1:-} =~ ^[a-zA-Z0-9][a-zA-Z0-9._-]*$ ]] || die "not a name for a state: '${1:-}'" "letters, digits, '.', '_' and '-'"
}

need_state() {
    need_state_name "$@"
    [[ -e $(state_file "$1") ]] || die "no state is called '$1' in $LAB_SUITE" "the saved ones: lab/lab states"
}

drop_snapshot() { virsh -q snapshot-delete "$(domain_of "$1")" "$STATE" >/dev/null 2>&1 || true; }
take_snapshot() { virsh -q snapshot-create-as "$(domain_of "$1")" "$STATE" >/dev/null; }
suspend() { virsh -q suspend "$(domain_of "$1")" >/dev/null; }
resume() { virsh -q resume "$(domain_of "$1")" >/dev/null; }

# save_state NAME HOST...: all machines stand still while the snapshots are taken, so that they fit together.
save_state() {
    STATE=$1
    shift
    rm -f "$(state_file "$STATE")"
    on_all drop_snapshot "$@"
    local saved=0
    { on_all suspend "$@" && on_all take_snapshot "$@"; } || saved=1
    # Also those that were suspended when another could not be; resuming one that runs is no error.
    on_all resume "$@" || saved=1
    [[ $saved -eq 0 ]] || fail "saving '$STATE' failed"
    mkdir -p "$STATES"
    echo "$*" >"$(state_file "$STATE").new"
    mv "$(state_file "$STATE").new" "$(state_file "$STATE")"
}

revert() {
    forget_connection "$1"
    virsh -q snapshot-revert "$(domain_of "$1")" "$STATE" --running >/dev/null
}

# The guest's clock stands where it was when the state was saved.
set_clock() {
    wait_for_ssh "$1" 300
    on "$1" "date -s @$(date +%s.%N) >/dev/null"
}

restore_state() {
    STATE=$1
    local hosts
    read -ra hosts <"$(state_file "$STATE")"
    on_all revert "${hosts[@]}" || fail "restoring '$STATE' failed" "lab/lab destroy, and make it again"
    on_all set_clock "${hosts[@]}"
}

# has_snapshot HOST
has_snapshot() { virsh -q snapshot-info "$(domain_of "$1")" "$STATE" >/dev/null 2>&1; }

# The name goes last: of what could not be removed, it stays known that it is there.
forget_state() {
    STATE=$1
    local hosts
    read -ra hosts <"$(state_file "$STATE")"
    on_all drop_snapshot "${hosts[@]}"
    local host
    for host in "${hosts[@]}"; do
        ! has_snapshot "$host" || fail "the snapshot '$STATE' of $host could not be removed"
    done
    rm -f "$(state_file "$STATE")"
}

list_states() {
    local file
    for file in "$STATES"/*; do
        [[ ! -e $file ]] || printf '%-30s %s  %s\n' "${file##*/}" "$(date -r "$file" '+%F %T')" "$(cat "$file")"
    done
}
