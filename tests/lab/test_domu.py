"""domUs on real Xen: web1 made by one command and reached over the cables, lists, wrong use, kills, deletion."""

import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from testinfra.host import Host

from domus import SMALL, WEB1, banner, guest, known, refused, run_killed, state, wait_for_ssh
from marks import daily
from wrong import WRONG


def volumes(host: Host, name: str) -> set[str]:
    """Return the volumes whose name begins with NAME-."""
    found = host.check_output("lvs --noheadings -o lv_name vg0").split()
    return {one for one in found if one.startswith(f"{name}-")}


# web1


def test_web1_runs(dom0a: Host, web1: Host) -> None:
    assert "web1" in dom0a.check_output("xl list")
    assert volumes(dom0a, "web1") >= {"web1-disk", "web1-swap"}


def test_web1_answers_across_the_cable_on_its_vlan(web1: Host) -> None:
    assert banner(web1, WEB1).startswith("SSH-2.0-")


def test_web1_does_not_answer_on_another_vlan(dom0a: Host, web1: Host, addresses: str) -> None:
    web1.check_output("ip address del 192.168.72.2/24 dev xenbr72 && ip address replace 192.168.72.2/24 dev xenbr73")
    try:
        assert banner(web1, WEB1) == ""
        dom0a.check_output(f"ping -q -c 3 -W 5 {addresses}")  # over VLAN 73, which does work
    finally:
        web1.check_output("ip address del 192.168.72.2/24 dev xenbr73; ip address replace 192.168.72.2/24 dev xenbr72")
    assert wait_for_ssh(web1, WEB1, seconds=120)


def test_the_interface_of_web1_is_named_after_its_vlan(dom0a: Host, web1: Host) -> None:
    links = json.loads(guest(web1, "ip -j address"))
    named = {one["ifname"]: one for one in links}
    assert set(named) == {"lo", "eth72"}
    assert WEB1 in [address["local"] for address in named["eth72"]["addr_info"]]
    entry = known(dom0a, "web1")
    assert entry and entry["network"][0]["mac"].lower() == named["eth72"]["address"]


def test_web1_is_settled(web1: Host) -> None:
    told = guest(web1, "hostname; hostname -f; findmnt -no SOURCE,FSTYPE /; swapon --noheadings --show=NAME; "
                       "systemctl is-active serial-getty@hvc0; test -d /lib/modules/$(uname -r) && echo modules; "
                       "getent shadow root | cut -d: -f2")
    assert told.split() == ["web1", "web1", "/dev/xvda2", "ext4", "/dev/xvda1", "active", "modules", "*"]


def test_web1_has_an_identity_of_its_own(dom0a: Host, web1: Host) -> None:
    assert len(guest(web1, "cat /etc/machine-id")) == 32
    template = "/srv/xen/templates/trixie"
    assert dom0a.check_output(f"cat {template}/etc/machine-id") == ""
    assert dom0a.run(f"ls {template}/etc/ssh/ssh_host_*").rc != 0
    assert "ssh-ed25519" in guest(web1, "cat /etc/ssh/ssh_host_ed25519_key.pub")


def test_the_file_of_web1_is_one_that_xl_reads_and_people_can(dom0a: Host, web1: Host) -> None:
    text = dom0a.check_output("cat /etc/xen/web1.cfg")
    assert "'phy:/dev/vg0/web1-disk,xvda2,w'" in text and "# VLAN 72, eth72 in the guest: 192.168.72.11/24" in text
    told = json.loads(dom0a.check_output("xl create --quiet --dryrun --defconfig /etc/xen/web1.cfg"))
    assert told["c_info"]["name"] == "web1"


def test_the_list_tells_all_of_web1(dom0a: Host, web1: Host) -> None:
    entry: dict[str, Any] = known(dom0a, "web1") or {}
    assert (entry["state"], entry["memory"], entry["vcpus"], entry["autostart"]) == ("running", 512, 1, False)
    assert (entry["network"][0]["vlan"], entry["network"][0]["ips"]) == (72, [WEB1])
    assert {one["path"]: one["size"] for one in entry["volumes"]} == {
        "/dev/vg0/web1-disk": 2 << 30, "/dev/vg0/web1-swap": 512 << 20}
    assert "xenbr72 192.168.72.11" in dom0a.check_output("xen-legi list")
    assert json.loads(dom0a.check_output("xen-legi info web1 --json")) == entry
    assert (entry["root"], entry["actions"]["on_crash"]) == ("/dev/xvda2", "restart")
    assert dom0a.run("xen-legi lint web1").rc == 0
    assert "xenbr72, VLAN 72, 00:16:3E:" in dom0a.check_output("xen-legi info web1")


def test_the_network_shows_web1_at_its_bridge(dom0a: Host, web1: Host) -> None:
    shown = json.loads(dom0a.check_output("xen-legi net show --json"))
    assert [(one["domu"], one["port_of"]) for one in shown if one["kind"] == "vif"] == [("web1", "xenbr72")]


def test_a_bridge_that_goes_down_and_comes_up_has_its_domus_again(dom0a: Host, web1: Host) -> None:
    assert "attached again: vif" in dom0a.check_output("ifdown xenbr72 2>&1 && ifup xenbr72 2>&1")
    assert banner(web1, WEB1).startswith("SSH-")


def test_a_console_without_a_terminal_is_refused_for_nobody_could_leave_it(dom0a: Host, web1: Host) -> None:
    result = dom0a.run("timeout 60 xen-legi console web1 </dev/null")
    refused(result)
    assert "needs a terminal" in result.stderr


def test_a_running_domu_is_not_deleted(dom0a: Host, web1: Host) -> None:
    before = state(dom0a)
    refused(dom0a.run("xen-legi delete web1 --yes"))
    assert state(dom0a) == before


# wrong use


@pytest.fixture(scope="module")
def crowded(toy: Host) -> Iterator[Host]:
    """dom0a with a domU `small` that is not running, and a foreign volume there-disk."""
    toy.check_output(f"xen-legi create small {SMALL.replace('.99/', '.98/')}")
    toy.check_output("lvcreate -qq -y -L 8M -n there-disk vg0")
    yield toy
    toy.check_output("xen-legi delete small --yes; lvremove -qq -y vg0/there-disk")


@pytest.fixture(scope="module")
def calm(crowded: Host) -> str:
    """What the host must still have after each wrong use."""
    return state(crowded)


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_gets_one_line_and_changes_nothing(crowded: Host, calm: str, case: str) -> None:
    words, message = WRONG[case]
    if words.startswith("create") and "--vlan" not in words and case != "no place":
        words = words.replace("create", "create --vlan 72 --ip 192.168.72.97/24", 1)
    if words.startswith("create") and "--size" not in words:
        words = words.replace("create", "create --size 1G", 1)  # web1 has taken room
    result = crowded.run(f"xen-legi {words} </dev/null")
    refused(result)
    assert message in result.stderr
    assert state(crowded) == calm


UNKNOWN = """\
-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

Origin: Ubuntu
Suite: noble
Codename: noble
Version: 24.04
Date: Thu, 25 Apr 2024 15:10:33 UTC
Architectures: amd64
Components: main universe
SHA256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-amd64/Packages
-----BEGIN PGP SIGNATURE-----

iHUEARYIAB0WIQRpkekkoMWUJaNsBIKiv7SaXHfhyQUCawyaTQAKCRCiv7SaXHfh
yYJ8AQDf0KQqMyGr3s7uD7oYcJPSerQGkMGU6bUb0zeIjdjwTQD6Ai9oa8jvXZ7y
6AMi7De/TozxfGwBwJuyqFA1USOLbAo=
=W8Ww
-----END PGP SIGNATURE-----
"""


def test_a_suite_without_a_keyring_is_refused_before_anything_is_made(crowded: Host, calm: str) -> None:
    file = "/srv/ubuntu/dists/noble/InRelease"
    crowded.check_output(f"install -D -m 644 /dev/null {file} && printf %s {shlex.quote(UNKNOWN)} > {file}")
    try:
        words = SMALL.replace("--dist tiny", "--dist noble --method debootstrap --mirror file:///srv/ubuntu")
        result = crowded.run(f"xen-legi create x {words} </dev/null")
        refused(result)
        assert "the suite 'noble' in file:///srv/ubuntu cannot be trusted: it is signed by no key" in result.stderr
        assert "hint: apt install ubuntu-keyring, or --keyring FILE" in result.stderr
        assert state(crowded) == calm
    finally:
        crowded.check_output("rm -r /srv/ubuntu")


@pytest.mark.parametrize("words", ["promote small --force", "create x --siz 1G", "stop small --wait nan"])
def test_an_option_that_is_none_is_wrong_use(crowded: Host, calm: str, words: str) -> None:
    refused(crowded.run(f"xen-legi {words} </dev/null"))
    assert state(crowded) == calm


@pytest.mark.parametrize(("text", "message"), [
    ("[domu]\\nbridge = \"br{id}\"\\n", "[domu] bridge: 'br{id}'"),
    ("# caf\\351\\n", "line 1 holds a byte that is no UTF-8"),
])
def test_settings_that_are_wrong_are_told_with_their_place(crowded: Host, text: str, message: str) -> None:
    file = "/etc/xen-legi/xen-legi.toml"
    crowded.check_output(f"cp -a {file} /root/kept.toml && printf '{text}' > {file}")
    try:
        result = crowded.run(f"xen-legi create x {SMALL} --dry-run")
        refused(result)
        assert f"{file}: {message}" in result.stderr
    finally:
        crowded.check_output(f"mv /root/kept.toml {file}")


def test_nothing_is_deleted_while_a_file_cannot_be_read(crowded: Host) -> None:
    crowded.check_output("echo 'disk = [' > /etc/xen/broken.cfg")
    try:
        before = state(crowded)
        result = crowded.run("xen-legi delete small --yes")
        refused(result)
        assert "/etc/xen/broken.cfg cannot be read" in result.stderr and state(crowded) == before
    finally:
        crowded.check_output("rm /etc/xen/broken.cfg")


FOR_ROOT = [
    f"create x {SMALL}", "delete small --yes", "start small", "stop small", "console small", "promote small", "list",
    "clone small x", "rename small x",
    "template make tiny", "template delete tiny --yes", "kernel add", "peer add dom0z", "peer remove dom0b",
]


def test_what_is_for_root_is_refused_to_others(crowded: Host) -> None:
    before = state(crowded)
    for words in FOR_ROOT:
        result = crowded.run(f"runuser -u nobody -- /usr/sbin/xen-legi {words} </dev/null")
        refused(result)
        assert "must be run as root" in result.stderr, words
    assert state(crowded) == before


def test_a_dry_run_prints_the_plan_and_does_nothing(crowded: Host) -> None:
    before = state(crowded)
    plan = crowded.check_output(f"xen-legi create planned {SMALL} --dry-run")
    assert "make volume /dev/vg0/planned-disk, 64M" in plan and "write /etc/xen/planned.cfg" in plan
    assert "volume /dev/vg0/small-disk" in crowded.check_output("xen-legi delete small --dry-run")
    as_json = json.loads(crowded.check_output(f"xen-legi create planned {SMALL} --dry-run --json"))
    assert [(one["group"], one["name"], one["size"]) for one in as_json["parts"]] == [
        ("vg0", "planned-swap", 16 << 20), ("vg0", "planned-disk", 64 << 20)]
    assert json.loads(crowded.check_output("xen-legi delete small --dry-run --json"))["domu"]["name"] == "small"
    assert json.loads(crowded.check_output("xen-legi autostart small --json")) == {"name": "small", "autostart": False}
    assert state(crowded) == before


# kills

UNDONE = ("planned", "after-lvcreate-xvda2", "after-settle", "before-commit")
IN_MORE = ("after-lvcreate-xvda1", "after-mkfs", "mounted", "after-copy", "after-modules", "settle-network", "after-role",
           "after-umount")


@pytest.mark.parametrize("point", daily(*UNDONE, more=IN_MORE))
def test_a_killed_creation_leaves_nothing_after_the_next_run(toy: Host, point: str) -> None:
    before = state(toy)
    role = "--role admin-ssh --role-args /root/lab.pub"
    killed = run_killed(toy, f"create:{point}", f"xen-legi create gone {SMALL} {role}")
    assert killed.rc == 137, killed.stderr
    toy.check_output("xen-legi list")
    assert state(toy) == before
    assert toy.run("grep xen-legi /proc/mounts").rc != 0


def test_a_creation_killed_after_its_file_is_there_is_whole(toy: Host) -> None:
    killed = run_killed(toy, "create:after-commit", f"xen-legi create whole {SMALL}")
    assert killed.rc == 137, killed.stderr
    toy.check_output("xen-legi list")
    assert "creating" not in toy.check_output("lvs -o lv_tags vg0")
    assert volumes(toy, "whole") == {"whole-disk", "whole-swap"}
    toy.check_output("xen-legi delete whole --yes")


def test_a_creation_killed_after_its_final_role_is_whole(toy: Host) -> None:
    role = "--finalrole admin-ssh --role-args /root/lab.pub"
    killed = run_killed(toy, "create:after-final-role", f"xen-legi create whole {SMALL} {role}")
    assert killed.rc == 137, killed.stderr
    toy.check_output("xen-legi list")
    assert "creating" not in toy.check_output("lvs -o lv_tags vg0")
    assert volumes(toy, "whole") == {"whole-disk", "whole-swap"}
    toy.check_output("xen-legi delete whole --yes")


@pytest.mark.parametrize(("point", "stays"), [("tagged", True), ("after-file", False), ("after-lvremove", False)])
def test_a_killed_deletion_is_undone_or_ended(toy: Host, point: str, stays: bool) -> None:
    before = state(toy)
    links = "for one in half 50-half; do ln -s ../half.cfg /etc/xen/auto/$one.cfg; done"
    toy.check_output(f"xen-legi create half {SMALL} && {links}")
    assert run_killed(toy, f"delete:{point}", "xen-legi delete half --yes").rc == 137
    entry = known(toy, "half")
    if stays:
        assert entry and entry["autostart"] and "deleting" not in toy.check_output("lvs -o lv_tags vg0")
        toy.check_output("xen-legi delete half --yes")
    assert state(toy) == before


def test_what_a_kill_left_stays_while_a_file_that_was_set_aside_may_name_it(toy: Host) -> None:
    before = state(toy)
    assert run_killed(toy, "create:after-mkfs", f"xen-legi create doubt {SMALL}").rc == 137
    toy.check_output("touch /etc/xen/doubt.cfg.off")
    said = toy.run("xen-legi list").stderr
    assert "vg0/doubt-disk, which stays: /etc/xen/doubt.cfg.off may name it" in said
    assert volumes(toy, "doubt") == {"doubt-disk", "doubt-swap"}
    toy.check_output("rm /etc/xen/doubt.cfg.off && xen-legi list")
    assert state(toy) == before


def test_a_template_whose_making_anew_was_killed_between_its_renames_is_put_back(toy: Host) -> None:
    before = state(toy)
    toy.check_output("cd /srv/xen/templates && mv tiny .old-tiny && mkdir .making-tiny && touch .making-tiny.toml")
    assert "tiny" in toy.check_output("xen-legi template list").split()
    assert state(toy) == before


def test_a_killed_making_of_a_template_leaves_nothing_after_the_next_run(toy: Host) -> None:
    before = state(toy)
    assert run_killed(toy, "template:begun", "xen-legi template make other --dist trixie").rc == 137
    toy.check_output("xen-legi template list")
    assert state(toy) == before


# deletion, what others made


def test_deletion_takes_what_is_the_domus_and_nothing_else(toy: Host) -> None:
    before = state(toy)
    toy.check_output(f"xen-legi create big {SMALL} && xen-legi autostart big on")
    assert toy.check_output("readlink /etc/xen/auto/big.cfg; xen-legi autostart big").split() == ["../big.cfg", "on"]
    said = toy.check_output("xen-legi delete big --yes")
    assert "/dev/vg0/big-disk" in said and "big-data" not in said
    assert volumes(toy, "big") == {"big-data", "big-disk2"}
    assert state(toy) == before


def test_a_domu_made_by_hand_is_listed_and_deleted_like_any(toy: Host) -> None:
    before = state(toy)
    disks = "'phy:/dev/vg0/hand-root,xvda,w','phy:/dev/vg0/big-data,xvdb,r'"
    text = f"name='hand'\\nmemory=64\\ndisk=[{disks}]\\nvif=['bridge=xenbr73']\\n"
    toy.check_output(f"lvcreate -qq -y -L 8M -n hand-root vg0 && printf \"{text}\" > /etc/xen/hand.cfg")
    entry: dict[str, Any] = known(toy, "hand") or {}
    assert (entry["state"], entry["network"][0]["vlan"]) == ("stopped", 73)
    toy.check_output("xen-legi delete hand --yes")
    assert state(toy) == before


def test_a_volume_that_another_domu_uses_by_another_path_stays(toy: Host) -> None:
    before = state(toy)
    mine = "name='mine'; memory=64; disk=['phy:/dev/mapper/vg0-mine--root,xvda,w','phy:/dev/vg0/mine-data,xvdb,w']"
    hers = "name='hers'; memory=64; disk=['phy:/dev/mapper/vg0-mine--data,xvda,w']"
    toy.check_output(
        "lvcreate -qq -y -L 8M -n mine-data vg0 && lvcreate -qq -y -L 8M -n mine-root vg0 && "
        f'echo "{mine}" > /etc/xen/mine.cfg && echo "{hers}" > /etc/xen/hers.cfg'
    )
    toy.check_output("xen-legi delete mine --yes")
    assert volumes(toy, "mine") == {"mine-data"}
    toy.check_output("rm /etc/xen/hers.cfg && lvremove -qq -y vg0/mine-data")
    assert state(toy) == before
