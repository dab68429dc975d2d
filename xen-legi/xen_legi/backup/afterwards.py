"""What a person is told after a promotion and after its undo: what is left to do, here and on the domU's former host."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from xen_legi.backup import commit, former, state
from xen_legi.backup.elsewhere import OwnHost
from xen_legi.backup.promote import Plan
from xen_legi.columns import aligned
from xen_legi.domu import config as domu_config


def at_boot(file: Path, directory: Path = domu_config.AUTOSTART) -> list[str]:
    """Return what a person does so that the domU starts with this dom0, unless it does already."""
    if domu_config.auto_links(file, directory):
        return []
    return ["", "If it stays here, this starts it with this dom0:", f"    ln -s ../{file.name} {domu_config.AUTOSTART}/"]


def dangling(files: Iterable[Path], directory: Path = domu_config.AUTOSTART) -> list[str]:
    """Given the domU's files before an undo, return what a person does with the links that lead nowhere after it."""
    links = [str(link) for file in files if not file.exists() for link in domu_config.auto_links(file, directory)]
    return ["What would start it with this dom0 leads nowhere now. Remove it:", f"    rm {' '.join(links)}"] if links else []


def way_back(one: Plan, said: OwnHost) -> Sequence[str]:
    """Return what a person does on the domU's former host, which has said this, and how the domU comes home.

    The order is that of the danger. Each line that is indented by four is a command.
    """
    domu, source, here = one.copy.domu, one.copy.source, state.host()
    if source == here:
        kept = former.all_kept(domu)
        was = f"the former configuration is {kept[-1].file}; " if kept else ""
        return [
            f"{was}xl shutdown -w {domu}, and xen-legi promote {domu} --undo makes this a copy again:",
            "what happens from now on is lost then.",
            f"To stay with it, leave {one.copy.group} out of the destinations: the domU itself is there now.",
        ]
    there: dict[OwnHost, list[list[str]]] = {
        OwnHost.SILENT: [_lost(domu, source)],
        OwnHost.HAS_IT: [_to_stay(domu, source, _put_away(domu)), _trial(domu, source)],
        OwnHost.PROMOTED: [_to_stay(domu, source, _taken_back(domu)), _trial(domu, source)],
        OwnHost.PUT_AWAY: [],
    }
    copied = [f"{here} copies {domu} from now on, to its own destinations: see backup-domu plan."]
    return [line for part in (*there[said], copied, _home(domu, source)) for line in ("", *part)]


def _to_stay(domu: str, source: str, commands: Sequence[tuple[str, ...]]) -> list[str]:
    return [
        f"If {domu} is to stay here: now on {source}, where it is old and must not start:",
        *_commands(*commands),
    ]


def _trial(domu: str, source: str) -> list[str]:
    return [
        f"If this is a trial, {source} must not start its {domu} meanwhile (xen-legi autostart {domu} off; on after it).",
        "Its end, which loses what happens here:",
        *_commands((f"xl shutdown -w {domu}",), (f"xen-legi promote {domu} --undo",)),
        f"and on {source}:",
        *_commands((f"xen-legi start {domu}",), (f"backup-domu {domu}", "until then, no copy here could start")),
    ]


def _lost(domu: str, source: str) -> list[str]:
    return [
        f"BEFORE {source} IS SWITCHED ON AGAIN (if it is up: now): its {domu} is old and must not start beside this one.",
        f"Unless you know that /etc/xen/auto on {source} has no link to {domu}, do one of these first:",
        f"  - unplug the trunk of {source}: what starts there reaches nobody",
        "  - boot it with systemd.mask=xendomains.service on the kernel's command line: nothing starts",
        f"Then on {source}, before the cables are back:",
        *_commands(
            (f"xl shutdown -w {domu}", "if xl list shows it"),
            *_put_away(domu),
            ("reboot", "if xendomains was masked: it also shuts the domUs down with dom0"),
        ),
        f"(If what {source} has was promoted there from a copy of {state.host()}, then instead of the mv:",
        f"xen-legi promote {domu} --undo.)",
    ]


def _put_away(domu: str) -> list[tuple[str, ...]]:
    return [
        (f"rm -f /etc/xen/auto/{domu}.cfg",),
        (f"mv /etc/xen/{domu}.cfg /root/", "else its nightly run copies the old one, too"),
    ]


def _taken_back(domu: str) -> list[tuple[str, ...]]:
    return [
        (f"rm -f /etc/xen/auto/{domu}.cfg",),
        (f"xen-legi promote {domu} --undo", "it was promoted there before: it is a copy again, and takes this one's"),
    ]


def _home(domu: str, source: str) -> list[str]:
    return [
        f"To bring {domu} home later ({commit.MANUAL}, \"Home again\"), here:",
        *_commands(
            (f"backup-domu {domu} --to {source}", "the most of it, while it runs"),
            (f"xl shutdown -w {domu}",),
            (f"backup-domu {domu} --to {source}", "the rest; go on only if it says OK"),
            (f"rm -f /etc/xen/auto/{domu}.cfg",),
        ),
        f"on {source}:",
        *_commands((f"xen-legi promote {domu}", "--group, where it asks: the copy that was just made")),
        "and here, so that copies can come again:",
        *_commands((f"xen-legi promote {domu} --undo",)),
    ]


def _commands(*lines: tuple[str, ...]) -> list[str]:
    """Return a line for each command, indented, with what is said of it in a column beside them."""
    return [f"    {line}" for line in aligned([(line[0], f"  # {line[1]}" if line[1:] else "") for line in lines])]
