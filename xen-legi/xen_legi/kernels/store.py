"""The kernels that domUs boot, in dom0 but apart from dom0's own: /srv/xen/boot and /srv/xen/lib/modules.

A kernel V is boot/vmlinuz-V, boot/initrd.img-V (initrd.img-V.modules tells what it holds) and lib/modules/V; where a peer
has sent it, boot/.from-peer-V is there, too. The link boot/vmlinuz names the default of new domUs; without it that is the
newest of this host's own of one flavour, the end of a version: amd64, cloud-amd64, rt-amd64. A domU's file names its kernel
by version, so that a new default changes no domU.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from xen_legi.errors import die

FLAVOUR = "amd64"
# what follows the last digits' dash, but for a pre-release, as in 6.13-rc7-amd64
_VERSION = re.compile(r"(?P<number>.*?)(?:-(?P<flavour>(?!rc\d)[A-Za-z].*))?", re.DOTALL)
# in Debian's order of letters a tilde goes before the end, the end before letters, and letters before all else
_FIRST = {"~": -1}


@dataclass(frozen=True)
class Kernel:
    """One kernel for domUs."""

    version: str
    image: Path
    ramdisk: Path
    modules: Path

    @property
    def flavour(self) -> str:
        """Return for what it was built, amd64 or cloud-amd64; nothing if its version does not tell."""
        return _split(self.version)[1]

    @property
    def note(self) -> Path:
        """Return the file that tells which modules the initramfs holds; a copy of dom0's has none."""
        return self.ramdisk.with_name(f"{self.ramdisk.name}.modules")

    @property
    def mark(self) -> Path:
        """Return the file that is there while this kernel is a peer's."""
        return self.image.with_name(f".from-peer-{self.version}")

    @property
    def foreign(self) -> bool:
        """Tell whether parts of it came from a peer, and dom0 has not given it since."""
        return self.mark.exists()

    @property
    def complete(self) -> bool:
        """Tell whether all three parts are there."""
        return self.image.is_file() and self.ramdisk.is_file() and (self.modules / "modules.dep").is_file()


@dataclass(frozen=True)
class Store:
    """The directory of domU kernels, usually /srv/xen, and the flavour of which new domUs get the newest one."""

    top: Path
    flavour: str = FLAVOUR

    @property
    def link(self) -> Path:
        """Return the link that names the default."""
        return self.top / "boot" / "vmlinuz"

    def kernel(self, version: str) -> Kernel:
        """Return where the parts of a kernel of that version are, or will be."""
        boot, modules = self.top / "boot", self.top / "lib/modules"
        return Kernel(version, boot / f"vmlinuz-{version}", boot / f"initrd.img-{version}", modules / version)

    def kernels(self) -> list[Kernel]:
        """Return the complete kernels, oldest first."""
        versions = [path.name.removeprefix("vmlinuz-") for path in (self.top / "boot").glob("vmlinuz-*")]
        return [one for one in map(self.kernel, in_order(versions)) if one.complete]

    def chosen(self) -> str:
        """Return the version that the administrator made the default, or nothing."""
        if not self.link.is_symlink():
            return ""
        return Path(os.readlink(self.link)).name.removeprefix("vmlinuz-")

    def default(self) -> Kernel:
        """Return the kernel of new domUs: the chosen one, else the newest of our flavour that no peer has sent. Die if there
        is none."""
        if chosen := self.chosen():
            return self.find(chosen)
        found = self.default_or_none()
        if not found:
            die(f"there is no kernel for domUs in {self.top}/boot", hint="xen-legi kernel add takes dom0's")
        return found

    def default_or_none(self) -> Kernel | None:
        """Return the same, None where there is none. While none is of our flavour, those of others are as good."""
        known = self.kernels()
        if chosen := self.chosen():
            return next((one for one in known if one.version == chosen), None)
        own = [one for one in known if not one.foreign]
        usable = [one for one in own if one.flavour == self.flavour] or own
        return usable[-1] if usable else None

    def find(self, version: str) -> Kernel:
        """Return the kernel of that version. Die if it is not there or not whole."""
        one = self.kernel(version)
        if not one.complete:
            names = ", ".join(known.version for known in self.kernels()) or "none"
            hint = f"there are: {names}; xen-legi kernel add VERSION"
            die(f"there is no kernel {version!r} for domUs in {self.top}", hint=hint)
        return one

    def choose(self, version: str) -> None:
        """Make a kernel the default: one atomic change of the link."""
        one = self.find(version)
        new = self.link.with_name(".new-vmlinuz")  # as add() calls what is not at its end: the next one removes it
        new.unlink(missing_ok=True)
        new.symlink_to(one.image.name)
        new.rename(self.link)

    def choose_newest(self) -> None:
        """Let the newest kernel be the default, today's and every later one."""
        self.link.unlink(missing_ok=True)


def in_order(versions: Iterable[str]) -> list[str]:
    """Return kernel versions, oldest first: 6.9.2 goes before 6.12.1."""
    return sorted(versions, key=order)


def order(version: str) -> tuple[object, ...]:
    """Return what to compare instead of a version: its number as Debian compares versions (deb-version(7)), then its
    flavour, which only tells two kernels of one number apart."""
    number, flavour = _split(version)
    words = re.findall(r"(\D*)(\d*)", number)  # the last pair is empty: the end of a version is compared, too
    return tuple((_letters(word), int(digits or 0)) for word, digits in words), flavour


def newest_of(versions: Iterable[str], flavour: str) -> str:
    """Return the newest version of a flavour; if there is none, the newest of all; nothing if there are no versions."""
    ordered = in_order(versions)
    same = [one for one in ordered if _split(one)[1] == flavour]
    return ([""] + ordered + same)[-1]


def _split(version: str) -> tuple[str, str]:
    match = _VERSION.fullmatch(version)
    assert match
    return match["number"].replace("-rc", "~rc"), match["flavour"] or ""


def _letters(word: str) -> tuple[tuple[int, str], ...]:
    """Return what to compare instead of what stands between two numbers; its end goes after a tilde and before letters."""
    return (*((_FIRST.get(one, 1 if one.isalpha() else 2), one) for one in word), (0, ""))
