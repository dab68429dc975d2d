"""What a killed `delete` left besides volumes: the links that start the domU."""

from dataclasses import replace
from pathlib import Path

import pytest

from test_domu_killed import host
from xen_legi import steps
from xen_legi.domu import config
from xen_legi.domu.removal import Removal
from xen_legi.install import delete as install_delete
from xen_legi.install import deleting, hooks
from xen_legi.install.delete import delete

__all__ = ["host"]
TEXT = "name = 'web1'\nmemory = 64\n"
LINKS = {"web1.cfg": "../web1.cfg", "50-web1.cfg": "../web1.cfg", "web2.cfg": "../web2.cfg"}


class Killed(BaseException):
    """The program ends here."""


@pytest.fixture
def web1(host: Path, monkeypatch: pytest.MonkeyPatch) -> Removal:
    """The removal of web1, which has no volume and two links; the link of web2 leads nowhere."""
    monkeypatch.setattr(deleting, "DIRECTORY", host / "plans")
    monkeypatch.setattr("xen_legi.storage.images.NOTES", host / "plans")
    (host / "web1.cfg").write_text(TEXT)
    for link, target in LINKS.items():
        (host / "auto" / link).symlink_to(target)
    return Removal(config.read(host / "web1.cfg"), (), tuple(config.auto_links(host / "web1.cfg", host / "auto")), ())


def killed(plan: Removal, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Delete it, killed at a named point."""
    def at(name: str) -> None:
        if name == f"delete:{point}":
            raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(install_delete, "named_point", at)
        delete(plan)


def links(host: Path) -> list[str]:
    """Return what is in /etc/xen/auto."""
    return sorted(one.name for one in (host / "auto").iterdir())


def test_nothing_is_left_of_one_that_ended(host: Path, web1: Removal) -> None:
    delete(web1)
    assert links(host) == ["web2.cfg"] and list((host / "plans").iterdir()) == []


def test_every_link_of_a_killed_deletion_goes_and_no_other(
    host: Path, web1: Removal, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(web1, "after-file", monkeypatch)
    assert len(links(host)) == 3
    with steps.lock("domu-web1", what="web1"):
        deleting.finish_killed()
    assert len(links(host)) == 3
    deleting.finish_killed()
    assert links(host) == ["web2.cfg"] and list((host / "plans").iterdir()) == []


@pytest.mark.parametrize("point", ["noted", "tagged"])
def test_one_that_was_killed_before_the_file_went_changes_nothing(
    host: Path, web1: Removal, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    killed(web1, point, monkeypatch)
    deleting.finish_killed()
    assert len(links(host)) == 3 and list((host / "plans").iterdir()) == []


@pytest.mark.parametrize(("aside", "kept"), [("web1.cfg.off", True), ("shop.cfg", False)])
def test_a_file_that_a_person_moved_keeps_its_links(
    host: Path, web1: Removal, monkeypatch: pytest.MonkeyPatch, aside: str, kept: bool
) -> None:
    killed(web1, "tagged", monkeypatch)
    (host / "web1.cfg").rename(host / aside)
    deleting.finish_killed()
    assert len(links(host)) == 3 and any((host / "plans").iterdir()) is kept


def test_hooks_are_told_once_of_a_killed_deletion_that_is_ended(
    host: Path, web1: Removal, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    (host / "web1.cfg").write_text(f"{TEXT}vif = ['mac=00:16:3E:48:00:01,bridge=xenbr72,ip=192.168.72.11']\n")
    web1 = replace(web1, domu=config.read(host / "web1.cfg"))

    def tell(directory: str, known: dict[str, str]) -> None:
        with steps.lock("domu-web1", what="web1"):  # a hook may call us
            told.append(f"{directory} {known['XEN_LEGI_NAME']} {known['XEN_LEGI_FILE']} {known['XEN_LEGI_VIFS']}")

    monkeypatch.setattr(hooks, "_run", tell)
    killed(web1, "tagged", monkeypatch)
    deleting.finish_killed()
    assert told == []
    killed(web1, "after-file", monkeypatch)
    for _ in range(2):
        deleting.finish_killed()
    assert told == [f"delete-post.d web1 {host}/web1.cfg 00:16:3e:48:00:01 xenbr72 192.168.72.11"]


def test_a_link_that_a_person_changed_since_stays(host: Path, web1: Removal, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(web1, "after-file", monkeypatch)
    (host / "auto/50-web1.cfg").unlink()
    (host / "auto/50-web1.cfg").symlink_to("../other.cfg")
    deleting.finish_killed()
    assert links(host) == ["50-web1.cfg", "web2.cfg"]
