"""What an archive has is looked at before anything is made: apt itself asks a web server of ours, whose suites gpg signs."""

import hashlib
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from xen_legi import run
from xen_legi.errors import Problem
from xen_legi.install import mirror, release

pytestmark = pytest.mark.skipif(not run.installed("gpg") or not run.installed("apt-get"), reason="gpg and apt are needed")
RELEASE = """\
Origin: {0}
Label: {0}
Suite: {1}
Version: {2}
Codename: {1}
Date: Thu, 25 Apr 2024 15:10:33 UTC
Architectures: amd64
Components: main universe
{3}SHA256:
 {4} 0 main/binary-amd64/Packages
"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves a directory without a word."""

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def keys() -> Iterator[Path]:
    """A directory with a key of gpg and what it has of its own, its public part in key.gpg."""
    with TemporaryDirectory(prefix="keys-") as place:  # short: a socket is in it
        gpg = ("gpg", "--homedir", place, "--batch", "--quiet")
        subprocess.run([*gpg, "--passphrase", "", "--quick-gen-key", "a@b.example", "ed25519", "sign", "never"], check=True)
        subprocess.run([*gpg, "--export", "--output", f"{place}/key.gpg"], check=True)
        yield Path(place)
        subprocess.run(["gpgconf", "--homedir", place, "--kill", "all"], check=True)


def put(top: Path, keys: Path, suite: str, *, origin: str = "Debian", version: str = "13", more: str = "") -> None:
    """Make a signed suite in the archive at `top`."""
    place = top / "dists" / suite
    place.mkdir(parents=True)
    (place / "Release").write_text(RELEASE.format(origin, suite, version, more, hashlib.sha256().hexdigest()))
    gpg = ("gpg", "--homedir", str(keys), "--batch", "--quiet")
    subprocess.run([*gpg, "--clearsign", "--output", place / "InRelease", place / "Release"], check=True)


@pytest.fixture
def top(tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of an archive; this host's apt has no source, and no distribution's keys are here."""
    monkeypatch.setattr(mirror, "ask", lambda: [])
    for name in ("DEBIAN", "UBUNTU"):
        one = release.Distribution(**{**vars(getattr(release, name)), "keyring": tmp_path / f"{name}.gpg"})
        for module in (release, mirror):
            monkeypatch.setattr(module, name, one)
    (tmp_path / "debian").mkdir()
    put(tmp_path / "debian", keys, "trixie")
    return tmp_path / "debian"


@pytest.fixture
def archive(top: Path) -> Iterator[str]:
    """The same on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(top.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/debian"
    server.shutdown()
    server.server_close()


def refusal(dist: str, uri: str, keyring: str = "") -> Problem:
    """Return what is said of a suite that cannot be had."""
    with pytest.raises(Problem) as raised:
        mirror.find(dist, uri, keyring)
    assert raised.value.status == 2 and raised.value.hint
    return raised.value


def test_a_suite_alone_is_found_and_that_it_has_no_security_fixes_is_told(
    archive: str, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = mirror.find("trixie", archive, f"{keys}/key.gpg")
    assert found.sources == (f"deb {archive} trixie main",) and found.codename == "trixie"
    assert "no source of security fixes" in capsys.readouterr().err


def test_updates_and_security_fixes_are_taken_as_far_as_they_are_there(archive: str, top: Path, keys: Path) -> None:
    for name in ("trixie-updates", "buster", "buster-updates"):
        put(top, keys, name, version="10")
    for name in ("trixie-security", "buster/updates"):
        put(top.with_name("debian-security"), keys, name)
    assert mirror.find("trixie", archive, f"{keys}/key.gpg").sources == (
        f"deb {archive} trixie main", f"deb {archive} trixie-updates main", f"deb {archive}-security trixie-security main",
    )  # fmt: skip
    assert mirror.find("buster", archive, f"{keys}/key.gpg").sources[2] == f"deb {archive}-security buster/updates main"


def test_a_suite_of_ubuntu_has_universe_and_its_own_fixes(archive: str, top: Path, keys: Path) -> None:
    for name in ("noble", "noble-security"):
        put(top, keys, name, origin="Ubuntu", version="24.04")
    assert mirror.find("noble", archive, f"{keys}/key.gpg").sources == (
        f"deb {archive} noble main universe", f"deb {archive} noble-security main universe",
    )  # fmt: skip


def test_a_suite_without_a_keyring_is_refused_and_with_that_of_its_distribution_found(
    archive: str, top: Path, keys: Path
) -> None:
    put(top, keys, "noble", origin="Ubuntu", version="24.04")
    said = refusal("noble", archive)
    assert said.message == f"the suite 'noble' in {archive} cannot be trusted: it is signed by no key that is known here"
    assert "--keyring FILE" in said.hint and "apt install " in said.hint
    mirror.UBUNTU.keyring.write_bytes((keys / "key.gpg").read_bytes())
    assert mirror.find("noble", archive).keyring == str(mirror.UBUNTU.keyring)


def test_one_that_is_not_signed_at_all_is_refused(archive: str, top: Path, keys: Path) -> None:
    (top / "dists/trixie/InRelease").unlink()
    assert refusal("trixie", archive, f"{keys}/key.gpg").message.endswith("cannot be trusted: it is not signed")


def test_a_keyring_that_is_not_there_is_told(archive: str) -> None:
    assert refusal("trixie", archive, "/nothing.gpg").message == "there is no keyring /nothing.gpg"


def test_a_suite_that_is_not_there_is_named_on_the_web_and_in_a_directory(archive: str, top: Path, keys: Path) -> None:
    for uri in (archive, f"file://{top}"):
        assert refusal("woody", uri, f"{keys}/key.gpg").message == f"there is no suite 'woody' in {uri}"
    assert mirror.find("trixie", f"file://{top}", f"{keys}/key.gpg").uri == f"file://{top}"


def test_an_archive_that_does_not_answer_is_not_taken_for_one_without_the_suite(archive: str) -> None:
    dead = archive.rpartition(":")[0] + ":1"
    assert refusal("trixie", dead).message.startswith(f"{dead} cannot be reached: Could not connect")


def test_what_only_adds_to_a_suite_what_is_too_old_and_another_architecture_are_refused(
    archive: str, top: Path, keys: Path
) -> None:
    put(top, keys, "extra", more="NotAutomatic: yes\n")
    put(top, keys, "wheezy", version="7.11")
    assert refusal("extra", archive, f"{keys}/key.gpg").message.startswith("extra is no whole suite")
    assert "too old" in refusal("wheezy", archive, f"{keys}/key.gpg").message
    with pytest.raises(Problem, match="has no packages for i386"):
        mirror.find("trixie", archive, f"{keys}/key.gpg", "i386")
