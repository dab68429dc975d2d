# shellcheck shell=bash
# Machines: made by vagrant once, started and stopped by libvirt.

export VAGRANT_HOME=$LAB_CACHE/vagrant
export VAGRANT_DOTFILE_PATH=$LAB_CACHE/$LAB_SUITE/vagrant
export VAGRANT_CWD=$LAB_DIR VAGRANT_CHECKPOINT_DISABLE=1 VAGRANT_NO_COLOR=1
BOX=$LAB_CACHE/box/$LAB_SUITE

console_log() { echo "$LAB_CACHE/$LAB_SUITE/$1.console.log"; }

# console_of HOST: where to look at its console, for a hint. The log holds nothing before the machine's second start.
console_of() { if [[ -s $(console_log "$1") ]]; then console_log "$1"; else echo "lab/lab console $1"; fi; }

# ready HOST: it was made completely; the file tells from which box.
ready_file() { echo "$LAB_CACHE/$LAB_SUITE/$1.ready"; }

# state_of HOST: libvirt's word for it, nothing when there is no such machine.
state_of() { virsh -q domstate "$(domain_of "$1")" 2>/dev/null | head -n 1 || true; }
is_running() { [[ $(state_of "$1") == running ]]; }

# running_hosts: those of this suite that run now.
running_hosts() {
    local host
    for host in $(host_names); do
        if is_running "$host"; then echo "$host"; fi
    done
}

need_running() {
    need_host "$1"
    is_running "$1" || die "$1 is not running" "lab/lab up $1"
}

# --- making

# install_box: give vagrant the box that is there now, when it has another.
install_box() {
    [[ $(cat "$LAB_CACHE/$LAB_SUITE/box-key" 2>/dev/null) != $(cat "$BOX/key") ]] || return 0
    inside vagrant box add --force --name "xen-legi-$LAB_SUITE" "$BOX/box.box" >"$LAB_CACHE/$LAB_SUITE/vagrant.log" 2>&1 ||
        fail "vagrant does not take the box" "see $LAB_CACHE/$LAB_SUITE/vagrant.log"
    cp "$BOX/key" "$LAB_CACHE/$LAB_SUITE/box-key"
}

# remove_machine HOST: the domain, its volumes, its states and what vagrant knows of it, however far its making came.
remove_machine() {
    local domain volume
    domain=$(domain_of "$1")
    forget_connection "$1"
    rm -f "$(ready_file "$1")"
    virsh -q destroy "$domain" >/dev/null 2>&1 || true
    virsh -q undefine "$domain" --managed-save --snapshots-metadata >/dev/null 2>&1 || true
    for volume in "$domain.img" "$domain-vdb.qcow2" "$domain-vdc.qcow2"; do
        virsh -q vol-delete "$volume" --pool "$POOL" >/dev/null 2>&1 || rm -f "$LAB_CACHE/pool/$volume"
    done
    rm -rf "$VAGRANT_DOTFILE_PATH/machines/$1" "$(console_log "$1")"
}

# keep_console HOST: log the serial console to a file too. Vagrant cannot say that, so it holds from the next start on.
keep_console() {
    local xml
    xml=$(mktemp)
    : >"$(console_log "$1")"
    virsh -q dumpxml --inactive "$(domain_of "$1")" |
        sed "/<serial type='pty'>/a <log file='$(console_log "$1")' append='on'/>" >"$xml"
    virsh -q define "$xml" >/dev/null
    rm "$xml"
}

# name_machine HOST: the names that it and the others have.
name_machine() {
    local other lines
    lines=$(for other in $(host_names); do printf '%s %s\n' "$(address_of "$other")" "$other"; done)
    on "$1" "hostname $1; echo $1 >/etc/hostname; printf '%s\n' '127.0.0.1 localhost' \
        '::1 localhost ip6-localhost ip6-loopback' '$lines' >/etc/hosts; sync"
}

make_machines() {
    local host log=$LAB_CACHE/$LAB_SUITE/vagrant.log
    for host; do remove_machine "$host"; done
    install_box
    LAB_SUITE=$LAB_SUITE LAB_CACHE=$LAB_CACHE LAB_ACCEL=$LAB_ACCEL inside vagrant up \
        --provider libvirt --parallel --no-provision --no-destroy-on-error "$@" >"$log" 2>&1 </dev/null ||
        fail "vagrant up failed: $(grep -v '^$' "$log" | tail -n 1)" "all of it: $log"
    for host; do
        keep_console "$host"
        name_machine "$host"
        cp "$BOX/key" "$(ready_file "$host")"
    done
}

# --- starting and stopping

# settle HOST: bring it from any state to one where it answers.
settle() {
    case $(state_of "$1") in
        running) ;;
        # A run was killed while it saved.
        paused) virsh -q resume "$(domain_of "$1")" >/dev/null ;;
        *)
            forget_connection "$1"
            virsh -q start "$(domain_of "$1")" >/dev/null
            ;;
    esac
    wait_for_ssh "$1" 900
}

warn_old_box() {
    [[ $(cat "$(ready_file "$1")") == $(cat "$BOX/key") ]] ||
        say "$1 was made from an older box (lab/lab destroy renews it)"
}

machines_up() {
    local host missing=()
    for host; do
        [[ -e $(ready_file "$host") && -n $(state_of "$host") ]] || missing+=("$host")
    done
    if [[ ${#missing[@]} -gt 0 ]]; then
        timed "making ${missing[*]}" make_machines "${missing[@]}"
    fi
    on_all settle "$@"
    for host; do warn_old_box "$host"; done
}

# lab_domains: the machines of both suites that run.
lab_domains() { virsh -q list --name 2>/dev/null | grep '^xen-legi-' || true; }

# stop_lab: everything, of both suites. `virsh destroy` cuts the power and never waits for a guest.
stop_lab() {
    local domain
    # Machines of a killed run may live without their libvirtd; a new one finds them.
    if own && ! libvirt_answers; then start_own_libvirt; fi
    for domain in $(lab_domains); do
        virsh -q destroy "$domain" >/dev/null 2>&1 || true
    done
    rm -f "$LAB_CACHE"/*/ssh-*
    stop_services
}

remove_suite() {
    local host volume
    for host in $(host_names); do remove_machine "$host"; done
    for volume in "$LAB_CACHE/pool/xen-legi-$LAB_SUITE"_*; do
        [[ ! -e $volume ]] || virsh -q vol-delete "${volume##*/}" --pool "$POOL" >/dev/null
    done
    rm -rf "$LAB_CACHE/$LAB_SUITE/states"
}

# --- one machine

power() {
    local domain
    domain=$(domain_of "$1")
    case $2 in
        on)
            ! is_running "$1" || return 0
            virsh -q start "$domain" >/dev/null
            ;;
        off)
            forget_connection "$1"
            [[ $(state_of "$1") == @(|"shut off") ]] || virsh -q destroy "$domain" >/dev/null
            ;;
        reset)
            need_running "$1"
            virsh -q reset "$domain" >/dev/null
            forget_connection "$1"
            ;;
    esac
}

# evidence HOST: what a machine that hangs does, for whoever reads the log when it is gone: where its processor is, twice,
# and the end of its console, where that was kept.
evidence() {
    local try
    {
        for try in 1 2; do
            virsh qemu-monitor-command "$(domain_of "$1")" --hmp info registers | grep -E '^(RIP|CS|CR)|halted'
            sleep "$try"
        done
        tail -n 30 "$(console_log "$1")"
    } >&2 || true
}

# Seconds for each half of a reboot. It takes a minute; eight have been seen on a busy computer without KVM.
REBOOT_LIMIT=1200

# reboot_machine HOST: it shuts itself down and is switched on again, so that an emulated processor starts with nothing of
# its past: after a reset, Xen's start has been seen to take minutes more, or for ever.
reboot_machine() {
    # By a connection of its own, which may break any way it likes.
    inside timeout 20 ssh -F "$SSH_CONFIG" -o ControlPath=none "$1" systemctl poweroff </dev/null >/dev/null 2>&1 || true
    forget_connection "$1"
    wait_up_to "$REBOOT_LIMIT" "$1 shuts down" is_off "$1" || given_up "$1" "did not shut down"
    power "$1" on
    wait_up_to "$REBOOT_LIMIT" "$1 starts" answers "$1" || given_up "$1" "did not come back from its reboot"
}

# One that is "in shutdown", or of which libvirt has no answer at the moment, is not off yet and cannot be started.
is_off() { [[ $(state_of "$1") == "shut off" ]]; }

# given_up HOST TEXT
given_up() {
    evidence "$1"
    fail "$1 $2" "its console: $(console_of "$1")"
}

# A cable has two ends, and both see at once when it is cut: one that did not would go on sending into it.
cable() {
    local host link=up ends=() end
    [[ $3 == join ]] || link=down
    for host in dom0a dom0b; do
        ! is_running "$host" || ends+=("$(domain_of "$host") $(mac_of "$host" "${2#eth}")")
    done
    for end in "${ends[@]}"; do
        virsh -q domif-setlink "${end% *}" "${end#* }" "$link" >/dev/null &
    done
    for end in "${ends[@]}"; do wait -n; done
}
