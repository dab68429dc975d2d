"""What a person is told after a promotion and after its undo: what is left to do, here and on the domU's former host."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from xen_legi.backup import former, state
from xen_legi.backup.promote import Plan
from xen_legi.domu import config as domu_config


def at_boot(file: Path, directory: Path = domu_config.AUTOSTART) -> list[str]:
    """Return what a person does so that the domU starts with this dom0, unless it does already."""
    if domu_config.auto_links(file, directory):
        return []
    return [f"so that it starts with this dom0: ln -s ../{file.name} {domu_config.AUTOSTART}/"]


def dangling(files: Iterable[Path], directory: Path = domu_config.AUTOSTART) -> list[str]:
    """Given the domU's files before an undo, return what a person does with the links that lead nowhere after it."""
    links = [str(link) for file in files if not file.exists() for link in domu_config.auto_links(file, directory)]
    return [f"rm {' '.join(links)}    # it leads nowhere now"] if links else []


def way_back(one: Plan, *, answers: bool) -> Sequence[str]:
    """Return what a person does on the domU's former host, and how the domU comes home; `answers`: that host is up."""
    domu, source, here = one.copy.domu, one.copy.source, state.host()
    if source == here:
        kept = former.all_kept(domu)
        was = f"the former configuration is {kept[-1].file}; " if kept else ""
        return [
            f"{was}xen-legi promote {domu} --undo makes this a copy again, and loses what happens from now on.",
            f"To stay with it, leave {one.copy.group} out of the destinations: the domU itself is there now.",
        ]
    return [
        *(_left(domu, source) if answers else _lost(domu, source)),
        f"home again, here: backup-domu {domu} --to {source}, xl shutdown -w {domu}, backup-domu {domu} --to {source};",
        f"if it says OK, rm -f /etc/xen/auto/{domu}.cfg here;",
        f"on {source}: xen-legi promote {domu}; and here, so that copies can come again: xen-legi promote {domu} --undo.",
        f"{here} copies it to its own destinations now: see backup-domu status. Was it a trial? xl shutdown -w {domu}, then",
        f"xen-legi promote {domu} --undo: what happened here is lost, and the next backup-domu on {source} makes it whole.",
    ]


def _left(domu: str, source: str) -> list[str]:
    return [
        f"now on {source}, where {domu} is old from now on and must not start, unless this was a trial:",
        f"rm -f /etc/xen/auto/{domu}.cfg; mv /etc/xen/{domu}.cfg /root/    # else its nightly run copies the old one, too",
    ]


def _lost(domu: str, source: str) -> list[str]:
    return [
        f"when {source} comes back, its own {domu} is old and must not start. If a link in /etc/xen/auto there starts it:",
        "before power-on unplug its trunk, or boot it with systemd.mask=xendomains.service on the kernel's command line;",
        f"there, before the cables are back: xl shutdown -w {domu} if xl list shows it, rm -f /etc/xen/auto/{domu}.cfg,",
        f"mv /etc/xen/{domu}.cfg /root/, and reboot if you have masked xendomains: it also shuts the domUs down with dom0;",
    ]
