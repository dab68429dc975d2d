"""Templates: trees of a guest, made once, from which domUs are copied in seconds.

`make NAME` makes one with mmdebstrap from where this host's apt gets Debian; NAME is the suite, or --dist names it. `list`
shows them, `delete NAME` removes one: no domU depends on it.
"""

import argparse
import json
import os
from dataclasses import asdict

from xen_legi import config
from xen_legi.cli import agreed, no_more
from xen_legi.columns import aligned
from xen_legi.errors import EXIT_OK, EXIT_USAGE, die, need_root
from xen_legi.install import template_make
from xen_legi.install.templates import Template, all_templates, check_template_name, lock_name
from xen_legi.steps import lock, say
from xen_legi.units import format_size

EXAMPLES = """\
  xen-legi template make trixie
  xen-legi template make web --dist bookworm --include nginx,rsyslog
  xen-legi template list
  xen-legi template delete web
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of this verb."""
    parser.add_argument("what", choices=("make", "list", "delete"), nargs="?", default="list", help="what to do")
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="the template: trixie, bookworm, sid, …")
    parser.add_argument("--dist", default="", metavar="SUITE", help="with make: the suite, if it is not NAME")
    parser.add_argument("--mirror", default="", metavar="URI", help="with make: where to get it (default: as this host)")
    parser.add_argument("--keyring", default="", metavar="FILE",
                        help="with make: the keys of that archive (default: those that this host's apt trusts)")
    parser.add_argument("--include", default="", metavar="PACKAGE,...", help="with make: packages to add")
    parser.add_argument("--replace", action="store_true", help="with make: make it anew if it is there")
    parser.add_argument("--yes", action="store_true", help="with delete: do not ask")
    parser.add_argument("--json", action="store_true", help="with list: print JSON")


def main(options: argparse.Namespace) -> int:
    """Do it."""
    if options.what == "list":
        no_more("template list", options.name)
    settings = config.load()
    if os.geteuid() == 0:
        template_make.clean(settings.templates)
    if options.what == "list":
        return _list(all_templates(settings.templates), as_json=options.json)
    need_root(f"xen-legi template {options.what}")
    if not options.name:
        die(f"xen-legi template {options.what} needs a name", hint=f"xen-legi template {options.what} trixie")
    check_template_name(options.name)
    return _make(options, settings) if options.what == "make" else _delete(options, settings)


def _make(options: argparse.Namespace, settings: config.Config) -> int:
    include = tuple(one.strip() for one in options.include.split(",") if one.strip())
    dist = options.dist or options.name
    one = template_make.make(
        settings.templates, options.name, dist, uri=options.mirror, include=include, replace=options.replace,
        keyring=options.keyring,
    )  # fmt: skip
    print(f"template {one.name}: {one.packages} packages, {format_size(one.size)}, in {settings.templates / one.name}")
    return EXIT_OK


def _list(templates: list[Template], *, as_json: bool) -> int:
    if as_json:
        print(json.dumps([asdict(one) | {"path": str(one.path)} for one in templates], indent=2))
        return EXIT_OK
    if templates:
        print(*aligned([("NAME", "DIST", "MADE", "SIZE", "PACKAGES"), *map(_row, templates)]), sep="\n")
    else:
        say("no templates; xen-legi template make trixie makes one")
    return EXIT_OK


def _row(one: Template) -> tuple[str, ...]:
    size = format_size(one.size) if one.size else "?"
    return one.name, one.dist or "?", one.made or "?", size, str(one.packages or "?")


def _delete(options: argparse.Namespace, settings: config.Config) -> int:
    with lock(lock_name(options.name), what=f"template {options.name}", status=EXIT_USAGE):
        one = next((one for one in all_templates(settings.templates) if one.name == options.name), None)
        if not one:
            die(f"there is no template {options.name!r} in {settings.templates}", hint="xen-legi template list")
        question = f"Remove template {one.name}, {one.path}?"
        if not options.yes and not agreed(question, f"whether template {one.name} may go"):
            say("nothing was removed")
            return EXIT_USAGE
        template_make.delete(one)
    print(f"template {one.name} removed")
    return EXIT_OK
