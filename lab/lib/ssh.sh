# shellcheck shell=bash
# Logging in to the machines.

SSH_CONFIG=$LAB_CACHE/$LAB_SUITE/ssh_config

# The machines' host keys are in the box, which is made here, and the only way to them is the lab's own network: they are
# not checked. One connection per machine is kept open and shared: in emulation a new one costs seconds.
ssh_config() {
    local host
    for host in $(host_names); do printf 'Host %s\n    HostName %s\n' "$host" "$(address_of "$host")"; done
    cat <<END
Host *
    User root
    IdentityFile $LAB_CACHE/key/id_ed25519
    IdentitiesOnly yes
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    LogLevel ERROR
    ConnectTimeout 10
    ServerAliveInterval 10
    ServerAliveCountMax 6
    ControlMaster auto
    ControlPath $LAB_CACHE/$LAB_SUITE/ssh-%n
    ControlPersist 1h
END
}

write_ssh_config() {
    mkdir -p "${SSH_CONFIG%/*}"
    ssh_config >"$SSH_CONFIG.new"
    mv "$SSH_CONFIG.new" "$SSH_CONFIG"
}

# on HOST CMD...: over the shared connection, without input. The master that the first call leaves behind must not keep
# our lock.
on() {
    local host=$1
    shift
    inside ssh -F "$SSH_CONFIG" "$host" "$@" </dev/null 9>&-
}

# forget_connection HOST...: after a stop, a reset or a restore the shared connection leads nowhere.
forget_connection() {
    local host
    for host; do
        [[ -e $LAB_CACHE/$LAB_SUITE/ssh-$host ]] || continue
        inside timeout 5 ssh -F "$SSH_CONFIG" -O exit "$host" >/dev/null 2>&1 || true
        rm -f "$LAB_CACHE/$LAB_SUITE/ssh-$host"
    done
}

# answers HOST: does it let us in? By a connection of its own: a shared one can be left over from before.
answers() {
    inside timeout 15 ssh -F "$SSH_CONFIG" -o ControlPath=none -o ConnectTimeout=5 "$1" true </dev/null >/dev/null 2>&1
}

# wait_for_ssh HOST SECONDS
wait_for_ssh() {
    wait_up_to "$2" "$1 starts" answers "$1" || fail "$1 does not answer after $2 s" "its console: $(console_of "$1")"
}

# on_all FUNCTION HOST...: run it once for each host, all at the same time; fail if one fails.
on_all() {
    local run=$1 host pids=() failed=0 pid
    shift
    for host; do
        "$run" "$host" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
    return "$failed"
}
