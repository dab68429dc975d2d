"""Roles in domUs that are made and never started: what they find, what becomes of one that fails, keys of a guest."""

import shlex

from testinfra.host import Host

from domus import SMALL, state


def read_disk(host: Host, volume: str, command: str) -> str:
    """Run a command on a host with a volume mounted at /run/look, read-only and seen by nobody else."""
    inside = f"mkdir -p /run/look && mount -o ro /dev/vg0/{volume} /run/look && {command}"
    return str(host.check_output(f"unshare --mount sh -ec {shlex.quote(inside)}"))


def test_a_role_settles_the_guest(toy: Host) -> None:
    toy.check_output(f"xen-legi create role1 {SMALL} --ssh-key /root/lab.pub --role admin-ssh --role-args /root/lab.pub")
    try:
        assert "PasswordAuthentication no" in read_disk(toy, "role1-disk", "cat /run/look/etc/ssh/sshd_config")
        keys = read_disk(toy, "role1-disk", "cat /run/look/root/.ssh/authorized_keys")
        assert keys == toy.check_output("cat /root/lab.pub")
    finally:
        toy.check_output("xen-legi delete role1 --yes")


ROLE = """\
#!/bin/sh
set -e
if [ -e /usr/share/xen-tools/common.sh ]; then . /usr/share/xen-tools/common.sh; fi
logMessage hidden
echo "$FOO $dist $output/$hostname$extension"
"""


def test_roles_find_common_sh_and_the_callers_environment_and_a_final_one_the_file(toy: Host) -> None:
    before, log = state(toy), "/var/log/xen-legi/role2.log"
    toy.check_output(f"mkdir /root/roles && printf %s {shlex.quote(ROLE)} >/root/roles/one && "
                     "printf '#!/bin/sh\\ngrep -c role2-disk $output/$hostname$extension; exit 3\\n' >/root/roles/last && "
                     "chmod +x /root/roles/*")
    try:
        made = toy.run(f"FOO=1 xen-legi create role2 {SMALL} --roledir /root/roles --role one")
        assert made.rc == 0 and log in made.stdout, made.stderr
        said = toy.check_output(f"cat {log}")
        assert "\nrole /root/roles/one\n1 tiny /etc/xen/role2.cfg" in said and "hidden" not in said
        assert toy.check_output("stat -c %a /var/log/xen-legi/role2.log") == "600"
        toy.check_output("xen-legi delete role2 --yes")
        failed = toy.run(f"xen-legi create role2 {SMALL} --roledir /root/roles --role one --finalrole last")
        assert failed.rc == 1 and "exit status 3" in failed.stderr and log in failed.stderr
        assert "\nrole /root/roles/last\n1\nexit status 3" in toy.check_output(f"cat {log}")
        assert state(toy) == before
        assert toy.run("dpkg -S /usr/share/xen-tools/common.sh").rc == toy.run("test -e /usr/share/xen-tools/common.sh").rc
    finally:
        toy.run(f"xen-legi delete role2 --yes; rm -r /root/roles {log}")


def test_a_guest_gets_the_keys_of_the_administrators_and_not_those_of_peers(toy: Host) -> None:
    own = toy.check_output("cat /root/.ssh/authorized_keys").splitlines()
    peers = [line for line in own if "xen-legi-peer=" in line]
    assert peers and len(peers) < len(own)
    toy.check_output(f"xen-legi create keys1 {SMALL}")
    try:
        keys = read_disk(toy, "keys1-disk", "cat /run/look/root/.ssh/authorized_keys")
        assert keys.splitlines() == [line for line in own if line not in peers]
    finally:
        toy.check_output("xen-legi delete keys1 --yes")


def test_a_role_that_fails_undoes_the_domu(toy: Host) -> None:
    toy.check_output("printf '#!/bin/sh\\necho no luck with $hostname in $1; exit 3\\n' > /root/bad && chmod +x /root/bad")
    before = state(toy)
    result = toy.run(f"xen-legi create unlucky {SMALL} --role /root/bad")
    assert result.rc == 1 and "role /root/bad failed with exit status 3" in result.stderr
    assert "no luck with unlucky" in result.stderr
    assert state(toy) == before
