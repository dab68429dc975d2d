"""Ask the host for everything that a plan depends on. Nothing here changes anything."""

import ipaddress
import re
from collections.abc import Iterable
from pathlib import Path

from xen_legi.backup import everywhere
from xen_legi.config import Config
from xen_legi.domu import config, loader, xl, xlconf
from xen_legi.domu.config import DomuConfig
from xen_legi.errors import die
from xen_legi.install.model import Facts
from xen_legi.install.templates import measured
from xen_legi.kernels import policy
from xen_legi.run import run, run_json
from xen_legi.storage import images, lvm
from xen_legi.units import MIB, exact_size

# where the first names only systemd-resolved, which is asked from its own host alone, the second has those that it asks
_RESOLV_CONFS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
_OWN_KERNEL = 600 << 20  # bytes: Debian 12's linux-image-amd64 has 400 MiB of files, and makes an initramfs of 50


def gather(settings: Config, kernel: str = "", directory: str = "", *, own_kernel: bool = False) -> Facts:
    """Return the facts; `kernel` is a version, nothing: the default of new domUs, which who has an own one does not need.
    Die if there is no such kernel, or if the directory, where one is given, cannot hold images."""
    store = policy.store_of(settings)
    chosen = None if own_kernel else store.find(kernel) if kernel else store.default()
    volumes, domus = tuple(lvm.volumes()), tuple(config.all_domus())
    return Facts(
        groups=lvm.groups(),
        volumes=volumes,
        domus=domus,
        files=frozenset(path.name for path in config.DIRECTORY.glob("*")),
        domains=frozenset(one.name for one in xl.domains()) if xl.answers() else frozenset(),
        bridges=frozenset(one["ifname"] for one in run_json(["ip", "-j", "link", "show", "type", "bridge"]) or () if one),
        addresses=own_addresses(),
        nameservers=host_nameservers(_RESOLV_CONFS),
        kernel=chosen,
        modules_size=measured(chosen.modules) if chosen else _OWN_KERNEL,
        loaders=frozenset(kind for kind, image in loader.IMAGES.items() if image.is_file()),
        free_memory=free_now(),
        directory=images.directory(Path(directory)) if directory else None,
        others=tuple(everywhere.here(domus, volumes)),
    )


def host_nameservers(files: Iterable[Path]) -> tuple[str, ...]:
    """Return the name servers of the first of dom0's files that has some for guests."""
    return next(filter(None, (nameservers(_text(one)) for one in files)), ())


def nameservers(text: str) -> tuple[str, ...]:
    """Given the text of dom0's resolv.conf, return the name servers that a guest can reach as well."""
    found = re.findall(r"^\s*nameserver\s+(\S+)", text, re.MULTILINE)
    return tuple(one for one in found if _is_for_guests(one))


def _is_for_guests(text: str) -> bool:
    """Tell whether a name server's address means the same in a guest: fe80::1%eth0 is one of dom0's own networks."""
    try:
        one = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (one.is_loopback or one.is_unspecified or one.is_link_local)


def free_memory(text: str, autoballoon: str = "") -> int | None:
    """Given what `xl info` printed and the setting of xl.conf(5), return the MiB that a new domU can have; None where dom0
    gives up some of its own."""
    facts = dict(re.split(r"\s*:\s*", line, maxsplit=1) for line in text.splitlines() if ":" in line)
    keeps = autoballoon in ("off", "0") or (autoballoon in ("", "auto") and "dom0_mem=" in facts.get("xen_commandline", ""))
    return int(facts["free_memory"]) if keeps and facts.get("free_memory", "").isdigit() else None


def free_now() -> int | None:
    """Return the same as this host has it; None also where there is no Xen."""
    return free_memory(run(["xl", "info"]).stdout, xlconf.read().get("autoballoon", "")) if xl.answers() else None


def need_memory(domu: DomuConfig, *, has: int = 0, hint: str) -> None:
    """Die if this host cannot give a domU its memory, of which it `has` so many MiB already."""
    free = free_now()
    if free is not None and domu.memory > free + has:
        die(f"this host has {exact_size(free * MIB)} of memory free, {domu.name} needs {exact_size(domu.memory * MIB)}",
            hint=hint)


def _text(path: Path) -> str:
    """Return a file's text as far as it is one; nothing if there is none."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def own_addresses() -> frozenset[str]:
    """Return all addresses of dom0 itself."""
    rows = run_json(["ip", "-j", "address"]) or ()
    return frozenset(address["local"] for row in rows for address in row.get("addr_info", []) if "local" in address)
