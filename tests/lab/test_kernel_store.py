"""Kernels that a domU gets, and those that none needs any more. Their files are a few bytes: nothing boots them."""

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from backups import in_disk, make_tiny, remove_tiny
from domus import refused, run_killed, state

VERSIONS = ("6.1.1-tiny", "6.1.2-tiny", "6.1.3-tiny")
ALL = "find /srv/xen -name '*-tiny*' | sort"
MAKE = (
    f"mkdir -p /srv/xen/boot && cd /srv/xen/boot && for version in {' '.join(VERSIONS)}; do "
    "mkdir -p ../lib/modules/$version && touch ../lib/modules/$version/modules.dep && "
    "echo ext4 | tee vmlinuz-$version initrd.img-$version initrd.img-$version.modules >/dev/null || exit 1; done"
)


@pytest.fixture
def kernels(store: Host) -> Iterator[Host]:
    """The store with three kernels, of which a domU uses the oldest and a copy the one after it."""
    store.check_output(
        f"{MAKE}; mkdir -p /etc/xen/copies/vg0; "
        "echo \"kernel = '/srv/xen/boot/vmlinuz-6.1.1-tiny'\" > /etc/xen/old1.cfg; "
        "echo \"kernel = '/srv/xen/boot/vmlinuz-6.1.2-tiny'\" > /etc/xen/copies/vg0/old2.cfg"
    )
    yield store
    store.check_output("rm -rf /etc/xen/old1.cfg /etc/xen/copies /srv/xen/boot/*-tiny* /srv/xen/lib/modules/*-tiny")


def test_what_a_domu_or_a_copy_needs_stays(kernels: Host) -> None:
    before = kernels.check_output(ALL)
    assert "no kernel is superfluous" in kernels.run("xen-legi kernel prune --keep 1").stderr
    for version, needs in (("6.1.1-tiny", "/etc/xen/old1.cfg"), ("6.1.2-tiny", "/etc/xen/copies/vg0/old2.cfg")):
        result = kernels.run(f"xen-legi kernel prune {version}")
        refused(result)
        assert f"kernel {version} is in use: {needs}" in result.stderr
    newest = kernels.run("xen-legi kernel prune 6.1.3-tiny")
    refused(newest)
    assert "is that of new domUs" in newest.stderr
    refused(kernels.run("xen-legi kernel prune --keep 0"))
    assert kernels.check_output(ALL) == before


def test_what_nobody_needs_goes_with_all_its_parts_and_nothing_else(kernels: Host) -> None:
    kernels.check_output("rm /etc/xen/copies/vg0/old2.cfg")
    before = kernels.check_output(ALL).splitlines()
    assert kernels.check_output("xen-legi kernel prune --keep 1 --dry-run") == "would go: kernel 6.1.2-tiny"
    assert kernels.check_output(ALL).splitlines() == before
    assert kernels.check_output("xen-legi kernel prune --keep 1") == "removed: kernel 6.1.2-tiny"
    assert kernels.check_output(ALL).splitlines() == [one for one in before if "6.1.2-tiny" not in one]


@pytest.mark.parametrize("point", ["kernel:image-aside", "kernel:parts-gone"])
def test_a_removal_that_was_killed_is_ended_by_the_next(kernels: Host, point: str) -> None:
    kernels.check_output("rm /etc/xen/copies/vg0/old2.cfg")
    before = kernels.check_output(ALL).splitlines()
    assert run_killed(kernels, point, "xen-legi kernel prune 6.1.2-tiny").rc == 137
    assert "6.1.2-tiny" not in kernels.check_output("xen-legi kernel list --json")
    kernels.check_output("xen-legi kernel prune")
    assert kernels.check_output(ALL).splitlines() == [one for one in before if "6.1.2-tiny" not in one]


@pytest.mark.long  # a kernel is downloaded and unpacked
def test_a_kernel_of_a_package_that_is_not_installed(store: Host) -> None:
    store.check_output("apt-get install -y -q --no-install-recommends tiny-initramfs-core kmod")
    name = store.check_output("apt-cache depends linux-image-cloud-amd64 | grep -o 'linux-image-[0-9].*'")
    version = name.removeprefix("linux-image-")
    own = "ls -A /lib/modules /boot; dpkg -l | grep linux-image; grep -c . /proc/mounts"
    before = store.check_output(own)
    try:
        for word, said in (("linux-image-6", "apt knows no package"), ("./no.deb", "no file"), ("''", "is no package")):
            wrong = store.run(f"xen-legi kernel add --package {word}")
            assert wrong.rc == 2 and said in wrong.stderr, wrong.stderr
        meta = store.run("xen-legi kernel add --package linux-image-cloud-amd64")
        assert meta.rc == 2 and "holds no kernel" in meta.stderr and "hint: " in meta.stderr
        killed = run_killed(store, "kernel:unpacked", f"xen-legi kernel add --package {name}")
        assert killed.rc == 137 and "/.new-package-" in store.check_output("ls -d /srv/xen/.new-package-*")
        store.check_output(f"xen-legi kernel add --package {name}")
        assert store.run("ls -d /srv/xen/.new-*").stdout == ""
        assert store.check_output(own) == before
        assert version in store.check_output("xen-legi kernel list --json")
        assert "xen-blkfront.ko" in store.check_output(f"zcat /srv/xen/boot/initrd.img-{version} | cpio -t 2>/dev/null")
        again = store.run(f"xen-legi kernel add --package {name}")
        assert again.rc == 0 and f"domUs have kernel {version} already" in again.stderr
    finally:
        store.check_output(f"rm -rf /srv/xen/.new-* /srv/xen/boot/*{version}* /srv/xen/lib/modules/{version}")


@pytest.fixture
def tiny(kernels: Host) -> Iterator[Host]:
    """The same with the domU tiny1, which has the oldest kernel and no modules of it."""
    make_tiny(kernels)
    kernels.check_output("sed -i \"1i kernel = '/srv/xen/boot/vmlinuz-6.1.1-tiny' # old\" /etc/xen/tiny1.cfg && "
                         "echo \"root = '/dev/xvda2 ro'\" >> /etc/xen/tiny1.cfg")
    in_disk(kernels, "mkdir -p /run/look/usr/lib; ln -s usr/lib /run/look/lib")
    yield kernels
    remove_tiny(kernels)


def modules(host: Host) -> list[str]:
    """Return what is below tiny1's /lib/modules."""
    return in_disk(host, "cd /run/look/usr/lib; [ ! -d modules ] || find modules -mindepth 1 | sort", options="ro").split()


def test_a_domu_gets_another_kernel_with_its_modules_and_nothing_else_in_its_file_changes(tiny: Host) -> None:
    before = tiny.check_output("cat /etc/xen/tiny1.cfg")
    said = tiny.check_output("xen-legi kernel pin tiny1 6.1.3-tiny")
    assert "domU tiny1 has kernel 6.1.3-tiny from its next start on" in said
    new = before.replace("vmlinuz-6.1.1-tiny", "vmlinuz-6.1.3-tiny") + "\nramdisk = '/srv/xen/boot/initrd.img-6.1.3-tiny'"
    assert tiny.check_output("cat /etc/xen/tiny1.cfg") == new
    assert modules(tiny) == ["modules/6.1.3-tiny", "modules/6.1.3-tiny/modules.dep"]


def test_a_root_without_the_modules_of_its_kernel_is_told_and_not_written(tiny: Host) -> None:
    """Its journal waits to be replayed, as after a power cut: a plain mount, even of what is only read, would write it."""
    flag = "debugfs -w -R 'feature {}needs_recovery' /dev/vg0/tiny1-disk 2>&1"
    tiny.check_output(f"{flag.format('')}")
    digest = tiny.check_output("sha256sum </dev/vg0/tiny1-disk")
    lacking = "/etc/xen/tiny1.cfg: warning: its root has no modules of kernel 6.1.1-tiny: xen-legi kernel push tiny1"
    assert lacking in tiny.run("xen-legi lint tiny1").stdout
    assert lacking in tiny.run("xen-legi lint").stdout
    assert tiny.check_output("sha256sum </dev/vg0/tiny1-disk") == digest
    tiny.check_output(f"{flag.format('-')} && xen-legi kernel push tiny1")
    assert lacking not in tiny.run("xen-legi lint tiny1").stdout


def test_a_root_without_the_modules_of_a_kernel_that_lies_elsewhere_is_told(tiny: Host) -> None:
    """As that of every domU which xen-create-image made: /boot/vmlinuz-VERSION of dom0."""
    there = "/var/tmp/vmlinuz-6.1.9-tiny"
    tiny.check_output(f"echo x > {there} && sed -i 's,/srv/xen/boot/vmlinuz-6.1.1-tiny,{there},' /etc/xen/tiny1.cfg")
    try:
        lacking = "its root has no modules of kernel 6.1.9-tiny"
        remedy = "xen-legi kernel add 6.1.9-tiny, then xen-legi kernel push tiny1 6.1.9-tiny"
        assert f"{lacking}: {remedy}" in tiny.run("xen-legi lint tiny1").stdout
        in_disk(tiny, "cd /run/look/usr/lib && mkdir -p modules/6.1.9-tiny && echo a.ko: > modules/6.1.9-tiny/modules.dep")
        assert lacking in tiny.run("xen-legi lint tiny1").stdout
        in_disk(tiny, "touch /run/look/usr/lib/modules/6.1.9-tiny/a.ko")
        assert lacking not in tiny.run("xen-legi lint tiny1").stdout
    finally:
        tiny.check_output(f"rm {there}")


def test_modules_are_brought_to_the_state_of_the_kernel(tiny: Host) -> None:
    tiny.check_output("xen-legi kernel push tiny1")
    assert modules(tiny) == ["modules/6.1.1-tiny", "modules/6.1.1-tiny/modules.dep"]
    own = "mkdir -p updates/dkms kernel && touch updates/dkms/zfs.ko kernel/old.ko && ln -s /usr/src/headers build"
    in_disk(tiny, f"cd /run/look/usr/lib/modules/6.1.1-tiny && {own}")
    tiny.check_output("cd /srv/xen/lib/modules/6.1.1-tiny && mkdir kernel && touch kernel/new.ko && echo x > modules.dep")
    told = tiny.run("xen-legi kernel push tiny1 6.1.1-tiny")
    assert told.rc == 0 and "in it, depmod 6.1.1-tiny" in told.stderr
    names = ("build", "kernel", "kernel/new.ko", "modules.dep", "updates", "updates/dkms", "updates/dkms/zfs.ko")
    assert modules(tiny)[1:] == [f"modules/6.1.1-tiny/{one}" for one in names]
    assert in_disk(tiny, "cat /run/look/usr/lib/modules/6.1.1-tiny/modules.dep", options="ro") == "x"


def test_a_push_that_was_killed_leaves_no_half_tree_after_the_next(tiny: Host) -> None:
    before = state(tiny)
    assert run_killed(tiny, "kernel:pushed", "xen-legi kernel pin tiny1 6.1.3-tiny").rc == 137
    assert state(tiny) == before
    assert "modules/6.1.3-tiny" not in modules(tiny)
    tiny.check_output("xen-legi kernel push tiny1 6.1.3-tiny")
    assert modules(tiny) == ["modules/6.1.3-tiny", "modules/6.1.3-tiny/modules.dep"]


@pytest.mark.parametrize(("words", "said"), [
    ("pin", "xen-legi kernel pin needs a domU"),
    ("pin nobody", "there is no domU 'nobody'"),
    ("pin tiny1 9.9", "there is no kernel '9.9'"),
    ("pin tiny1 6.1.3-tiny more", "more"),
    ("push ../tiny1", "'../tiny1'"),
    ("add 6.1.3-tiny tiny1", "takes no 'tiny1'"),
])
def test_what_cannot_be_given_is_told_and_changes_nothing(tiny: Host, words: str, said: str) -> None:
    before = state(tiny) + str(modules(tiny))
    result = tiny.run(f"xen-legi kernel {words}")
    assert result.rc == 2 and said in result.stderr
    assert state(tiny) + str(modules(tiny)) == before


def test_a_root_that_is_in_use_is_left_alone(tiny: Host) -> None:
    mounted = "mkdir /run/held && mount /dev/vg0/tiny1-disk /run/held"
    freed = "umount /run/held && rmdir /run/held"
    result = tiny.run(f"{mounted} && xen-legi kernel push tiny1; status=$?; {freed}; exit $status")
    refused(result)
    assert "vg0/tiny1-disk is in use" in result.stderr
    assert modules(tiny) == []
