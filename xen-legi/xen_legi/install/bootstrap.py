"""Run mmdebstrap(1) into an empty directory, showing how far it is. Nothing of it survives its caller.

It works in process and mount namespaces of its own, which end with us. Its safety against power cuts (dpkg's syncs) is
switched off: a tree that is not finished is thrown away.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xen_legi.install import mirror
from xen_legi.install.mirror import Suite
from xen_legi.install.packages import packages
from xen_legi.run import lines
from xen_legi.steps import Progress

_ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_PASSING = ("/etc/apt/apt.conf.d/99mmdebstrap", "/etc/dpkg/dpkg.cfg.d/99mmdebstrap")  # options for the making alone
# Get:7 URI trixie/main amd64 less amd64 668-1 [161 kB]
_COUNTED = re.compile(r"Get:\d+ \S+ \S+ \S+ (?P<got>[^\s\[]+) |(?P<verb>Unpacking|Setting up) (?P<package>[^\s:]+)")


@dataclass
class Counter:
    """Counts what apt and dpkg say: each package is fetched, unpacked and set up, a third of its way each.

    There are two stages, the essential packages and the rest; each begins with apt's word of how many there are.
    """

    stage: int = 0
    planned: int = 0
    done: set[tuple[str, str]] = field(default_factory=set)

    def see(self, line: str) -> bool:
        """Take one line of output; tell whether it counted."""
        if match := re.match(r"\d+ upgraded, (\d+) newly installed", line):
            self.stage, self.planned = self.stage + 1, int(match[1])
            self.done.clear()
            return True
        match = _COUNTED.match(line)
        if not match or match["got"] == "Packages":
            return False
        self.done.add((match["verb"] or "Get", match["package"] or match["got"]))
        return True

    def show(self, progress: Progress) -> None:
        """Show how far it is, in third parts of packages."""
        progress.what = f"{'essential' if self.stage < 2 else 'further'} packages"
        progress.total = 3 * self.planned
        progress.update(min(len(self.done), progress.total))


def command(suite: Suite, target: Path, include: Sequence[str], options: Sequence[str]) -> list[str]:
    """Return mmdebstrap's command; lines of sources.list may follow."""
    argv = ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory", "--verbose"]
    argv += ["--dpkgopt=force-unsafe-io", *(f"--aptopt={one}" for one in options)]
    argv += ["--skip=check/empty"]  # other volumes of the guest may be mounted in it
    argv += [f"--include={','.join(include)}"]
    if suite.keyring:
        argv += [f"--keyring={suite.keyring}"]
    if suite.arch:
        argv += [f"--architectures={suite.arch}", "--skip=check/qemu"]  # our processors run it themselves
    argv += [f'--customize-hook=rm -f "$1{path}"' for path in _PASSING]
    return [*argv, suite.dist, str(target)]


def debian(suite: Suite, target: Path, include: Sequence[str] = ()) -> None:
    """Make a tree with what each of our guests has, and what else is included, as this host's apt reaches its mirror."""
    secure = ("ca-certificates",) if any(" https:" in one for one in suite.sources) else ()
    bootstrap(suite, target, packages(suite.codename, (*secure, *include)), mirror.apt_options())


def bootstrap(suite: Suite, target: Path, include: Sequence[str], options: Sequence[str]) -> None:
    """Make a tree of a suite at `target`. Raise CommandFailed with mmdebstrap's last words if that fails."""
    counter = Counter()
    progress = Progress("packages", shown=lambda thirds: f"{thirds // 3}")
    argv = [*_ALONE, *command(suite, target, include, options), *suite.sources]
    for line in lines(argv, env={"DEBIAN_FRONTEND": "noninteractive"}):
        if counter.see(line):
            counter.show(progress)
    progress.close()
