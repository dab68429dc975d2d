"""How a domU that runs is recognized, and what is shown of what it says."""

import subprocess
from pathlib import Path

import pytest

from xen_legi.domu import config
from xen_legi.errors import CommandFailed, Problem
from xen_legi.kernels import over_ssh
from xen_legi.kernels.store import Store

MAC = "00:16:3E:48:12:34"


def domu(*vifs: str) -> config.DomuConfig:
    """Return a domU with these interfaces."""
    return config.parse(f"name = 'web1'\nvif = [{', '.join(map(repr, vifs))}]\n", Path("/etc/xen/web1.cfg"))


@pytest.mark.parametrize(("vifs", "macs"), [
    ([f"mac={MAC},bridge=b"], {MAC.lower()}), (["bridge=b"], set()), ([f"mac={MAC}", "bridge=b"], set()), ([], set()),
])
def test_a_domu_is_recognized_where_its_macs_are_known(vifs: list[str], macs: set[str]) -> None:
    assert over_ssh.login("192.0.2.7", domu(*vifs)).macs == macs


@pytest.mark.parametrize(("said", "answer"), [
    (f"aa:bb:cc:dd:ee:ff\n{MAC.lower()}\nxen-legi:rsync\nxen-legi:tree\n", True),
    (f"{MAC.lower()}\nxen-legi:rsync\n", False),
    ("aa:bb:cc:dd:ee:ff\nxen-legi:rsync\n", "192.0.2.7 is another machine"),
    (f"{MAC.lower()}\nrsync tree\n", "rsync is not installed on 192.0.2.7"),
])
def test_another_machine_and_one_without_rsync_are_refused(
    said: str, answer: bool | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(over_ssh.Login, "run", lambda self, command, timeout: said)
    guest = over_ssh.login("192.0.2.7", domu(f"mac={MAC}"))
    if isinstance(answer, bool):
        assert over_ssh._is_there(guest, "/lib/modules/1") is answer
        return
    with pytest.raises(Problem, match=answer) as raised:
        over_ssh._is_there(guest, "/lib/modules/1")
    assert raised.value.status == 2 and raised.value.hint


def test_what_a_killed_push_of_another_version_left_in_the_guest_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees = tmp_path / "lib/modules"
    for name in (".new-xen-legi-6.1.9/kernel", "6.1.9", "6.1.10"):
        (trees / name).mkdir(parents=True)
    commands: list[str] = []

    def shell(self: over_ssh.Login, command: str, timeout: float) -> str:
        commands.append(command)
        return subprocess.run(["sh", "-c", command.replace("/lib/modules", str(trees))], text=True, capture_output=True,
                              check=True).stdout

    monkeypatch.setattr(over_ssh.Login, "run", shell)
    monkeypatch.setattr(over_ssh, "_is_there", lambda guest, tree: False)
    monkeypatch.setattr(over_ssh, "_copy", lambda *words: (trees / ".new-xen-legi-6.1.10").mkdir())
    over_ssh.push(over_ssh.login("192.0.2.7", domu()), Store(tmp_path).kernel("6.1.10"), (), 0)
    assert sorted(one.name for one in trees.iterdir()) == ["6.1.10", "6.1.9"]


def test_the_first_address_of_the_file_is_taken() -> None:
    one = domu("mac=,ip=192.168.72.11/24 10.0.0.5", "ip=10.0.0.6")
    assert over_ssh.address(one, "") == "192.168.72.11" and over_ssh.address(one, "10.0.0.7") == "10.0.0.7"
    with pytest.raises(Problem, match="no address of web1 is known"):
        over_ssh.address(domu(), "")


def test_what_a_guest_says_is_one_line_that_no_terminal_obeys() -> None:
    failed = CommandFailed(("ssh",), 1, "one\n\x1b]0;x\x07\x1b[2Jtwo" + 999 * "x")
    assert over_ssh._said(failed).startswith("?]0;x??[2Jtwo") and len(over_ssh._said(failed)) == 200


def test_what_a_command_prints_is_heard_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(over_ssh, "_SSH", ("sh", "-c", "head -c 9999999 /dev/zero | tr '\\0' x; exit 3", "sh"))
    with pytest.raises(CommandFailed) as raised:
        over_ssh.Login("192.0.2.7", frozenset()).run("x", 60)
    assert len(raised.value.stderr) == 65536
