# shellcheck shell=bash
# Hardware virtualisation or emulation? /dev/kvm may exist and be unusable for real guests, so a real kernel is booted with
# it: the box's own, without a root filesystem, which must come as far as complaining about that.

kvm_boots() {
    local console=$RUN/kvm-probe.log kernel=$LAB_CACHE/box/$LAB_SUITE/vmlinuz
    [[ -w /dev/kvm && -e $kernel ]] || return 1
    mkdir -p "$RUN"
    timeout 40 qemu-system-x86_64 -machine q35,accel=kvm -cpu host -m 512 -nodefaults -display none -no-reboot \
        -serial stdio -kernel "$kernel" -append 'console=ttyS0 panic=-1' >"$console" 2>&1 </dev/null || true
    grep -q 'Kernel panic - not syncing: VFS' "$console" 2>/dev/null
}

# find_accel: set LAB_ACCEL to kvm or tcg. The answer holds until this machine boots again; before there is a box to ask
# with, there is no answer to keep.
find_accel() {
    local boot file=$LAB_CACHE/accel
    [[ -z ${LAB_ACCEL:-} ]] || return 0
    if [[ ! -e $LAB_CACHE/box/$LAB_SUITE/vmlinuz ]]; then
        LAB_ACCEL=tcg
        return
    fi
    boot=$(cat /proc/sys/kernel/random/boot_id)
    if [[ ! -e $file || $(cut -d' ' -f1 "$file") != "$boot" ]]; then
        if kvm_boots; then LAB_ACCEL=kvm; else LAB_ACCEL=tcg; fi
        say "virtualisation: $LAB_ACCEL"
        echo "$boot $LAB_ACCEL" >"$file"
    fi
    LAB_ACCEL=$(cut -d' ' -f2 "$file")
}
