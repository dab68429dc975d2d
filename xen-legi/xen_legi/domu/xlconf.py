"""What /etc/xen/xl.conf says of all domUs, see xl.conf(5). Unlike those of a domU's file, its keys have dots."""

import re
from collections.abc import Mapping
from pathlib import Path

from xen_legi import files

FILE = Path("/etc/xen/xl.conf")
_LINE = re.compile(r"""^[ \t]*([a-z_.]+)[ \t]*=[ \t]*(?:"([^"\n]*)"|'([^'\n]*)'|(\w+))""", re.MULTILINE)


def settings(text: str) -> Mapping[str, str]:
    """Given its text, return its settings; what is a comment there is xl's own default, and none of them."""
    return {key: first or second or third for key, first, second, third in _LINE.findall(text)}


def read(file: Path = FILE) -> Mapping[str, str]:
    """Return the settings of this host; none where there is no such file."""
    return settings(files.read(file))
