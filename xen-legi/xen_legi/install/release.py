"""What the Release file of an archive says of a suite, and what a guest of that suite needs. Pure.

See https://wiki.debian.org/DebianRepository/Format and, for distro-info's tables, distro-info(1).
"""

import re
from dataclasses import dataclass
from pathlib import Path

from xen_legi.errors import die

ARCHITECTURES = ("amd64", "i386")  # that run on the kernels which dom0 has for its guests; the first one is theirs


@dataclass(frozen=True)
class Distribution:
    """Who makes suites: `components` hold a guest's packages, `keyring` is in `package` of Debian, `security` are the names
    that its security fixes have had, `oldest` is the first version that starts with systemd."""

    name: str
    components: tuple[str, ...]
    keyring: Path
    package: str
    security: tuple[str, ...]
    oldest: float = 0


DEBIAN = Distribution(
    "Debian", ("main",), Path("/usr/share/keyrings/debian-archive-keyring.gpg"), "debian-archive-keyring",
    ("{}-security", "{}/updates"), 8,  # the second one until buster
)  # fmt: skip
UBUNTU = Distribution(
    "Ubuntu", ("main", "universe"), Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg"), "ubuntu-keyring",
    ("{}-security",), 16,  # ifupdown is in universe
)  # fmt: skip
_TABLES = Path("/usr/share/distro-info")
_UNCHANGING = ("sid", "unstable")  # neither updates nor security fixes of their own
_PART = re.compile(r"experimental|rc-buggy|.*(-updates|-security|-backports(-sloppy)?|-proposed|/.*)")


@dataclass(frozen=True)
class Release:
    """The fields of a Release file; `automatic`: apt takes packages from it unasked."""

    origin: str = ""
    suite: str = ""
    codename: str = ""
    version: str = ""
    architectures: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    automatic: bool = True

    @property
    def distribution(self) -> Distribution:
        """Return whose suite it is. One of another origin is taken for a copy of Debian under a name of its own."""
        return UBUNTU if self.origin == UBUNTU.name else DEBIAN

    @property
    def unchanging(self) -> bool:
        """Tell whether it has neither updates nor security fixes beside it."""
        return bool({self.suite, self.codename} & set(_UNCHANGING))


def parse(text: str) -> Release:
    """Given the text of a Release or InRelease file, return what it says."""
    said = dict(re.findall(r"^([A-Za-z]+):[ \t]*(\S.*?)\s*$", text, re.MULTILINE))
    return Release(
        origin=said.get("Origin", ""),
        suite=said.get("Suite", ""),
        codename=said.get("Codename", ""),
        version=said.get("Version", ""),
        architectures=tuple(said.get("Architectures", "").split()),
        components=tuple(one.rpartition("/")[2] for one in said.get("Components", "").split()),  # updates/main
        automatic=said.get("NotAutomatic", "").lower() != "yes",
    )


def check_suite_name(dist: str) -> None:
    """Die if `dist` cannot be the name of a suite that makes a guest."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+/-]*", dist):
        die(f"{dist!r} cannot be the name of a Debian suite", hint="trixie, bookworm, sid, …")
    if _PART.fullmatch(dist):
        _die_of_part(dist)


def check(dist: str, release: Release, arch: str) -> None:
    """Die if a guest of that architecture cannot be made of a suite."""
    if not release.automatic:
        _die_of_part(dist)
    version = re.match(r"\d+(\.\d+)?", release.version)
    if version and release.origin in (DEBIAN.name, UBUNTU.name) and float(version[0]) < release.distribution.oldest:
        die(f"{release.origin} {release.version} ({dist}) is too old: it does not start with systemd",
            hint="--method tar and --method copy take any guest's tree")
    if release.architectures and arch not in release.architectures:
        known = ", ".join(one for one in ARCHITECTURES if one in release.architectures) or "none that runs here"
        die(f"the suite {dist!r} has no packages for {arch}", hint=f"its architectures: {known} (--arch)")


def check_architecture(arch: str) -> None:
    """Die if a guest of that architecture cannot run here."""
    if arch not in ARCHITECTURES:
        die(f"a domU of the architecture {arch!r} cannot run here", hint=f"known are {', '.join(ARCHITECTURES)}")


def components(release: Release) -> tuple[str, ...]:
    """Return the components from which a guest is made, as far as the archive has them."""
    wanted = release.distribution.components
    return tuple(one for one in wanted if one in release.components) or release.components or wanted


def is_of_ubuntu(dist: str) -> bool:
    """Tell whether distro-info knows a suite as one of Ubuntu's."""
    return dist in _series("ubuntu")


def hint_of_suite(dist: str) -> str:
    """Return where a suite can be that an archive does not have, as far as distro-info knows it."""
    if is_of_ubuntu(dist):
        return f"{dist} is a suite of Ubuntu: --mirror http://archive.ubuntu.com/ubuntu"
    if dist in _series("debian"):
        return "--mirror names another archive; suites that are no longer kept up are at http://archive.debian.org/debian"
    return "trixie, bookworm, sid, …; --mirror names another archive"


def _series(name: str) -> set[str]:
    """Return the suites in a table of distro-info; none where it is not installed."""
    table = _TABLES / f"{name}.csv"
    rows = table.read_text(encoding="utf-8").splitlines()[1:] if table.is_file() else []
    return {fields[2] for fields in (row.split(",") for row in rows) if len(fields) > 2}


def _die_of_part(dist: str) -> None:
    die(f"{dist} is no whole suite: it only adds to another one", hint="trixie, bookworm, sid, … make a guest")
