#!/usr/bin/python3
"""Print the bash completion of one of our programs, made from its parser: completion.py xen-legi|backup-domu."""

import argparse
import sys

import shtab
from parsers import PARSERS

# What is no option and no choice is completed by its name in the parser: the domUs of this host.
DOMUS = {"bash": "_xen_legi_domus"}
PREAMBLE = {"bash": """
_xen_legi_domus() {
  local path
  for path in /etc/xen/*.cfg; do
    [[ -e $path ]] || continue
    path=${path##*/}
    compgen -W "${path%.cfg}" -- "$1"
  done
}
"""}


def complete_names(one: argparse.ArgumentParser) -> None:
    """Tell shtab, for this parser and those below it, which words are names of domUs and which are files."""
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                complete_names(below)
        elif action.choices is None and action.dest in ("name", "names", "domu", "domus"):
            action.complete = DOMUS  # type: ignore[attr-defined]
        elif action.metavar in ("FILE", "DIRECTORY"):
            action.complete = shtab.FILE  # type: ignore[attr-defined]


def main() -> int:
    """Print the completion of the program that is named."""
    whole = PARSERS[sys.argv[1]]()
    complete_names(whole)
    print(shtab.complete(whole, shell="bash", preamble=PREAMBLE))
    return 0


sys.exit(main())
