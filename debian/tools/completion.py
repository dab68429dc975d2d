#!/usr/bin/python3
"""Print the bash completion of one of our programs, made from its parser: completion.py xen-legi|backup-domu."""

import argparse
import sys

import shtab

PARSERS = {"xen-legi": "xen_legi.cli", "backup-domu": "xen_legi.cli.backup_domu"}

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


def complete_names(parser: argparse.ArgumentParser) -> None:
    """Tell shtab, for this parser and those below it, which words are names of domUs and which are files."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                complete_names(below)
        elif action.choices is None and action.dest in ("name", "names", "domu", "domus"):
            action.complete = DOMUS  # type: ignore[attr-defined]
        elif action.metavar in ("FILE", "DIRECTORY"):
            action.complete = shtab.FILE  # type: ignore[attr-defined]


def _parser(program: str) -> argparse.ArgumentParser:
    # FIXME: while verbs are being written, what is not there yet is left out.
    import importlib.util
    if importlib.util.find_spec(PARSERS[program]) is None:
        return argparse.ArgumentParser(program)
    module = importlib.import_module(PARSERS[program])
    if program == "xen-legi":
        module.VERBS = {k: v for k, v in module.VERBS.items() if importlib.util.find_spec(f"xen_legi.cli.{v}")}
        return module.parser(list(module.VERBS))
    return module.parser()


def main() -> int:
    """Print the completion of the program that is named."""
    parser = _parser(sys.argv[1])
    complete_names(parser)
    print(shtab.complete(parser, shell="bash", preamble=PREAMBLE))
    return 0


sys.exit(main())
