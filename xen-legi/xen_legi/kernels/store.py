"""The kernels that domUs boot, in dom0 but apart from dom0's own: /srv/xen/boot and /srv/xen/lib/modules.

A kernel V is boot/vmlinuz-V, boot/initrd.img-V (initrd.img-V.modules tells what it holds) and lib/modules/V; where a peer
has sent it, boot/.from-peer-V is there, too. The link boot/vmlinuz names the default of new domUs; without it that is the
newest of this host's own. A domU's file names its kernel by version, so that a new default changes no domU.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from xen_legi.errors import die


@dataclass(frozen=True)
class Kernel:
    """One kernel for domUs."""

    version: str
    image: Path
    ramdisk: Path
    modules: Path

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
    """The directory of domU kernels, usually /srv/xen."""

    top: Path

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
        """Return the kernel of new domUs: the chosen one, else the newest that no peer has sent. Die if there is none."""
        if chosen := self.chosen():
            return self.find(chosen)
        found = self.default_or_none()
        if not found:
            die(f"there is no kernel for domUs in {self.top}/boot", hint="xen-legi kernel add takes dom0's")
        return found

    def default_or_none(self) -> Kernel | None:
        """Return the same, None where there is none."""
        known = self.kernels()
        chosen = self.chosen()
        usable = [one for one in known if (one.version == chosen if chosen else not one.foreign)]
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
        new = self.link.with_name(".vmlinuz.new")
        new.unlink(missing_ok=True)
        new.symlink_to(one.image.name)
        new.rename(self.link)

    def choose_newest(self) -> None:
        """Let the newest kernel be the default, today's and every later one."""
        self.link.unlink(missing_ok=True)


def in_order(versions: Iterable[str]) -> list[str]:
    """Return kernel versions, oldest first: 6.9.2 goes before 6.12.1."""
    return sorted(versions, key=order)


def order(version: str) -> tuple[tuple[int, str], ...]:
    """Return what to compare instead of a version: its numbers as numbers. A pre-release (~rc1) goes before its release."""
    words = re.findall(r"\d+|~|[^\d~]+", version) + [""]
    return tuple((int(word), "") if word.isdigit() else (-1 if word == "~" else 0, word) for word in words)
