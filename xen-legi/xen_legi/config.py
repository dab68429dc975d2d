"""The settings of this host: one table that is parser, validation, help, sample file and manual section at once.

A setting is a field of Config; its section in the file and its meaning stand beside it. The file is TOML,
/etc/xen-legi/xen-legi.toml, and every setting has a default, so that no file at all is a good file.
"""

import json
import re
from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from xen_legi import window
from xen_legi.errors import Problem, die
from xen_legi.units import parse_size

FILE = Path("/etc/xen-legi/xen-legi.toml")


def setting(section: str, default: Any, help: str, check: Callable[[Any], object] | None = None) -> Any:
    """Declare a setting: where it stands in the file, its default, what it means, and a check that dies or raises."""
    return field(default=default, metadata={"section": section, "help": help, "check": check})


def _one_of(*choices: str) -> Callable[[Any], object]:
    def check(value: Any) -> None:
        if value not in choices:
            raise ValueError(f"is not one of {', '.join(filter(None, choices))}")

    return check


def _bridge(value: str) -> None:
    """Raise ValueError unless this names one bridge for each VLAN, short enough for Linux."""
    if value.count("{vlan}") != 1 or not re.fullmatch(r"[A-Za-z0-9._+-]{1,11}", value.replace("{vlan}", "")):
        raise ValueError("is no name with {vlan} in it for the number, and nothing else in braces: xenbr{vlan}")


def _directory(value: str) -> None:
    if not value.startswith("/") or not value.isprintable():
        raise ValueError("is not the path of a directory; it begins with a slash")


def _group(value: str) -> None:
    """Raise ValueError unless lvm2 takes this as the name of a volume group (lvm(8), VALID NAMES)."""
    if not re.fullmatch(r"(?!\.{1,2}$)[A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,126}", value):
        raise ValueError("is not the name of a volume group: vg0")


def _vcpus(value: int) -> None:
    if not 1 <= value <= 512:
        raise ValueError("is not a number of processors: 1 to 512")


def _ghost_size(value: str) -> None:
    """Raise ValueError for a share that is none; what is no share must be a size."""
    share = re.fullmatch(r"(\d{1,3})\s*%", value.strip())
    if not share:
        parse_size(value, what="space")
    elif not 1 <= int(share[1]) <= 100:
        raise ValueError("is not between 1% and 100%")


def _seconds(value: int) -> None:
    if not 0 <= value <= 300:
        raise ValueError("is not a number of seconds: 1 to 300, or 0 for none")


def _at_once(value: int) -> None:
    if not 1 <= value <= 16:
        raise ValueError("is not a number of copies: 1 to 16")


def _copies(value: int) -> None:
    if not 0 <= value <= 50:
        raise ValueError("is not a number of copies: 1 to 50, or 0 for one at every destination")


def _retries(value: int) -> None:
    if not 0 <= value <= 10:
        raise ValueError("is not a number of retries: 0 to 10")


def _kept(value: int) -> None:
    if not 0 <= value <= 50:
        raise ValueError("is not a number of kernels: 1 to 50, or 0 for all")


def _flavour(value: str) -> None:
    if not re.fullmatch(r"|[A-Za-z][A-Za-z0-9.+~_-]*", value):
        raise ValueError("is not the end of a kernel's version: amd64, cloud-amd64")


def _percent(value: int) -> None:
    if not 0 <= value <= 95:
        raise ValueError("is not a share that leaves the pool some room: 0 to 95")


def _modules(names: tuple[str, ...]) -> None:
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise ValueError(f"has {name!r}, which is no module")
    if names and not {"xen-blkfront", "xen_blkfront"} & set(names):
        raise ValueError("has no xen-blkfront, without which no domU finds its disk")


def _dom0_memory(value: str) -> None:
    """Raise ValueError unless Xen takes `value` after dom0_mem=. What Xen does not understand leaves dom0 all memory."""
    if not re.fullmatch(r"[1-9]\d*[MGT](\+\d{1,2}%)?|[1-9]\d?%", value):
        raise ValueError("is not an amount that Xen understands: 4G, 5%, 1G+5%")


@dataclass(frozen=True)
class Config:
    """What the administrator can decide for a host. Sizes are kept as text, as they are written in the file."""

    dom0_memory: str = setting(
        "dom0",
        "1G+5%",
        "memory of dom0, fixed at boot, in Xen's own dom0_mem form: 4G, or an amount plus a share of all; then update-grub",
        _dom0_memory,
    )
    volume_group: str = setting("storage", "vg0", "volume group in which domUs are made", _group)
    thin_pool: str = setting("storage", "", "thin pool of that group for their volumes; without one each has its own space")
    memory: str = setting("domu", "512M", "memory of a new domU", parse_size)
    vcpus: int = setting("domu", 1, "virtual processors of a new domU", _vcpus)
    size: str = setting("domu", "4G", "size of a new domU's root volume", parse_size)
    swap: str = setting("domu", "512M", "size of a new domU's swap volume", parse_size)
    filesystem: str = setting("domu", "ext4", "filesystem of a new domU: ext4 or xfs", _one_of("ext4", "xfs"))
    type: str = setting("domu", "pvh", "kind of a new domU: pvh or pv", _one_of("pvh", "pv"))
    modules: str = setting(
        "domu", "guest", "modules of its kernel that a new domU gets: guest, none for hardware that no domU has, or all",
        _one_of("guest", "all"),
    )
    initramfs: tuple[str, ...] = setting(
        "domu", ("xen-blkfront", "xen-netfront", "ext4", "xfs"),
        "modules of the initramfs made for domUs, which has nothing else; with none they start with dom0's own initramfs",
        _modules,
    )
    bridge: str = setting("domu", "xenbr{vlan}", "name of the bridge of a VLAN", _bridge)
    template: str = setting("domu", "trixie", "template from which domUs are made")
    nameserver: tuple[str, ...] = setting("domu", (), "name servers of a new domU (default: those of this host)")
    srv: str = setting("domu", "/srv/xen", "directory of domU kernels, their modules, and templates", _directory)
    follow: str = setting(
        "kernels", "yes",
        "what becomes of a kernel that dom0 gets: yes, it is that of new domUs; add, domUs can have it; no, nothing",
        _one_of("yes", "add", "no"),
    )
    keep: int = setting(
        "kernels", 3,
        "how many of each flavour stay, though nobody uses them, when dom0 gets another, or at kernel prune; 0: all", _kept,
    )
    flavour: str = setting(
        "kernels", "amd64", "end of the version of those of which new domUs get the newest: amd64, cloud-amd64", _flavour
    )
    destinations: tuple[str, ...] = setting(
        "backup", (), 'where copies of the domUs go: local volume groups ("vg1"), other dom0s ("dom0b"); default: all peers'
    )
    copies: int = setting(
        "backup", 2, "to how many of them a domU goes, each on another host, where there are more; 0: to all", _copies
    )
    exclude: tuple[str, ...] = setting("backup", (), "domUs that are not copied")
    ghost_size: str = setting(
        "backup", "20%", "space for what a domU changes while it is copied, as a share of its volume", _ghost_size
    )
    sync_wait: int = setting(
        "backup", 0,
        "seconds that a running domU has to write what it holds in memory, after it was asked to (xl sysrq NAME s); 0:"
        " it is not asked", _seconds
    )
    at_once: int = setting(
        "backup", 2, "to how many destinations a domU is copied at the same time; 1: to one after the other", _at_once
    )
    bandwidth: str = setting(
        "backup", "", 'bytes a second that a copy to another host takes at most: "20M"; nothing: all there is',
        lambda value: value and parse_size(value, what="bandwidth"),
    )
    ionice: str = setting(
        "backup", "", "how a run stands back at this host's disks, see ionice(1): idle, best-effort (its lowest)",
        _one_of("", "idle", "best-effort"),
    )
    keep_base: int = setting(
        "backup", 80,
        "how full a thin pool may be, in percent, for a snapshot of what was copied block by block to stay in it until"
        " the next night, which then reads only what changed; 0: none stays", _percent
    )
    window: str = setting(
        "backup", "", 'part of the day in which a run of all domUs may begin with one: "22:00-06:00"; nothing: always',
        lambda value: value and window.minutes(value),
    )
    checksum: str = setting(
        "backup", "monthly", "how often the nightly run also compares what files contain: weekly or monthly (on its first"
        " Sunday); nothing: never", _one_of("", "weekly", "monthly"),
    )
    retries: int = setting(
        "backup", 1, "how often a run tries a copy again whose connection broke", _retries
    )
    receive_volume_group: str = setting(
        "backup", "vg0", "volume group that holds the copies that other dom0s send", _group
    )

    @property
    def templates(self) -> Path:
        """Directory with one guest tree per template."""
        return Path(self.srv) / "templates"


def load(path: Path = FILE) -> Config:
    """Read the settings. Die with the place in the file for what is unknown, of the wrong kind or refused."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Config()
    except OSError as error:
        die(f"{path} cannot be read: {error.strerror}", hint="is it a file, and may you read it?")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        die(f"{path}: line {line} holds a byte that is no UTF-8", hint="iconv(1) changes the character set of a file")
    return parse(text, where=str(path))


def parse(text: str, *, where: str = "settings") -> Config:
    """Given the text of a settings file, return the settings."""
    known = {(one.metadata["section"], one.name): one for one in fields(Config)}
    values: dict[str, Any] = {}
    for section, settings in tree(text, where=where).items():
        if not isinstance(settings, dict):
            die(f"{where}: {section} stands outside of a section", hint="xen-legi config sample shows the sections")
        for name, value in settings.items():
            if (section, name) not in known:
                die(f"{where}: [{section}] {name} is unknown", hint="xen-legi config sample shows all settings")
            values[name] = checked(known[section, name], value, f"{where}: [{section}] {name}")
    return Config(**values)


def tree(text: str, *, where: str) -> dict[str, Any]:
    """Given a text in TOML, return what it says. Die with the place in it that is none."""
    import tomllib  # here: the receiver of this host and the hooks of ifupdown start without it

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also for a number of thousands of digits, and for thousands of brackets
        die(f"{where}: {error}", hint='a setting is written name = "value"; xen-legi config sample shows all of them')


def checked(one: "Field[Any]", value: Any, where: str) -> Any:
    """Given a setting and what a file says of it, return its value. Die with the place if it is none."""
    kind = type(one.default)
    if kind is tuple and isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = tuple(value)
    if type(value) is not kind:
        wanted = {str: "a text in quotes", int: "a whole number", tuple: "a list of texts"}[kind]
        die(f"{where} must be {wanted}, not {value!r}", hint=f"the default: {one.name} = {as_toml(one.default)}")
    if check := one.metadata["check"]:
        try:
            check(value)
        except ValueError as error:
            shown = as_toml(value) if kind is tuple else repr(value)
            die(f"{where}: {shown} {error}", hint=f"the default: {one.name} = {as_toml(one.default)}")
        except Problem as problem:
            die(f"{where}: {problem.message}", hint=problem.hint)
    return value


def as_toml(value: Any) -> str:
    """Return a setting's value as it is written in the file."""
    if isinstance(value, tuple):
        return "[" + ", ".join(as_toml(item) for item in value) + "]"
    if isinstance(value, str):  # the escapes of JSON are also those of TOML, which wants one more
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)


def sample() -> str:
    """Return the file as it is shipped: every setting with its meaning and default, all of them comments."""
    lines = ["# Settings of xen-legi on this host. Every line that is a comment shows the default."]
    section = ""
    for one in fields(Config):
        if one.metadata["section"] != section:
            section = one.metadata["section"]
            lines += ["", f"[{section}]"]
        lines += [f"# {one.metadata['help']}", f"#{one.name} = {as_toml(one.default)}"]
    return "\n".join(lines) + "\n"
