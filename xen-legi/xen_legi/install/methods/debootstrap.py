"""Fill a root with a new Debian or Ubuntu, from where this host's apt has its own, or from --mirror. See mmdebstrap(1)."""

from pathlib import Path

from xen_legi.config import Config
from xen_legi.install import mirror
from xen_legi.install.bootstrap import debian
from xen_legi.install.methods import Wanted
from xen_legi.install.mirror import Suite
from xen_legi.install.release import check_suite_name
from xen_legi.run import need

USES = ("dist", "mirror", "keyring", "arch")
_LEAST = 300 << 20  # bytes that a trixie with a server's packages takes; less would fail after minutes


class FromArchive:
    """A suite of an archive that answers."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.text = f"{suite.dist} by mmdebstrap" + (f", {suite.arch}" if suite.arch else "")
        self.dist = suite.dist
        self.size = _LEAST

    def install(self, root: Path) -> None:
        """Make the tree; what is one machine's own is settled by who called."""
        debian(self.suite, root)


def prepare(settings: Config, wanted: Wanted) -> FromArchive:
    """Return the suite that is wanted (default: that of the setting `template`). Die if the archive does not have it."""
    dist = wanted.dist or settings.template
    check_suite_name(dist)
    need("mmdebstrap")
    return FromArchive(mirror.find(dist, wanted.mirror, wanted.keyring, wanted.arch))
