"""Show the settings of this host.

`show` prints the settings in force, `get NAME` one of them, `sample` the file with every setting and its default.
"""

import argparse
import json
from dataclasses import Field, asdict, fields
from typing import Any

from xen_legi import config
from xen_legi.cli import no_more
from xen_legi.errors import EXIT_OK, die

EXAMPLES = """\
  xen-legi config show
  xen-legi config get dom0_memory
  xen-legi config sample | less            # every setting, its meaning and its default
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("what", choices=("show", "get", "sample"), nargs="?", default="show", help="what to print")
    parser.add_argument("name", nargs="?", default="", help="with get: the setting")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(options: argparse.Namespace) -> int:
    """Print the settings."""
    if options.what != "get":
        no_more(f"config {options.what}", options.name)
    if options.what == "sample":
        print(config.sample(), end="")
        return EXIT_OK
    values = asdict(config.load())
    if options.what == "get":
        options.name = _known(options.name)
        values = {options.name: values[options.name]}
    if options.json:
        print(json.dumps(values, indent=2))
    elif options.what == "get":
        value = values[options.name]
        print(value if isinstance(value, str) else config.as_toml(value))
    else:
        for one in fields(config.Config):
            print(f"{_full_name(one)} = {config.as_toml(values[one.name])}")
    return EXIT_OK


def _full_name(one: "Field[Any]") -> str:
    """Return a setting's name as `show` writes it: its section, a dot, and its name, which no other section has."""
    return f"{one.metadata['section']}.{one.name}"


def _known(name: str) -> str:
    """Return the name of a setting, given with its section or without."""
    found = next((one.name for one in fields(config.Config) if name in (one.name, _full_name(one))), "")
    if not found:
        die(f"there is no setting {name!r}", hint="xen-legi config show lists them")
    return found
