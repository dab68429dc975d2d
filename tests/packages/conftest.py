"""The built packages, and trees of Debian to install and build them in: an overlay each, so that nothing is left."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
DEBS, REPOSITORY = TOP / "out/deb", TOP / "out/repo"
PACKAGES = ("xen-legi-backup", "xen-legi-common", "xen-legi-dom0", "xen-legi-ifupdown", "xen-legi-roles")
SUITES = ("bookworm", "trixie")

# Mounts vanish with the namespace, network there is none, and a process that stays behind dies with its first one.
ENTER = """
set -e
mount -t overlay overlay -o lowerdir="$1",upperdir="$2/upper",workdir="$2/work" "$2/root"
mount -t proc proc "$2/root/proc"
mkdir -p "$2/root/srv/xen-legi-repo"
mount --bind "$3" "$2/root/srv/xen-legi-repo"
exec chroot "$2/root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    bash -ec "$4"
"""


class Tree:
    """A tree of Debian that can be changed without harm; what was done in it stays until the tests end."""

    def __init__(self, kind: str, suite: str, work: Path) -> None:
        made = subprocess.run([TOP / "tests/packages/tree", kind, suite], stdout=subprocess.PIPE, text=True, check=True)
        self.suite, self.lower, self.work = suite, made.stdout.strip(), work
        for name in ("upper", "work", "root"):
            (work / name).mkdir()

    def run(self, script: str, *, ok: bool = True, shared: Path = REPOSITORY) -> str:
        """Run shell lines in the tree, with `shared` as /srv/xen-legi-repo. Return all that they printed."""
        words = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "enter"]
        ended = subprocess.run(
            [*words, self.lower, str(self.work), str(shared), script],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600,
        )
        assert ended.returncode == 0 or not ok, ended.stdout
        return ended.stdout

    def use_repository(self) -> str:
        """Give apt our repository, and only that, as the manual says. Return what apt said."""
        return self.run(
            "rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*\n"
            "cp /srv/xen-legi-repo/xen-legi.sources /etc/apt/sources.list.d/\n"
            "apt-get update"
        )


@pytest.fixture(scope="session")
def debs() -> dict[str, Path]:
    """The packages by name."""
    return {path.name.split("_")[0]: path for path in sorted(DEBS.glob("*.deb"))}


@pytest.fixture(scope="module", params=SUITES)
def plain_tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    """A host of each suite, with apt pointed to our repository and none of our packages."""
    tree = Tree("install", request.param, tmp_path_factory.mktemp(request.param))
    tree.use_repository()
    yield tree
