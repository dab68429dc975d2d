"""A domU that is off gets another name, with its volumes, file, link and host name. A kernel and LVM, no guest."""

import shlex
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from backups import in_disk, make_tiny, manifest, remove_tiny
from domus import refused, run_killed, state
from marks import daily

DISK2 = "/dev/vg0/tiny2-disk"
PLAN = "/var/lib/xen-legi/renaming-tiny1.json"
STALE = "/var/lib/xen-legi/renaming-tiny1.stale"
NAMES = "127.0.1.1\\ttiny1.example.org tiny1\\n10.0.0.1\\ttiny10\\n"


@pytest.fixture(scope="module")
def tiny(store: Host) -> Iterator[Host]:
    """The store with tiny1, which starts with dom0, knows its name and has look-alikes beside it."""
    remove(store)
    try:
        make_tiny(store)
        store.check_output("echo \"root = '/dev/xvda2 ro'\" >> /etc/xen/tiny1.cfg && mkdir -p /etc/xen/auto && "
                           "ln -s ../tiny1.cfg /etc/xen/auto/ && lvcreate -qq -y -L 4M -n tiny1-spare vg0")
        in_disk(store, f"cd /run/look/etc; echo tiny1 > hostname; printf '{NAMES}' > hosts; chmod 640 hosts; "
                       "chown 7:8 hosts; ln -s ../../../etc/hostname mailname")
        yield store
    finally:
        remove(store)


@pytest.fixture
def named(tiny: Host) -> Iterator[Host]:
    """The same; whatever the test made of its name, it is tiny1 afterwards."""
    yield tiny
    if tiny.run("test -e /etc/xen/tiny2.cfg").rc == 0:
        tiny.check_output("xen-legi rename tiny2 tiny1")


def remove(host: Host) -> None:
    """Remove what these tests make."""
    remove_tiny(host)
    remove_tiny(host, name="tiny2")
    host.run(f"rm -rf /etc/xen/auto/tiny1.cfg /etc/xen/auto/tiny2.cfg {PLAN} {STALE}")


def assert_renamed(host: Host) -> None:
    """Assert that tiny1 is tiny2 in every place, and nothing of a renaming is left."""
    volumes = host.check_output("lvs --noheadings -o full_name | tr -d ' ' | grep -F /tiny | sort").split()
    assert volumes == ["vg0/tiny1-spare", "vg0/tiny2-disk", "vg0/tiny2-swap"]
    files = host.check_output("cd /etc/xen && ls *.cfg && readlink auto/*").split()
    assert "tiny2.cfg" in files and "../tiny2.cfg" in files and not [one for one in files if "tiny1" in one]
    text = host.check_output("cat /etc/xen/tiny2.cfg")
    assert "name = 'tiny2'" in text and "phy:/dev/vg0/tiny2-disk,xvda2,w" in text and "tiny1" not in text
    said = in_disk(host, "cd /run/look/etc; cat hostname hosts; readlink mailname", DISK2, "ro")
    assert said.splitlines() == ["tiny2", "127.0.1.1\ttiny2.example.org tiny2", "10.0.0.1\ttiny10", "../../../etc/hostname"]
    facts = in_disk(host, "cd /run/look/etc; stat -c '%a %u %g' hosts; ls -A | grep -c xen-legi || true", DISK2, "ro")
    assert facts.splitlines() == ["640 7 8", "0"]
    assert host.run(f"test -e {PLAN} || findmnt -rno TARGET | grep /run/xen-legi").rc == 1


def refuses(host: Host, words: str, said: str) -> None:
    """Assert that `xen-legi rename` with these words says this, and changes nothing."""
    before = state(host)
    result = host.run(f"xen-legi rename {' '.join(map(shlex.quote, words.split()))}")
    refused(result)
    assert said in result.stderr
    assert state(host) == before


def test_a_plan_changes_nothing(named: Host) -> None:
    before = state(named)
    said = named.check_output("xen-legi rename tiny1 tiny2 --dry-run")
    assert "volume vg0/tiny1-disk to vg0/tiny2-disk" in said and "file /etc/xen/tiny1.cfg to /etc/xen/tiny2.cfg" in said
    assert state(named) == before


def test_everything_that_bears_the_name_gets_the_new_one_and_nothing_else(named: Host) -> None:
    of_host = named.check_output("cat /etc/hostname")
    files = manifest(named, "/dev/vg0/tiny1-disk")
    named.check_output("xen-legi rename tiny1 tiny2")
    assert_renamed(named)
    assert named.check_output("cat /etc/hostname") == of_host
    named.check_output("xen-legi rename tiny2 tiny1")
    was, now = (set(text.splitlines()) for text in (files, manifest(named, "/dev/vg0/tiny1-disk")))
    # they have new times, and their directory has
    assert {line.split("'")[1] for line in was ^ now} <= {"etc", "etc/hostname", "etc/hosts"}, was ^ now


def test_a_file_that_is_a_link_is_changed_where_it_leads(named: Host) -> None:
    before = state(named)
    named.check_output("mkdir /root/cfg && mv /etc/xen/tiny1.cfg /root/cfg && ln -s /root/cfg/tiny1.cfg /etc/xen/ && "
                       "chown 7:8 /root/cfg/tiny1.cfg && chmod 660 /root/cfg/tiny1.cfg")
    try:
        text = named.check_output("cat /root/cfg/tiny1.cfg")
        named.check_output("umask 077; xen-legi resize tiny1 --memory 40M && xen-legi rename tiny1 tiny2")
        names = named.check_output("ls -A /root/cfg; readlink /etc/xen/tiny1.cfg").split()
        assert names == ["tiny1.cfg", "/root/cfg/tiny1.cfg"]
        assert named.check_output("stat -c '%a %u %g' /root/cfg/tiny1.cfg") == "660 7 8"
        changed = named.check_output("cat /etc/xen/tiny1.cfg")
        assert "name = 'tiny2'" in changed and "memory = 40" in changed and "vg0/tiny2-disk" in changed
        named.check_output("xen-legi rename tiny2 tiny1")
        assert named.check_output("cat /root/cfg/tiny1.cfg").splitlines()[:2] == text.splitlines()[:2]
        named.check_output(f"printf '%s\n' {shlex.quote(text)} > /root/cfg/tiny1.cfg")
    finally:
        named.check_output("chown 0:0 /root/cfg/tiny1.cfg; chmod 644 /root/cfg/tiny1.cfg; "
                           "mv /root/cfg/tiny1.cfg /etc/xen/tiny1.cfg; rmdir /root/cfg")
    assert without_times(state(named)) == without_times(before)


def without_times(text: str) -> list[str]:
    """Return the lines of a state without those of tiny1.cfg, whose time is new."""
    return [line for line in text.splitlines() if not line.startswith("/etc/xen/tiny1.cfg ")]


def test_the_host_name_can_be_kept(named: Host) -> None:
    named.check_output("xen-legi rename tiny1 tiny2 --keep-hostname")
    assert in_disk(named, "cat /run/look/etc/hostname", DISK2, "ro") == "tiny1"


POINTS = daily("planned", "volume", "written", "link", more=("file-gone", "host-name-written", "host-name"))


@pytest.mark.parametrize("point", POINTS)
def test_a_renaming_that_was_killed_is_ended_by_the_next_command(named: Host, point: str) -> None:
    assert run_killed(named, f"rename:{point}", "xen-legi rename tiny1 tiny2").rc == 137
    result = named.run("xen-legi list")
    assert result.rc == 0 and "domU tiny1 becomes tiny2" in result.stderr, result.stderr
    assert "tiny2" in result.stdout and "tiny1" not in result.stdout
    assert_renamed(named)


@pytest.mark.parametrize("verb", ["resize {} --memory 48M", "autostart {} on"])
def test_a_killed_renaming_is_ended_before_another_verb_changes_the_domu(named: Host, verb: str) -> None:
    assert run_killed(named, "rename:volume", "xen-legi rename tiny1 tiny2").rc == 137
    told = named.run("xen-legi lint")
    assert "a renaming of tiny1 to tiny2 was killed: xen-legi list ends it" in told.stderr, told.stderr
    old = named.run(f"xen-legi {verb.format('tiny1')}")
    assert old.rc == 2 and "there is no domU 'tiny1'" in old.stderr, old.stderr
    assert_renamed(named)
    named.check_output(f"xen-legi {verb.format('tiny2')}")
    assert_renamed(named)
    assert named.run(f"test -e {STALE}").rc == 1


def test_a_killed_renaming_that_cannot_be_ended_is_told_of_and_ended_later(named: Host) -> None:
    assert run_killed(named, "rename:planned", "xen-legi rename tiny1 tiny2").rc == 137
    named.check_output("lvrename -qq vg0 tiny1-disk tiny1-away")
    result = named.run("xen-legi list")
    assert result.rc == 0 and "there is no volume vg0/tiny1-disk" in result.stderr
    assert f"{PLAN}" in result.stderr
    named.check_output("lvrename -qq vg0 tiny1-away tiny1-disk && xen-legi list")
    assert_renamed(named)


def test_a_killed_renaming_is_set_aside_when_a_person_was_there_since(named: Host) -> None:
    before = state(named)
    assert run_killed(named, "rename:planned", "xen-legi rename tiny1 tiny2").rc == 137
    assert named.check_output(f"stat -c %a {PLAN}") == "600"
    named.check_output("cp -a /etc/xen/tiny1.cfg /root/tiny1.cfg && echo '# mine' >> /etc/xen/tiny1.cfg")
    try:
        result = named.run("xen-legi list")
        assert result.rc == 0 and "its file changed since: it is not ended" in result.stderr, result.stderr
        assert "tiny1" in result.stdout and "tiny2" not in result.stdout
        assert named.run(f"test -e {PLAN} && test -e {STALE}").rc == 1 and named.run("xen-legi list").stderr == ""
    finally:
        named.check_output(f"mv /root/tiny1.cfg /etc/xen/tiny1.cfg; rm -f {STALE}")
    assert state(named) == before


@pytest.mark.parametrize(("words", "said"), [
    ("nobody tiny2", "there is no domU 'nobody'"),
    ("tiny1 tiny1", "has this name already"),
    ("tiny1 tiny_2", "cannot be the name of a domU"),
    ("tiny1 Domain-0", "is a name that is taken on every host"),
    ("tiny1 /etc/xen/tiny2.cfg", "cannot be the name of a domU"),
    ("tiny1.cfg tiny2", "use the name: tiny1"),
])
def test_wrong_use_is_refused_and_changes_nothing(named: Host, words: str, said: str) -> None:
    refuses(named, words, said)


@pytest.mark.parametrize(("before", "said", "after"), [
    ("lvcreate -qq -y -L 4M -n tiny2-disk vg0", "there is a volume vg0/tiny2-disk already",
     "lvremove -qq -y vg0/tiny2-disk"),
    ("touch /etc/xen/tiny2.cfg", "/etc/xen/tiny2.cfg exists already", "rm /etc/xen/tiny2.cfg"),
    ("lvcreate -qq -y -s -L 4M -n tiny1-snap vg0/tiny1-disk", "has a snapshot", "lvremove -qq -y vg0/tiny1-snap"),
    ("mkdir /run/held && mount /dev/vg0/tiny1-disk /run/held", "is in use", "umount /run/held && rmdir /run/held"),
    ("lvchange -qq --addtag xen-legi.promoted vg0/tiny1-disk", "was promoted from a copy",
     "lvchange -qq --deltag xen-legi.promoted vg0/tiny1-disk"),
    ("cp /etc/xen/tiny1.cfg /etc/xen/saved.cfg", "/etc/xen/saved.cfg is a file of domU tiny1, too", "rm /etc/xen/saved.cfg"),
    ("touch /etc/xen/auto/tiny2.cfg", "there is a /etc/xen/auto/tiny2.cfg already", "rm /etc/xen/auto/tiny2.cfg"),
    ("echo 'disk = [' > /etc/xen/broken.cfg", "broken.cfg cannot be read", "rm /etc/xen/broken.cfg"),
])
def test_what_stands_in_the_way_is_told_and_nothing_is_changed(named: Host, before: str, said: str, after: str) -> None:
    named.check_output(before)
    try:
        refuses(named, "tiny1 tiny2", said)
    finally:
        named.check_output(after)
