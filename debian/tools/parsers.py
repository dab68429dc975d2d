"""The parsers of our programs by name, for what is made from them: completion and manual."""

from xen_legi import cli
from xen_legi.cli import backup_domu

PARSERS = {"xen-legi": cli.parser, "backup-domu": backup_domu.parser}
