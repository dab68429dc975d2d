# shellcheck shell=bash
# From a tree of files to a Vagrant box, with ordinary files and no root tricks.

DISK_GIB=10
ESP_MIB=64

# partition_table: a GPT with an EFI system partition and the root filesystem, both on MiB boundaries.
partition_table() {
    printf 'label: gpt\n'
    printf 'start=1MiB, size=%sMiB, type=U\n' "$ESP_MIB"
    printf 'start=%sMiB, size=%sMiB, type=L\n' "$((ESP_MIB + 1))" "$(root_mib)"
}

# The GPT's second copy takes the disk's last MiB.
root_mib() { echo $((DISK_GIB * 1024 - ESP_MIB - 2)); }

# esp DISK TREE: the EFI system partition, made in place inside the disk image.
esp() {
    local partition=$1@@1M
    mformat -i "$partition" -F -T $((ESP_MIB * 2048)) -h 64 -s 32 -v LAB-EFI ::
    mcopy -i "$partition" -s "$2/boot/efi/EFI" ::/
    # On the running system this is the mount point.
    rm -rf "$2/boot/efi/EFI"
}

# root_filesystem DISK TREE: made in place too. Two features of newer mke2fs are unknown to Debian 12's GRUB.
root_filesystem() {
    mke2fs -q -F -t ext4 -L lab-root -d "$2" -O ^metadata_csum_seed,^orphan_file \
        -E "offset=$(((ESP_MIB + 1) * 1048576)),lazy_itable_init=1,lazy_journal_init=1" "$1" "$(root_mib)M"
}

# disk_image WORK: WORK/tree becomes WORK/box.img, and is removed.
disk_image() {
    local disk=$1/disk.raw
    truncate -s "${DISK_GIB}G" "$disk"
    partition_table | sfdisk -q "$disk"
    esp "$disk" "$1/tree"
    root_filesystem "$disk" "$1/tree"
    qemu-img convert -f raw -O qcow2 "$disk" "$1/box.img"
    rm -rf --one-file-system "$disk" "$1/tree"
}

# box_file WORK: not compressed, because it is unpacked on the same machine and never sent anywhere.
box_file() {
    printf '{"provider":"libvirt","format":"qcow2","virtual_size":%s}\n' "$DISK_GIB" >"$1/metadata.json"
    : >"$1/Vagrantfile"
    tar -C "$1" -cf "$1/box.box" metadata.json Vagrantfile box.img
    rm "$1/box.img"
}
