"""Each suite's apt and dpkg with our packages: installed, used, removed, purged. The real conversion is in tests/lab."""

import re

from conftest import PACKAGES, Tree

# No file of these may be there after a purge; /srv/xen is the administrator's.
OURS = "find / -xdev -path '*xen[-_]legi*' -not -path '/srv/xen-legi-repo*' -not -path '/proc/*' -not -path '/root/*'"
APT = "apt-get -q -y -o Dpkg::Use-Pty=0"


def test_apt_accepts_the_signature_of_the_repository(plain_tree: Tree) -> None:
    said = plain_tree.use_repository()
    assert not re.search(r"^(W|E):", said, re.M), said
    policy = plain_tree.run("apt-cache policy xen-legi-dom0")
    assert "Candidate: 0." in policy and "/srv/xen-legi-repo" in policy


def test_apt_refuses_a_repository_that_was_altered(plain_tree: Tree) -> None:
    said = plain_tree.run(
        "cp -r /srv/xen-legi-repo /tmp/altered; mkdir -p /tmp/lists/partial\n"
        "sed -i 's/^Label: .*/Label: other/' /tmp/altered/InRelease\n"
        "sed 's,/srv/xen-legi-repo,/tmp/altered,' /srv/xen-legi-repo/xen-legi.sources > /tmp/altered.sources\n"
        "apt-get update -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::SourceList=/tmp/altered.sources "
        "-o Dir::State::Lists=/tmp/lists 2>&1 || echo refused; rm -r /tmp/altered*"
    )
    assert "refused" in said.split() and "is not signed" in said, said


def test_apt_finds_all_that_the_packages_need_in_the_suite(plain_tree: Tree) -> None:
    said = plain_tree.run(f"{APT} install --simulate --no-install-recommends {' '.join(PACKAGES)}")
    assert set(re.findall(r"^Inst (\S+)", said, re.M)) == set(PACKAGES), said


def test_a_host_is_converted_and_no_file_of_another_package_is_altered(plain_tree: Tree) -> None:
    before = plain_tree.run("dpkg --verify 2>&1 || :")
    said = plain_tree.run(f"{APT} install --no-install-recommends xen-legi-dom0 xen-legi-backup 2>&1 </dev/null")
    assert "is a Xen dom0 from its next start on" in said
    assert plain_tree.run("dpkg --verify 2>&1 || :") == before
    assert plain_tree.run("dpkg --audit") == ""
    assert plain_tree.run("cd /srv/xen && ls -d boot lib/modules templates").split() == ["boot", "lib/modules", "templates"]


def test_the_installed_kernel_is_a_domu_kernel(plain_tree: Tree) -> None:
    kernel = plain_tree.run("linux-version list").strip()
    names = plain_tree.run("ls /srv/xen/boot /srv/xen/lib/modules").split()
    assert {f"vmlinuz-{kernel}", f"initrd.img-{kernel}", kernel} <= set(names)


def test_the_programs_answer_and_their_modules_are_compiled(plain_tree: Tree) -> None:
    assert plain_tree.run("xen-legi --version").startswith("xen-legi 0.")
    assert "usage: xen-legi" in plain_tree.run("xen-legi --help")
    assert "usage: backup-domu" in plain_tree.run("backup-domu --help")
    missing = plain_tree.run(
        "cd /usr/lib/python3/dist-packages/xen_legi; for one in $(find . -name '*.py'); do "
        "set -- ${one%/*}/__pycache__/$(basename $one .py).*.pyc; [ -e $1 ] || echo $one; done"
    )
    assert missing == ""


def completed(tree: Tree, line: str) -> list[str]:
    """Return what the completion offers for the last word of a command line."""
    words = line.split(" ")
    said = tree.run(
        f"shopt -s progcomp; . /usr/share/bash-completion/completions/{words[0]}; COMP_WORDS=({line}) "
        f"COMP_CWORD={len(words) - 1} COMP_LINE='{line}' COMP_POINT={len(line)}\n"
        f"$(complete -p {words[0]} | sed 's/.*-F \\([^ ]*\\).*/\\1/') {words[0]} '{words[-1]}' {words[-2]} || :\n"
        "printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    return sorted(set(said.split()))


def test_the_completion_is_valid_and_completes_a_verb(plain_tree: Tree) -> None:
    plain_tree.run("for one in xen-legi backup-domu; do bash -n /usr/share/bash-completion/completions/$one; done")
    assert completed(plain_tree, "xen-legi conf") == ["config"]
    assert completed(plain_tree, "xen-legi p") == ["peer", "promote"]
    assert completed(plain_tree, "xen-legi net c") == ["check", "confirm"]


def test_the_completion_offers_what_the_host_has(plain_tree: Tree) -> None:
    things = "/etc/xen/web1.cfg /etc/xen-legi/peers/dom0b.conf /etc/xen-legi/bmc/dom0c"
    things += " /srv/xen/templates/trixie /srv/xen/boot/vmlinuz-6.1-lab"
    plain_tree.run("mkdir -p /etc/xen /etc/xen-legi/peers /etc/xen-legi/bmc")
    plain_tree.run(f"touch {things} '/etc/xen/$(touch pwned).cfg'")
    try:
        for line, offer in {
            "xen-legi start we": "web1", "backup-domu run we": "web1", "xen-legi template delete tr": "trixie",
            "xen-legi peer check do": "dom0b", "xen-legi kernel default 6.1-l": "6.1-lab",
            "xen-legi create web2 --dist tr": "trixie", "xen-legi create web2 --kernel 6.1-l": "6.1-lab",
            "xen-legi config get ghost": "ghost_size", "xen-legi create web2 --role admin": "admin-ssh",
            "xen-legi bmc power do": "dom0c", "xen-legi bmc power dom0c cy": "cycle",
        }.items():
            assert completed(plain_tree, line) == [offer], line
        assert plain_tree.run("find / -xdev -name pwned") == ""
    finally:
        plain_tree.run(f"rm -f {things} '/etc/xen/$(touch pwned).cfg'; rmdir /etc/xen-legi/bmc")


def test_a_second_configuration_changes_nothing(plain_tree: Tree) -> None:
    state = "find /etc /srv/xen /usr/share/xen-legi -type f -printf '%p %i %s %T@\\n' | sort"
    before = plain_tree.run(state)
    plain_tree.run("dpkg-reconfigure xen-legi-dom0 xen-legi-backup xen-legi-common")
    assert plain_tree.run(state) == before


HOOK = "DEB_MAINT_PARAMS=configure run-parts --exit-on-error --arg=%s --regex '^zz-xen-legi$' /etc/kernel/postinst.d"


def test_a_new_kernel_is_offered_to_domus(plain_tree: Tree) -> None:
    kernel = plain_tree.run("linux-version list").strip()
    plain_tree.run("rm -r /srv/xen/boot/* /srv/xen/lib/modules/*")
    plain_tree.run(HOOK % kernel)
    assert {f"vmlinuz-{kernel}", f"initrd.img-{kernel}"} <= set(plain_tree.run("ls /srv/xen/boot").split())
    assert plain_tree.run("ls /srv/xen/lib/modules").split() == [kernel]


def test_a_kernel_that_dom0_has_no_more_goes_from_the_domus_too(plain_tree: Tree) -> None:
    kernel = plain_tree.run("linux-version list").strip()
    copied = f"cd /srv/xen && cp boot/vmlinuz-{kernel} boot/vmlinuz-0.1-amd64 && touch boot/initrd.img-0.1-amd64 && " \
        f"cp -r lib/modules/{kernel} lib/modules/0.1-amd64"
    plain_tree.run(copied)
    gone = HOOK.replace("configure", "remove").replace("postinst", "postrm")
    assert "removed: kernel 0.1-amd64" in plain_tree.run(f"({gone % '0.1-amd64'}) 2>&1")
    assert "0.1-amd64" not in plain_tree.run(f"({gone % kernel}) 2>&1; ls /srv/xen/boot /srv/xen/lib/modules")
    assert f"vmlinuz-{kernel}" in plain_tree.run("ls /srv/xen/boot")


def test_a_kernel_that_cannot_be_offered_does_not_stop_its_own_installation(plain_tree: Tree) -> None:
    said = plain_tree.run(HOOK % "9.9.9-none")
    assert "domUs do not have kernel 9.9.9-none" in said
    assert "9.9.9-none" not in plain_tree.run("ls /srv/xen/boot")


def test_xen_is_the_default_with_the_memory_of_the_settings(plain_tree: Tree) -> None:
    said = plain_tree.run(GRUB + "echo $GRUB_DEFAULT; echo $GRUB_CMDLINE_XEN_DEFAULT")
    assert said.splitlines()[-2:] == ["xen-gnulinux-simple-the-device", "dom0_mem=1G+5%,max:1G+5%"]


def test_removed_packages_leave_settings_that_do_nothing(plain_tree: Tree) -> None:
    plain_tree.run(f"{APT} remove 'xen-legi-*' 2>&1")
    assert "dom0_mem" not in plain_tree.run(GRUB + "echo $GRUB_CMDLINE_XEN_DEFAULT")
    assert plain_tree.run("set -- 9.9.9; . /etc/kernel/postinst.d/zz-xen-legi; . /etc/kernel/postrm.d/zz-xen-legi") == ""
    line = plain_tree.run("sed -n 's/^[0-9].* root //p' /etc/cron.d/xen-legi-backup").strip()
    assert line and plain_tree.run(line) == ""
    for hook in plain_tree.run("find /etc/network/if-*.d -name '*xen-legi*'").split():
        assert plain_tree.run(f"IFACE=xenbr72 IF_BRIDGE_PORTS=none PHASE=pre-up MODE=start {hook}") == ""


def test_purged_packages_leave_nothing_but_the_administrators_own(plain_tree: Tree) -> None:
    plain_tree.run("install -D -m 600 /dev/null /etc/xen-legi/bmc/dom0b")  # passwords: they go with the keys of peers
    plain_tree.run("install -D -m 600 /dev/null /var/log/xen-legi/web1.log")
    plain_tree.run(f"{APT} purge 'xen-legi-*' 2>&1; rm /etc/apt/sources.list.d/xen-legi.sources")
    left = [path for path in plain_tree.run(OURS).split() if not path.startswith(("/var/lib/apt/", "/var/cache/apt/"))]
    assert left == []
    assert plain_tree.run("ls /srv/xen").split() == ["boot", "lib", "templates"]


# What grub-mkconfig does before it reads its settings, in a tree without a disk that GRUB could look at.
GRUB = """
set -e
pkgdatadir=/usr/share/grub
. /usr/share/grub/grub-mkconfig_lib
grub_get_device_id() { echo the-device; }
GRUB_DEVICE=/dev/vda2 GRUB_DISTRIBUTOR=Debian GRUB_DEFAULT=0
for file in /etc/default/grub.d/*.cfg; do . $file; done
"""
