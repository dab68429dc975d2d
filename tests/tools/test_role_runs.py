"""Roles as they are run: what reaches them, what is kept of what they print. Namespaces and mounts need root."""

import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from test_install_plan import FACTS, SOURCE, WISH
from xen_legi.errors import Problem
from xen_legi.install import log, mirror, roles
from xen_legi.install.model import Plan
from xen_legi.install.plan import plan

OURS = Path(__file__).resolve().parents[2] / "xen-legi/roles"
TRIED = subprocess.run([*roles._ALONE, "mount", "--bind", "/dev/pts", "/dev/pts"], capture_output=True, check=False)
pytestmark = pytest.mark.skipif(TRIED.returncode != 0, reason="no namespaces or no /dev/pts here: only root has them")
# dom0 as xen-legi-roles leaves it: an empty directory, here in a /usr/share that cannot be written; a guest with dom0's /usr
HOST = """\
mkdir -p $1/package/xen-tools $1/upper $1/work &&
mount -t overlay overlay -o lowerdir=$1/package:/usr/share /usr/share &&
mount -t overlay overlay -o lowerdir=/usr,upperdir=$1/upper,workdir=$1/work $1/guest/usr || exit 77
shift
exec "$@"
"""
APT = """\
#!/bin/sh
echo "$DEBIAN_FRONTEND $*" >>/apt
sh /usr/sbin/policy-rc.d 2>/dev/null
[ $? -ne 101 ] || echo policy >>/apt
case $* in *missing*) exit 100 ;; esac
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(log, "DIRECTORY", tmp_path / "log")
    monkeypatch.setattr(mirror, "apt_options", lambda: [])
    monkeypatch.setattr(roles, "OURS", OURS)
    (tmp_path / "guest").mkdir()
    return tmp_path


def role(place: Path, text: str, name: str = "mine") -> Path:
    file = place / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def planned(*paths: Path, arguments: str = "") -> Plan:
    return replace(plan(WISH, FACTS, SOURCE, roles=paths), role_args=arguments)


def test_the_callers_environment_and_the_guest_reach_a_role(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOO", "1")
    monkeypatch.delenv("LC_ALL", raising=False)
    mine = role(place, 'echo "$FOO $LC_ALL $hostname $dist $2" >"$1/said"')
    roles.run_roles(planned(mine, arguments="'a b'"), place / "guest")
    assert (place / "guest/said").read_text() == "1 C web1 trixie a b\n"


def test_a_role_is_run_where_its_caller_is_even_if_that_is_gone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = place / "here"
    here.mkdir()
    (here / "keys").write_text("hers\n")
    monkeypatch.chdir(here)
    mine = role(place, 'cat "$2" >"$1/said"')
    roles.run_roles(planned(mine, arguments="keys"), place / "guest")
    assert (place / "guest/said").read_text() == "hers\n"
    (here / "keys").unlink()
    here.rmdir()
    roles.run_roles(planned(mine, arguments="/dev/null"), place / "guest")
    assert (place / "guest/said").read_text() == ""


def test_what_roles_print_is_in_the_log_which_the_next_one_begins_anew(place: Path) -> None:
    for _ in range(2):
        log.begin("web1", "the plan")
        roles.run_roles(planned(role(place, "echo out; echo err >&2"), role(place, "echo more", "more")), place / "guest")
    text = log.file_of("web1").read_text()
    assert text.split("\n", 1)[1] == f"the plan\nrole {place}/mine\nout\nerr\nrole {place}/more\nmore\n"
    assert log.file_of("web1").stat().st_mode & 0o777 == 0o600


def test_a_role_that_fails_names_the_log(place: Path) -> None:
    log.begin("web1", "the plan")
    with pytest.raises(Problem, match="failed with exit status 7\n    27\n") as raised:
        roles.run_roles(planned(role(place, "seq 30; echo why; exit 7")), place / "guest")
    assert str(log.file_of("web1")) in raised.value.hint and "\n1\n2\n" in log.file_of("web1").read_text()
    assert log.file_of("web1").read_text().endswith("why\nexit status 7\n")


def test_a_log_that_cannot_be_written_hinders_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "log").write_text("")
    log.begin("web1", "the plan")
    roles.run_roles(planned(role(place, 'touch "$1/said"')), place / "guest")
    assert (place / "guest/said").exists() and "web1.log cannot be written: Not a directory" in capsys.readouterr().err


def test_a_guests_links_make_no_directory_in_dom0(place: Path) -> None:
    (place / "dom0").mkdir()
    (place / "guest/dev").symlink_to(place / "dom0")
    roles.run_roles(planned(role(place, 'test -e "$1/proc/self" && touch "$1/said"')), place / "guest")
    assert (place / "guest/said").exists() and list((place / "dom0").iterdir()) == []


@pytest.fixture
def guest(place: Path) -> Iterator[Path]:
    """A guest with dom0's own programs and an apt that only says how it was called."""
    guest = place / "guest"
    for name in ("usr", "dev", "proc"):
        (guest / name).mkdir()
    for name in ("bin", "lib", "lib64", "sbin"):
        (guest / name).symlink_to(f"usr/{name}")
    (place / "upper/bin").mkdir(parents=True)
    (place / "upper/sbin").mkdir()
    os.mknod(place / "upper/sbin/policy-rc.d", 0o600 | stat.S_IFCHR)  # hides this computer's, if it has one
    (place / "upper/bin/apt-get").write_text(APT)
    (place / "upper/bin/apt-get").chmod(0o755)
    yield guest
    assert not Path("/usr/share/xen-tools/common.sh").exists()


def in_dom0(place: Path, path: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a role in a dom0 without xen-tools."""
    argv = ["unshare", "--mount", "sh", "-c", HOST, "sh", place, *roles.argv(path, place / "guest", "")]
    env = {"PATH": "/usr/sbin:/usr/bin", **environment}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    if done.returncode == 77:
        pytest.skip(f"no overlays here: {done.stderr}")
    return done


without_xen_tools = pytest.mark.skipif(Path("/usr/share/xen-tools/common.sh").exists(), reason="xen-tools is installed")


@without_xen_tools
@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
@pytest.mark.parametrize("source", [
    ". /usr/share/xen-tools/common.sh",
    "if [ -e /usr/share/xen-tools/common.sh ]; then\n. /usr/share/xen-tools/common.sh\nelse\necho Installation problem\nfi",
    "set -eu\n. /usr/share/xen-tools/common.sh",
])
def test_common_sh_is_found_where_xen_tools_is_not_installed(place: Path, guest: Path, shell: str, source: str) -> None:
    mine = role(place, f"{source}\nprefix=$1\nlogMessage Script $0 starting\ninstallDebianPackage ${{prefix}} less -f vim\n"
                       "installDebianPackageAndRecommends ${prefix} nvi\nremoveDebianPackage ${prefix} ed\nlogMessage end")
    mine.write_text(mine.read_text().replace("/bin/sh", shell, 1))
    done = in_dom0(place, mine)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (guest / "apt").read_text().splitlines() == [
        "noninteractive -q --yes install -o APT::Install-Recommends=false less -f vim", "policy",
        "noninteractive -q --yes install nvi", "policy", "noninteractive -q --yes --purge remove ed",
    ]
    assert not (place / "upper/sbin/policy-rc.d").is_file()
    assert in_dom0(place, mine, verbose="1").stdout.endswith("\nend\n")


@without_xen_tools
@pytest.mark.parametrize(("lines", "status", "said"), [
    ("installDebianPackage $1 missing", 0, "xen-legi: warning: role mine: apt-get install -o APT::Inst"),
    ("removeDebianPackage $1 missing", 100, ""),
    ("installDebianPackage /nowhere less", 1, "mine: assert failed: -d /nowhere"),
    ('installDebianPackage "" less; echo on', 1, "assert failed: -d"),
    ('assert "$LINENO" "$1"; assert "$LINENO" -d "$1"; assert "$1"', 0, ""),
    ('assert "$LINENO" -d /nowhere; true', 1, "assert failed"),
    ('assert "$LINENO" "$nothing"; true', 1, "assert failed"),
    ("isDeb $1 && ! isYum $1 && installPackage $1 less && grep -q less $1/apt", 0, ""),
    ("isDeb /nowhere || installPackage /dev less", 1, "installPackage is not supported by xen-legi create: the guest"),
    ("installGentooPackage $1 less", 1, "installGentooPackage is not supported by xen-legi create"),
    ("installRPMPackage $1 less", 1, "installRPMPackage is not supported by xen-legi create"),
    ("generateDebianGrubMenuLst $1 a b c", 1, "generateDebianGrubMenuLst is not supported by xen-legi create"),
])
def test_the_functions_of_common_sh(place: Path, guest: Path, lines: str, status: int, said: str) -> None:
    done = in_dom0(place, role(place, f". /usr/share/xen-tools/common.sh\n{lines}"))
    assert (done.returncode, said in done.stdout + done.stderr) == (status, True), done


@without_xen_tools
def test_start_stop_daemon_does_nothing_for_a_while(place: Path, guest: Path) -> None:
    (place / "upper/sbin/start-stop-daemon").write_text("#!/bin/sh\necho real\n")
    (place / "upper/sbin/start-stop-daemon").chmod(0o755)
    lines = [". /usr/share/xen-tools/common.sh", *["disableStartStopDaemon $1"] * 2, "chroot $1 start-stop-daemon",
             "enableStartStopDaemon $1", "chroot $1 start-stop-daemon"]
    done = in_dom0(place, role(place, "\n".join(lines)))
    assert (done.returncode, done.stdout) == (0, "/sbin/start-stop-daemon does nothing now\nreal\n")


def test_a_warning_of_common_sh_is_not_for_the_log_alone(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    roles.run_roles(planned(role(place, "echo 'xen-legi: warning: role mine: no'; echo else")), place / "guest")
    said = capsys.readouterr().err
    assert "xen-legi: warning: role mine: no\n" in said and "else" not in said


@without_xen_tools
def test_a_policy_that_is_there_for_good_stays(place: Path, guest: Path) -> None:
    (place / "upper/sbin/policy-rc.d").unlink()
    (place / "upper/sbin/policy-rc.d").write_text("exit 101\n")
    done = in_dom0(place, role(place, ". /usr/share/xen-tools/common.sh\ninstallDebianPackage $1 less"))
    assert done.returncode == 0 and (place / "upper/sbin/policy-rc.d").read_text() == "exit 101\n"
    assert os.access(guest / "apt", os.R_OK)
