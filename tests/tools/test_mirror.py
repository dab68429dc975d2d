"""A suite that an archive does not have is told before anything is made: apt-helper(1) itself asks a web server of ours."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from xen_legi.errors import Problem
from xen_legi.install import mirror


class Quiet(SimpleHTTPRequestHandler):
    """Serves a directory without a word."""

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[str]:
    """An archive on loopback that has one suite."""
    (tmp_path / "dists/trixie").mkdir(parents=True)
    (tmp_path / "dists/trixie/Release").write_text("Codename: trixie\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_suite_that_is_there_is_found(archive: str) -> None:
    mirror.need_suite(f"deb {archive} trixie main")


def test_a_suite_with_a_signed_list_alone_is_found(archive: str, tmp_path: Path) -> None:
    (tmp_path / "dists/trixie/Release").rename(tmp_path / "dists/trixie/InRelease")
    mirror.need_suite(f"deb {archive} trixie main")


def test_one_that_is_not_there_is_named(archive: str) -> None:
    with pytest.raises(Problem) as raised:
        mirror.need_suite(f"deb {archive} woody main")
    assert raised.value.message == f"there is no suite 'woody' in {archive}" and raised.value.status == 2


def test_an_archive_that_does_not_answer_is_not_taken_for_one_without_the_suite(archive: str) -> None:
    dead = archive.rpartition(":")[0] + ":1"
    with pytest.raises(Problem) as raised:
        mirror.need_suite(f"deb {dead} trixie main")
    assert raised.value.message.startswith(f"{dead} cannot be reached: Could not connect")


def test_archives_that_are_directories_are_not_asked() -> None:
    mirror.need_suite("deb file:///srv/mirror nosuch main")
