"""Where Debian comes from: asked of this host's apt when it is needed, never written down."""

import re
from dataclasses import dataclass

from xen_legi.errors import die
from xen_legi.run import run

_FORMAT = "$(ORIGIN)|$(LABEL)|$(CODENAME)|$(REPO_URI)"
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
