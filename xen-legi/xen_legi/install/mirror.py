"""Where Debian comes from: asked of this host's apt when it is needed, never written down."""

import re
import tempfile
from dataclasses import dataclass

from xen_legi.errors import CommandFailed, die
from xen_legi.run import run

_FORMAT = "$(ORIGIN)|$(LABEL)|$(CODENAME)|$(REPO_URI)"
_FETCH = ("/usr/lib/apt/apt-helper", "-o", "Acquire::Retries=1", "download-file")
_UNCHANGING = ("sid", "unstable", "experimental")  # neither updates nor security fixes of their own


@dataclass(frozen=True)
class Archive:
    """One source of this host's apt."""

    origin: str
    label: str
    codename: str
    uri: str


def archives(text: str) -> list[Archive]:
    """Given what `apt-get indextargets` printed, return this host's sources, each once."""
    rows = [line.split("|") for line in text.splitlines()]
    return list(dict.fromkeys(Archive(*row) for row in rows if len(row) == 4 and row[3]))


def sources(dist: str, known: list[Archive], mirror: str = "") -> list[str]:
    """Return the lines of sources.list for a suite: from `mirror`, or from where this host has its own Debian.

    The suite's updates and security fixes are among them where this host has those of its own. Die without any source.
    """
    main = mirror.rstrip("/") or _uri(known, "Debian")
    if not main:
        die("this host's apt has no source of Debian", hint="apt update, or name one: --mirror URI")
    lines = [f"deb {main} {dist} main"]
    if dist in _UNCHANGING:
        return lines
    if any(one.codename.endswith("-updates") for one in known):
        lines.append(f"deb {main} {dist}-updates main")
    security = _uri(known, "Debian-Security")
    return lines + ([f"deb {security} {dist}-security main"] if security else [])


def check_suite_name(dist: str) -> None:
    """Die if `dist` cannot be the name of a suite."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+/-]*", dist):
        die(f"{dist!r} cannot be the name of a Debian suite", hint="trixie, bookworm, sid, …")


def need_suite(source: str) -> None:
    """Die unless the archive of a line of sources.list has its suite. Only those on the web are asked, in apt's own way."""
    _, uri, suite = source.split()[:3]
    if not uri.startswith(("http://", "https://")):
        return
    with tempfile.TemporaryDirectory() as directory:
        for name in ("InRelease", "Release"):
            try:
                run([*_FETCH, f"{uri}/dists/{suite}/{name}", f"{directory}/{name}"], timeout=60)
                return
            except CommandFailed as failed:
                _need_answer(uri, failed.stderr)
    die(f"there is no suite {suite!r} in {uri}", hint="trixie, bookworm, sid, …; --mirror names another archive")


def _need_answer(uri: str, stderr: str) -> None:
    """Die unless apt-helper said that the archive has no such file: one that does not answer is not asked again."""
    match = re.search(r"^E: Failed to fetch \S+ +(.*)", stderr, re.MULTILINE)
    reason = match[1].strip() if match else "no answer within a minute"
    if not reason.startswith("404 "):
        die(f"{uri} cannot be reached: {reason}", hint="is the network up? --mirror names another archive")


def ask() -> list[Archive]:
    """Return the sources of this host's apt."""
    return archives(run(["apt-get", "indextargets", "--format", _FORMAT, "Created-By: Packages"]).stdout)


def apt_options() -> list[str]:
    """Return what this host's apt needs to reach its mirror, as apt.conf lines: proxies, and checks that are off."""
    wanted = re.compile(r"Acquire::(https?::Proxy|Check-Valid-Until|Check-Date)\b")
    return [line for line in run(["apt-config", "dump"]).stdout.splitlines() if wanted.match(line)]


def _uri(known: list[Archive], label: str) -> str:
    found = [one.uri.rstrip("/") for one in known if one.origin == "Debian" and one.label == label]
    web = [uri for uri in found if uri.startswith(("http://", "https://"))]
    return (web or found or [""])[0]
