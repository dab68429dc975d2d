"""Start a domU from its file in /etc/xen, unless it runs on another dom0.

The peers of this host are asked: after a promotion, the domU runs there, and two of one domU is worse than none. One that
cannot be asked is told, and the domU is started. xl create asks nobody.
"""

import argparse
import time

from xen_legi.backup import elsewhere
from xen_legi.domu import config, disks, names, startable, xl
from xen_legi.domu.config import DomuConfig
from xen_legi.errors import EXIT_OK, die, need_root
from xen_legi.install import facts
from xen_legi.install.tidy import changing
from xen_legi.steps import step
from xen_legi.storage import lvm

_PATIENCE = 20  # seconds for Xen's back ends, which close a volume some time after the domain has gone
EXAMPLES = """\
  xen-legi start web1
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("name", metavar="NAME", help="the domU")


def main(options: argparse.Namespace) -> int:
    """Start it."""
    need_root("xen-legi start")
    names.check(options.name)
    xl.need_xen()
    with changing(options.name):
        domu = config.by_name(options.name)
        if not xl.is_off(domu.name):
            die(f"domU {domu.name} is running already", hint="xen-legi list shows it")
        startable.check(domu)
        facts.need_memory(domu, hint="xen-legi list shows what the domUs have")
        _need_free(domu)
        elsewhere.need_off_everywhere(domu.name, defined=True, force_dead=False)
        with step(f"start {domu.name}"):
            xl.start(domu.file)
    return EXIT_OK


def _need_free(domu: DomuConfig) -> None:
    """Wait until Xen has let go of the domU's volumes. Die if something has one open: two that write it destroy it."""
    domus, _ = config.all_files()
    for last in range(_PATIENCE, -1, -1):
        volumes = lvm.volumes()
        known = disks.devices([domu, *domus], volumes)
        used = startable.in_use(domu, domus, volumes, known, disks.images_of(domu, known))
        if not used:
            return
        if last:
            time.sleep(1)
    die(f"{used[0].full_name} is in use, though {domu.name} is off",
        hint=f"mounted, or is a program at work? lsof {used[0].path}; losetup -a")
