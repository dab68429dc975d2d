# shellcheck shell=bash
# A simulated BMC for each machine of the suite: OpenIPMI's ipmi_sim. The machine reaches it through its KCS interface, QEMU's
# external BMC device (lab/Vagrantfile), others over the management network. Like a real one it is no part of a saved state.

BMC_ADDRESS=10.213.0.1

bmc_directory() { echo "$RUN/bmc/$LAB_SUITE-$1"; }

# bmc_port HOST 8|9: 8 is its LAN (UDP), 9 the machine's side (TCP, on loopback); numbered as in lab/Vagrantfile.
bmc_port() { echo $((20000 + $(suite_number) * 100 + $(host_number "$1") * 10 + $2)); }

bmc_configuration() {
    cat <<END
name "$1"
set_working_mc 0x20
  startlan 1
    addr $BMC_ADDRESS $(bmc_port "$1" 8)
    priv_limit admin
    allowed_auths_admin none md2 md5 straight
    guid 78656e6c65676900000000000000$(suite_number)0$(host_number "$1")
    lan_config_program "$LAB_DIR/lib/bmc-lan $(bmc_directory "$1")"
  endlan
  serial 15 127.0.0.1 $(bmc_port "$1" 9) codec VM
  chassis_control "$LAB_DIR/lib/bmc-power $1"
  user 1 true "" "vagrant" user 10 none md2 md5 straight
  user 2 true "admin" "vagrant" admin 10 none md2 md5 straight
END
}

# start_bmc HOST
start_bmc() {
    local directory
    directory=$(bmc_directory "$1")
    mkdir -p "$directory/state"
    bmc_configuration "$1" >"$directory/lan.conf"
    printf '%s\n' 'mc_setbmc 0x20' 'mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02' 'mc_enable 0x20' >"$directory/emu"
    start_daemon "bmc-$LAB_SUITE-$1" env LAB_SUITE="$LAB_SUITE" LAB_CACHE="$LAB_CACHE" "${@:2}" \
        ipmi_sim -c "$directory/lan.conf" -f "$directory/emu" -s "$directory/state" -n
}

start_bmcs() {
    local host where=()
    ! own || where=(ip netns exec "$NETNS")
    for host in $(host_names); do start_bmc "$host" "${where[@]}"; done
}

# The daemons of both suites.
bmc_names() {
    local file
    for file in "$RUN"/bmc-*.pid; do
        [[ ! -e $file ]] || basename "$file" .pid
    done
}
