"""Where Debian comes from: asked of this host's apt when it is needed, never written down.

Whatever is to be taken from an archive is looked at beforehand by apt itself: the suite, its updates, its security fixes,
and whether a key that is trusted has signed them.
"""

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from xen_legi.errors import CommandFailed, die
from xen_legi.install import release
from xen_legi.install.release import DEBIAN, UBUNTU, Distribution, Release
from xen_legi.run import run
from xen_legi.steps import warn

_FORMAT = "$(ORIGIN)|$(LABEL)|$(CODENAME)|$(REPO_URI)"
_UPDATE = ("apt-get", "update", "-q", "--error-on=any")
_PATIENCE = 90  # seconds for one answer
# Fetches the signed list of a suite alone, into a place of its own; nothing of this host's apt is touched, and no program
# that it starts after an update. What is trusted is what mmdebstrap trusts: only what is signed.
_APT_CONF = """\
Dir::State "{0}/state";
Dir::State::status "/dev/null";
Dir::Cache "{0}/cache";
Dir::Etc::SourceList "{0}/sources.list";
Dir::Etc::SourceParts "/dev/null";
#clear Acquire::IndexTargets;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Acquire::Retries "1";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
"""
_UNKNOWN = "it is signed by no key that is known here"


@dataclass(frozen=True)
class Archive:
    """One source of this host's apt."""

    origin: str
    label: str
    codename: str
    uri: str


@dataclass(frozen=True)
class Answer:
    """What apt says of one source: nothing is wrong, "absent", "unsigned" or "failed", why, and its Release file."""

    wrong: str = ""
    reason: str = ""
    release: Release = Release()


@dataclass(frozen=True)
class Suite:
    """A suite that its archive really has, with lines of sources.list for it and what belongs to it. `keyring` is a file
    with keys beyond those that this host's apt trusts."""

    dist: str
    sources: tuple[str, ...]
    codename: str = ""
    arch: str = ""
    keyring: str = ""

    @property
    def uri(self) -> str:
        """Return where most of it comes from."""
        return self.sources[0].split()[1]


def archives(text: str) -> list[Archive]:
    """Given what `apt-get indextargets` printed, return this host's sources, each once."""
    rows = [line.split("|") for line in text.splitlines()]
    return list(dict.fromkeys(Archive(*row) for row in rows if len(row) == 4 and row[3]))


def find(dist: str, mirror: str = "", keyring: str = "", arch: str = "") -> Suite:
    """Return a suite: from `mirror`, or from where this host has its own Debian; its updates and security fixes are among
    its sources where there are any. Die if it cannot be had, or if no key that is trusted has signed it."""
    release.check_suite_name(dist)
    release.check_architecture(arch or release.ARCHITECTURES[0])
    known = ask()
    main = mirror.rstrip("/") or uri_of(known, "Debian")
    if not main:
        die("this host's apt has no source of Debian", hint="apt update, or name one: --mirror URI")
    keys = _keyring(keyring)
    answer, keys = _trusted(f"deb {main} {dist} main", keys)
    release.check(dist, answer.release, arch or release.ARCHITECTURES[0])
    parts = " ".join(release.components(answer.release))
    lines = [f"deb {main} {dist} {parts}"]
    if not answer.release.unchanging:
        lines += _found([f"deb {main} {dist}-updates {parts}"], keys, (main,))
        fixed = uri_of(known, "Debian-Security")
        fixes = _found(security(dist, answer.release, main, fixed, own=not mirror), keys, (main, fixed))
        if not fixes:
            warn(f"{dist} has no source of security fixes: neither {main} nor this host's apt has one")
        lines += fixes
    return Suite(dist, tuple(lines), answer.release.codename or dist, arch, keys)


def security(dist: str, found: Release, main: str, known: str, *, own: bool) -> list[str]:
    """Return the lines of which the first that an archive has is that of a suite's security fixes. Debian has them in an
    archive beside its own; `known` is that of this host, which comes first if the suite is from this host's `own` mirror."""
    beside = re.sub("/debian$", "/debian-security", main)
    places = [main] if found.distribution is UBUNTU else [beside if beside != main else "", known]
    parts = " ".join(release.components(found))
    names = [one.format(dist) for one in found.distribution.security]
    return [f"deb {uri} {name} {parts}" for uri in (reversed(places) if own else places) if uri for name in names]


def look(source: str, keyring: str = "") -> Answer:
    """Ask the archive of a line of sources.list for the signed list of its suite, in apt's own way."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)  # apt fetches as a user of its own
        place = Path(directory)
        for name in ("state", "cache"):
            (place / name).mkdir()
        (place / "sources.list").write_text(f"{source}\n", encoding="utf-8")
        (place / "apt.conf").write_text(_APT_CONF.format(directory) + _trust(place, keyring), encoding="utf-8")
        try:
            ended = run([*_UPDATE, "-c", place / "apt.conf"], ok=range(256), timeout=_PATIENCE)
        except CommandFailed:
            return Answer("failed", f"no answer within {_PATIENCE} seconds")
        texts = [one.read_text(encoding="utf-8", errors="replace") for one in (place / "state/lists").glob("*Release")]
        return verdict(ended.stdout + ended.stderr, texts[0] if texts and ended.status == 0 else "")


def _trust(place: Path, keyring: str) -> str:
    """Return the line of apt.conf for a keyring, which is copied to where apt's own user can read it, by the same name:
    what is in it is told by its ending."""
    if not keyring:
        return ""
    copy = place / f"keys{Path(keyring).suffix}"
    copy.write_bytes(Path(keyring).read_bytes())
    return f'Dir::Etc::Trusted "{copy}";\n'


def verdict(said: str, text: str) -> Answer:
    """Given what apt-get update printed of one source, and the Release file if it took that, return what that means."""
    if text:
        return Answer(release=release.parse(text))
    errors = re.findall(r"^E: (.*)", said, re.MULTILINE)
    if any(one.endswith("does not have a Release file.") for one in errors):
        match = re.search(r"^Err:.*\n +(.*)", said, re.MULTILINE)
        reason = match[1].strip() if match else ""
        return Answer("absent" if re.match("404 |File not found|$", reason) else "failed", reason)
    unknown = re.search("GPG error|OpenPGP signature|NO_PUBKEY|Missing key", said)  # gpgv's words and sqv's
    if unknown or any(one.endswith("is not signed.") for one in errors):
        return Answer("unsigned", _UNKNOWN if unknown else "it is not signed")
    first = errors[0] if errors else "apt says nothing more"
    return Answer("failed", re.sub(r"^Failed to fetch \S+ +", "", first))


def ask() -> list[Archive]:
    """Return the sources of this host's apt."""
    return archives(run(["apt-get", "indextargets", "--format", _FORMAT, "Created-By: Packages"]).stdout)


def apt_options() -> list[str]:
    """Return what this host's apt needs to reach its mirror, as apt.conf lines: proxies, and checks that are off."""
    wanted = re.compile(r"Acquire::(https?::Proxy|Check-Valid-Until|Check-Date)\b")
    return [line for line in run(["apt-config", "dump"]).stdout.splitlines() if wanted.match(line)]


def uri_of(known: list[Archive], label: str) -> str:
    """Return where this host has one of Debian's archives from, nothing where it has it not; on the web, if it can be."""
    found = [one.uri.rstrip("/") for one in known if one.origin == "Debian" and one.label == label]
    web = [uri for uri in found if uri.startswith(("http://", "https://"))]
    return (web or found or [""])[0]


def own_suite(known: list[Archive]) -> str:
    """Return the suite that this host has from Debian itself; nothing where its apt has none."""
    return next((one.codename for one in known if (one.origin, one.label) == ("Debian", "Debian")
                 and "-" not in one.codename), "")


def _keyring(name: str) -> str:
    """Return the file of a keyring as a whole path. Die if apt could not read it."""
    file = Path(name).absolute() if name else None
    if file and (not file.is_file() or '"' in str(file)):
        die(f"there is no keyring {file}", hint="--keyring names a file with the keys of an archive, as apt has them")
    return str(file or "")


def _trusted(source: str, keyring: str) -> tuple[Answer, str]:
    """Return what is said of a suite, and the keyring with which it is trusted: apt's own keys, or what is named, or those
    of a distribution. Die if there is no such suite, or nobody who is trusted has signed it."""
    answer = look(source, keyring)
    for one in (DEBIAN, UBUNTU) if answer.wrong == "unsigned" and not keyring else ():
        if one.keyring.is_file() and not (other := look(source, str(one.keyring))).wrong:
            return other, str(one.keyring)
    if answer.wrong:
        _die(source, answer)
    return answer, keyring


def _found(sources: list[str], keyring: str, certain: tuple[str, ...]) -> list[str]:
    """Return the first of some sources that an archive has, if any. Die of one of an archive that is there for certain and
    cannot be used; some archives forbid what they do not have."""
    for source in sources:
        answer = look(source, keyring)
        if not answer.wrong:
            return [source]
        if answer.wrong != "absent" and not answer.reason.startswith("403 ") and source.split()[1] in certain:
            _die(source, answer)
    return []


def _die(source: str, answer: Answer) -> None:
    _, uri, dist = source.split()[:3]
    if answer.wrong == "absent":
        die(f"there is no suite {dist!r} in {uri}", hint=release.hint_of_suite(dist))
    if answer.wrong == "unsigned":
        die(f"the suite {dist!r} in {uri} cannot be trusted: {answer.reason}", hint=_hint_of_keys(uri, dist))
    if "is expired" in answer.reason:
        die(f"the suite {dist!r} in {uri} is no longer kept up: its list is expired",
            hint="Acquire::Check-Valid-Until \"false\"; in /etc/apt/apt.conf.d allows it, see apt.conf(5)")
    die(f"{uri} cannot be reached: {answer.reason}", hint="is the network up? --mirror names another archive")


def _hint_of_keys(uri: str, dist: str) -> str:
    meant: Distribution = UBUNTU if "ubuntu" in uri or release.is_of_ubuntu(dist) else DEBIAN
    got = f"apt install {meant.package}, or " if not meant.keyring.is_file() else ""
    return f"{got}--keyring FILE names the file with its key"
