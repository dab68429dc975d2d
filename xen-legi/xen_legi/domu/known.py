"""The domUs of this host as they are now: of its files, of Xen and of its volumes."""

from xen_legi import config as settings
from xen_legi.domu import config, disks, xl
from xen_legi.domu.inventory import Entry, inventory
from xen_legi.storage import lvm


def entries() -> list[Entry]:
    """Return them by name; without Xen, none runs."""
    domains = xl.domains() if xl.answers() else []
    domus, volumes = config.all_domus(), lvm.volumes()
    starting = [one.file for one in domus if one.autostart]
    devices = disks.devices(domus, volumes)
    return inventory(domus, domains, volumes, starting, settings.load().bridge, devices, disks.images(devices))
