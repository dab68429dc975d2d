"""What `apt install xen-legi-dom0` and a reboot made of a plain Debian host."""

import re
import shlex

from testinfra.host import Host


def test_the_hypervisor_answers(dom0: Host) -> None:
    facts = dom0.check_output("xl info")
    assert re.search(r"^xen_version\s*: 4\.", facts, re.M)
    assert re.search(r"^virt_caps\s*: .*\bpv\b", facts, re.M)


def test_dom0_has_the_memory_of_the_settings_and_no_more(dom0: Host) -> None:
    assert dom0.check_output("xen-legi config get dom0_memory") in dom0.check_output("xl info xen_commandline")
    total = int(dom0.check_output("xl info total_memory"))
    mine = int(dom0.check_output("xl list Domain-0").splitlines()[1].split()[2])
    assert abs(mine - (1024 + total * 0.05)) < 0.05 * total


def test_no_file_of_another_package_was_altered(dom0: Host) -> None:
    packages = dom0.check_output(
        "dpkg-query -W -f '${Package} ${Version}\\n' 'xen*' 'grub*' 'initramfs*' ifupdown lvm2 openssh-server rsync procps"
    )
    names = [line.split()[0] for line in packages.splitlines() if len(line.split()) == 2 and "xen-legi" not in line]
    assert "xen-utils-common" in names
    altered = dom0.run("dpkg --verify " + " ".join(names)).stdout.strip()
    assert altered == "", altered


def test_no_conffile_of_any_other_package_was_altered(dom0: Host) -> None:
    sums = [line.split() for line in dom0.check_output("dpkg-query -W -f '${Conffiles}\n'").splitlines()]
    mine = [f"{words[1]}  {words[0]}" for words in sums if len(words) == 2 and not words[0].startswith("/etc/xen-legi/")]
    assert len(mine) > 50
    result = dom0.run("printf '%s\n' " + shlex.quote("\n".join(mine)) + " | md5sum --quiet -c -")
    assert (result.rc, result.stdout) == (0, "")


def test_bridged_traffic_is_not_filtered(dom0: Host) -> None:
    dom0.check_output("modprobe br_netfilter && udevadm settle --timeout=60")
    try:
        assert dom0.check_output("cat /proc/sys/net/bridge/bridge-nf-call-iptables") == "0"
        assert dom0.check_output("cat /proc/sys/net/bridge/bridge-nf-call-ip6tables") == "0"
    finally:
        dom0.run("rmmod br_netfilter")  # modprobe -r would take the module bridge along, with all bridges


def test_no_unit_failed_at_boot(dom0: Host) -> None:
    failed = dom0.check_output("systemctl list-units --state=failed --no-legend --plain")
    assert failed == ""


def test_a_second_configuration_of_the_packages_changes_nothing(dom0b: Host) -> None:
    state = "sha256sum /boot/grub/grub.cfg /etc/xen-legi/xen-legi.toml; ls -i /srv/xen/boot; cat /etc/network/interfaces"
    before = dom0b.check_output(state)
    dom0b.check_output("DEBIAN_FRONTEND=noninteractive dpkg-reconfigure xen-legi-dom0")
    assert dom0b.check_output(state) == before


def test_dom0s_memory_follows_the_settings_of_the_host(dom0b: Host) -> None:
    settings, menu = "/etc/xen-legi/xen-legi.toml", "/boot/grub/grub.cfg"
    dom0b.check_output(f"cp -a {settings} {settings}.saved; cp -a {menu} {menu}.saved")
    try:
        dom0b.check_output(f"printf '\n[dom0]\ndom0_memory = \"1300M\"\n' >> {settings}; update-grub")
        lines = [line for line in dom0b.check_output(f"grep 'multiboot2.*xen' {menu}").splitlines() if "dom0_mem=" in line]
        assert lines and all(" dom0_mem=1300M,max:1300M" in line for line in lines)
    finally:
        dom0b.check_output(f"mv {settings}.saved {settings}; mv {menu}.saved {menu}")
