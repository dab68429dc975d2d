"""Fill a root with a new Debian, from where this host's apt has its own, or from --mirror. See mmdebstrap(1)."""

from pathlib import Path

from xen_legi.config import Config
from xen_legi.install import mirror
from xen_legi.install.bootstrap import debian
from xen_legi.install.methods import Wanted
from xen_legi.run import need

USES = ("dist", "mirror")
_LEAST = 300 << 20  # bytes that a trixie with a server's packages takes; less would fail after minutes


class FromArchive:
    """A suite of an archive that answers."""

    def __init__(self, dist: str, sources: list[str]) -> None:
        self.sources = sources
        self.text = f"{dist} by mmdebstrap"
        self.dist = dist
        self.size = _LEAST

    def install(self, root: Path) -> None:
        """Make the tree; what is one machine's own is settled by who called."""
        debian(self.dist, root, self.sources)


def prepare(settings: Config, wanted: Wanted) -> FromArchive:
    """Return the suite that is wanted (default: that of the setting `template`). Die if the archive does not have it."""
    dist = wanted.dist or settings.template
    mirror.check_suite_name(dist)
    need("mmdebstrap")
    sources = mirror.sources(dist, mirror.ask(), wanted.mirror)
    mirror.need_suite(sources[0])
    return FromArchive(dist, sources)
