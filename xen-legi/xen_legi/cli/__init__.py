"""The program `xen-legi`: one module per verb, imported only when its verb is called, so that each starts fast."""

import argparse
import errno
import importlib
import io
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any, NoReturn

from xen_legi import VERSION, run, steps
from xen_legi.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_STATUS_HELP, EXIT_USAGE, Problem, die

# A verb is a module of this package. It has a docstring (its help: the first line is the summary), EXAMPLES (text),
# arguments(parser) and main(options) -> exit status. The modules' names are the verbs' names, but for these:
_NO_VERBS = {"__main__", "backup_domu", "backup_trial"}
_OTHER_NAMES = {"list_domus": "list"}
VERBS = {
    _OTHER_NAMES.get(module.name, module.name): module.name
    for module in pkgutil.iter_modules(__path__)
    if module.name not in _NO_VERBS
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb. Return the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    return guarded("xen-legi", lambda: _dispatch(words))


def guarded(program: str, job: Callable[[], int]) -> int:
    """Run `job` and turn problems and interruptions into a line on standard error and an exit status."""
    try:
        with steps.signals_unwind():
            _let_any_name_be_printed()
            status = job()
            print(end="", flush=True)  # here, where a reader that has gone is no traceback
            return status
    except Problem as problem:
        return _told(program, problem)
    except PermissionError as error:
        if os.geteuid() == 0:
            raise
        return _told(program, Problem(f"{error.filename}: {error.strerror}", hint="use sudo"))
    except KeyboardInterrupt:
        print(f"{program}: interrupted; the next command goes on with what is left, or removes it", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_INTERRUPTED
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        where = f"{error.filename}: " if error.filename else ""  # a write() does not say to which file
        return _told(program, Problem(f"{where}{error.strerror}", hint="make room: see df, df -i", status=EXIT_FAILED))


def _told(program: str, problem: Problem) -> int:
    """Tell a person of a problem and return its exit status."""
    print(f"{program}: {problem.message}", file=sys.stderr)
    if problem.hint:
        print(f"  hint: {problem.hint}", file=sys.stderr)
    return problem.status


def _let_any_name_be_printed() -> None:
    """A file's bytes need not be text in the terminal's character set: show those that are not as escapes, do not fail."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def agreed(question: str, what: str) -> bool:
    """Ask a person at the terminal and tell whether the answer is yes. Die if nobody is there; `what` is what is asked."""
    if sys.stdin is None or not sys.stdin.isatty():
        die(f"nobody is there to be asked {what}", hint="add --yes")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def json_of_plan(parser: argparse.ArgumentParser) -> None:
    """Declare --json for a verb that prints its plan on --dry-run; without that it is refused before the verb begins."""
    parser.add_argument("--json", dest="json_of_plan", action="store_true", help="with --dry-run: print JSON")


def no_more(what: str, word: str | None) -> None:
    """Die if there is a word that this verb has no use for: it would be taken for done."""
    if word:
        die(f"xen-legi {what} takes no {word!r}", hint=f"xen-legi {what.split()[0]} --help")


def _dispatch(words: list[str]) -> int:
    chosen = next((word for word in words if not word.startswith("-")), "")
    options = parser([chosen] if chosen in VERBS else list(VERBS)).parse_args(words)
    run.debug, steps.quiet = options.debug, options.quiet
    if getattr(options, "json_of_plan", False) and not options.dry_run:
        die("--json is for a plan only", hint="add --dry-run, or leave --json out")
    return int(options.main(options))


def parser(verbs: Sequence[str] = tuple(VERBS)) -> argparse.ArgumentParser:
    """Return the parser with these verbs; the completion and the manual's test take it with all of them."""
    top = Parser(
        prog="xen-legi",
        description="Turn plain Debian hosts into Xen dom0s and look after their domUs.",
        epilog=EXIT_STATUS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # --force must not be taken for --force-dead
    )
    top.add_argument("--version", action="version", version=f"xen-legi {VERSION}")
    common(top)
    title = "verbs (xen-legi VERB --help tells more)"
    below = top.add_subparsers(metavar="VERB", required=True, title=title, parser_class=VerbParser)
    for verb in verbs:
        module = importlib.import_module(f"xen_legi.cli.{VERBS[verb]}")
        add_verb(below, verb, module)
    return top


class Parser(argparse.ArgumentParser):
    """A parser that tells of wrong use as die() does: one line and a hint, not its whole usage."""

    def error(self, message: str) -> NoReturn:
        """End the program."""
        text = clearer(message, self._option_string_actions)
        self.exit(EXIT_USAGE, f"{self.prog.split()[0]}: {text}\n  hint: {self.prog} --help\n")


def clearer(message: str, options: Iterable[str]) -> str:
    """Given what argparse says of wrong use, and the options that there are, return it with what was probably meant."""
    if match := re.fullmatch(r"argument (.+): invalid choice: '(.*)' \(choose from (.*)\)", message):
        choices = re.findall(r"[^\s',]+", match[3])
        near = nearest(match[2], choices)
        option = f"{match[1]}: " if match[1].startswith("-") else ""
        return f"{option}there is no {match[2]!r}; is {near} meant?" if near else message
    if match := re.fullmatch(r"unrecognized arguments: (.*)", message):
        unknown = [word.partition("=")[0] for word in match[1].split() if word.startswith("--")]  # not their values
        near = _near_option(unknown[0], options) if unknown else ""
        return f"there is no option {unknown[0]}" + (f"; is {near} meant?" if near else "") if unknown else message
    return message


def _near_option(option: str, known: Iterable[str]) -> str:
    """The dashes, which all have, make none of them nearer."""
    near = nearest(option[2:], [one[2:] for one in known if one.startswith("--")])
    return f"--{near}" if near else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return which of the known words was probably meant, or nothing."""
    import difflib  # here, because wrong use is rare and every start counts

    return next(iter(difflib.get_close_matches(word, list(known), 1)), "")


class VerbParser(Parser):
    """The parser of a verb, whose options may stand before, between and after its words."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the words of the verb; the program's own parser hands them over here, and knows no more words than we."""
        known, unknown = super().parse_known_args(words_first(self, args), namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(word for word in args if word in unknown)}")
        return known, unknown


def words_first(one: argparse.ArgumentParser, given: Sequence[str]) -> list[str]:
    """Return what was given with the options last: Python 3.11 takes a word that may be missing for missing before them.

    An option takes its value along. Words with a "--" among them stay as they are: there the order has a meaning.
    """
    if "--" in given:
        return list(given)
    with_value = {name for action in one._actions if action.nargs is None for name in action.option_strings}
    words: list[str] = []
    options: list[str] = []
    before = ""
    for word in given:
        (options if word.startswith("-") or before in with_value else words).append(word)
        before = word
    return [*words, *options]


def _summary(text: str) -> str:
    """Return the first line of a verb's text as a part of a sentence."""
    first = text.partition("\n")[0].rstrip(".")
    return first[:1].lower() + first[1:]


def common(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """Add the options that every program and verb understands. `again`: below a parser that has them, and their defaults."""
    default = argparse.SUPPRESS if again else False
    parser.add_argument("--debug", action="store_true", default=default, help="show every command that is run")
    parser.add_argument("--quiet", action="store_true", default=default, help="say nothing but problems and results")


def add_verb(below: "argparse._SubParsersAction[VerbParser]", verb: str, module: ModuleType) -> None:
    """Add one verb from its module."""
    text = (module.__doc__ or "").strip()
    one = below.add_parser(
        verb,
        help=_summary(text),
        description=text,
        epilog=f"examples:\n{module.EXAMPLES.rstrip()}\n\n{EXIT_STATUS_HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.arguments(one)
    common(one, again=True)
    one.set_defaults(main=module.main)
