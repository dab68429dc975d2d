#!/usr/bin/python3
"""Print the bash completion of one of our programs, made from its parser: completion.py xen-legi|backup-domu."""

import argparse
import sys

import shtab
from parsers import PARSERS

# What is no option and no choice is completed with what this host has: its domUs, and for these verbs something else.
DOMUS = "_xen_legi_domus"
HAS = {
    ("template", "name"): "_xen_legi_templates",
    ("create", "dist"): "_xen_legi_templates",
    ("peer", "name"): "_xen_legi_peers",
    ("kernel", "version"): "_xen_legi_any_kernels",
    ("create", "kernel"): "_xen_legi_kernels",
    ("config", "name"): "_xen_legi_settings",
    ("create", "role"): "_xen_legi_roles",
    ("create", "finalrole"): "_xen_legi_roles",
    ("bmc", "host"): "_xen_legi_bmcs",
    ("bmc", "action"): "_xen_legi_power",
    ("create", "name"): "",  # a new name is nobody's
}
PREAMBLE = """
# _xen_legi_begin WORD NAME...: print the names that begin with the word. Not compgen -W: it runs what a name holds.
_xen_legi_begin() {
  local name word=$1
  shift
  for name; do
    [[ $name != "$word"* ]] || printf '%s\\n' "$name"
  done
}

# _xen_legi_files WORD BEFORE AFTER: the same for the files whose paths begin and end so, by what stands between.
_xen_legi_files() {
  local path
  for path in "$2"*"$3"; do
    [[ -e $path ]] || continue
    path=${path#"$2"}
    _xen_legi_begin "$1" "${path%"$3"}"
  done
}

_xen_legi_domus() { _xen_legi_files "$1" /etc/xen/ .cfg; }
_xen_legi_roles() {
  local directory
  for directory in /etc/xen-legi/role.d/ /etc/xen-tools/role.d/ /usr/share/xen-legi/roles/; do
    _xen_legi_files "$1" "$directory" ""
  done
}
_xen_legi_bmcs() { _xen_legi_files "$1" /etc/xen-legi/bmc/ ""; }
_xen_legi_power() { _xen_legi_begin "$1" status on off cycle; }
_xen_legi_peers() { _xen_legi_files "$1" /etc/xen-legi/peers/ .conf; }
_xen_legi_srv() { xen-legi config get srv 2>/dev/null; }
_xen_legi_templates() { _xen_legi_files "$1" "$(_xen_legi_srv)/templates/" ""; }
_xen_legi_kernels() { _xen_legi_files "$1" "$(_xen_legi_srv)/boot/vmlinuz-" ""; }
_xen_legi_any_kernels() { _xen_legi_kernels "$1"; _xen_legi_files "$1" /boot/vmlinuz- ""; }
_xen_legi_settings() {
  # shellcheck disable=SC2046 # they are words
  _xen_legi_begin "$1" $(xen-legi config show 2>/dev/null | sed -n 's/^[a-z0-9]*\\.\\([a-z0-9_]*\\) =.*/\\1/p')
}
"""


def complete_names(one: argparse.ArgumentParser, verb: str = "") -> None:
    """Tell shtab, for this parser and those below it, which words are names of what, and which are files."""
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                complete_names(below, name)
        elif action.metavar in ("FILE", "DIRECTORY"):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.choices is None and (function := what_is(verb, action.dest)):
            action.complete = {"bash": function}  # type: ignore[attr-defined]


def what_is(verb: str, name: str) -> str:
    """Return the function that completes this word of a verb, or nothing."""
    return HAS.get((verb, name), DOMUS if name in ("name", "names", "domu", "domus") else "")


def main() -> int:
    """Print the completion of the program that is named."""
    whole = PARSERS[sys.argv[1]]()
    complete_names(whole)
    print(with_all_choices(shtab.complete(whole, shell="bash", preamble={"bash": PREAMBLE})))
    return 0


def with_all_choices(text: str) -> str:
    """Return the completion with every choice offered: shtab of Debian 12 (1.5) takes the first one for all of them."""
    one = '''"${current_action}_choices"
  current_action_choices="${!current_action_choices_var}"'''
    all_ = '''"${current_action}_choices[@]"
  current_action_choices=$(printf '%s\\n' "${!current_action_choices_var}")'''
    return text.replace(one, all_)


sys.exit(main())
