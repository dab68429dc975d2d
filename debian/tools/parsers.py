"""The parsers of our programs by name, for what is made from them: completion and manual."""

import argparse
import importlib
import importlib.util

MODULES = {"xen-legi": "xen_legi.cli", "backup-domu": "xen_legi.cli.backup_domu"}


def parser(program: str) -> argparse.ArgumentParser:
    """Return the whole parser of a program."""
    # FIXME: while verbs are being written, what is not there yet is left out.
    if importlib.util.find_spec(MODULES[program]) is None:
        return argparse.ArgumentParser(program)
    module = importlib.import_module(MODULES[program])
    if program == "xen-legi":
        module.VERBS = {k: v for k, v in module.VERBS.items() if importlib.util.find_spec(f"xen_legi.cli.{v}")}
        return module.parser(list(module.VERBS))  # type: ignore[no-any-return]
    return module.parser()  # type: ignore[no-any-return]
