"""What goes with a domU that is deleted, and what stays, whatever it is called. A kernel and LVM, no guest."""

import shlex

import pytest
from testinfra.host import Host

from domus import known, run_killed, state


def volumes(host: Host, word: str) -> list[str]:
    """Return the names of volumes with this word in them."""
    return sorted(one for one in host.check_output("lvs --noheadings -o lv_name vg0").split() if word in one)


def test_the_links_of_a_domu_without_volumes_go_after_a_kill_and_no_others(store: Host) -> None:
    look = "ln -s ../bare2.cfg /etc/xen/auto/50-bare2.cfg"
    store.check_output(f"mkdir -p /etc/xen/auto && {look}")
    before = state(store)
    make = "printf \"name='bare'\\nmemory=64\\n\" > /etc/xen/bare.cfg && ln -s ../bare.cfg /etc/xen/auto/50-bare.cfg"
    store.check_output(make)
    assert run_killed(store, "delete:after-file", "xen-legi delete bare --yes").rc == 137
    assert "removing its link /etc/xen/auto/50-bare.cfg" in store.run("xen-legi list").stderr
    assert state(store) == before
    store.check_output("rm /etc/xen/auto/50-bare2.cfg")


def test_a_volume_that_is_called_otherwise_goes_when_a_person_says_so_and_no_look_alike(store: Host) -> None:
    before = state(store)
    names = ("odd", "odd_root", "lv_odd", "odd2", "lv_odd2")
    disks = ", ".join(f"'phy:/dev/vg0/{name},xvd{letter},w'" for name, letter in zip(names[:3], "abc"))
    make = " && ".join(f"lvcreate -qq -y -L 8M -n {name} vg0" for name in names)
    text = shlex.quote(f"name = 'odd'\nmemory = 64\ndisk = [{disks}]\n")
    store.check_output(f"{make} && printf %s {text} > /etc/xen/odd.cfg")
    said = store.check_output("xen-legi delete odd --dry-run")
    assert "volume /dev/vg0/odd\n" in said and "volume /dev/vg0/odd_root\n" in said
    assert "(with --all-disks go, too: /dev/vg0/lv_odd)" in said
    store.check_output("xen-legi delete odd --all-disks --yes")
    assert volumes(store, "odd") == ["lv_odd2", "odd2"]
    store.check_output("lvremove -qq -y vg0/odd2 vg0/lv_odd2")
    assert state(store) == before


@pytest.mark.parametrize("file", ["hers", "auto/hers", "hers.cfg~", "old/hers.cfg"])
def test_a_volume_that_a_file_names_which_is_no_cfg_stays(store: Host, file: str) -> None:
    store.check_output("mkdir -p /etc/xen/auto")
    before = state(store)
    text = "name = 'X'\nmemory = 64\ndisk = ['phy:/dev/vg0/mine-data,xvda,w']\n"
    mine, hers = (shlex.quote(text.replace("X", name)) for name in ("mine", "hers"))
    store.check_output(
        f"mkdir -p /etc/xen/old && lvcreate -qq -y -L 8M -n mine-data vg0 && "
        f"printf %s {mine} > /etc/xen/mine.cfg && printf %s {hers} > /etc/xen/{file}"
    )
    entry = known(store, "hers")
    assert (entry is not None) == (file in ("hers", "auto/hers"))
    assert "it is in use by domU hers" in store.check_output("xen-legi delete mine --yes")
    assert volumes(store, "mine") == ["mine-data"]
    if entry:
        assert (entry["file"], entry["autostart"]) == (f"/etc/xen/{file}", file != "hers")
        store.check_output("xen-legi delete hers --yes --all-disks")
    else:
        store.check_output(f"rm /etc/xen/{file} && lvremove -qq -y vg0/mine-data")
    store.check_output("rmdir /etc/xen/old")
    assert state(store) == before
