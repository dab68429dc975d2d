"""The linters are tests: what they say of the tree must be nothing."""

import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def tracked(*patterns: str) -> list[str]:
    """Return the files of the tree that git knows (or, in an exported tree, all) which match."""
    if (TOP / ".git").exists():
        words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
        found = subprocess.run(words, cwd=TOP, capture_output=True, text=True, check=True)
        return [name for name in found.stdout.split("\n") if (TOP / name).is_file()]
    names = {str(path.relative_to(TOP)) for pattern in patterns for path in TOP.rglob(pattern) if path.is_file()}
    return sorted(name for name in names if not name.startswith(("out/", "debian/tmp/", ".pybuild/", "debian/xen-legi-")))


def scripts(*interpreters: str) -> list[str]:
    """Return the files that begin with the line #! of one of these interpreters."""
    found = []
    for name in tracked("*"):
        try:
            first = (TOP / name).open(encoding="utf-8").readline()
        except UnicodeDecodeError:
            continue
        if first.startswith("#!") and any(word in first for word in interpreters):
            found.append(name)
    return found


def lint(*words: str) -> None:
    """Run a linter at the top of the tree; fail with what it says."""
    ended = subprocess.run(words, cwd=TOP, capture_output=True, text=True)
    assert ended.returncode == 0, f"{words[0]}:\n{ended.stdout}{ended.stderr}"


def test_mypy_finds_no_untyped_or_mistyped_line() -> None:
    lint("/usr/bin/python3", "-m", "mypy", "--config-file", "setup.cfg", "--no-incremental", "xen-legi/xen_legi")


def test_flake8_finds_nothing() -> None:
    lint("/usr/bin/python3", "-m", "flake8", *tracked("*.py"), *scripts("python"))


def test_shellcheck_finds_nothing() -> None:
    lint("shellcheck", "-x", *scripts("/sh", "bash"))


def test_codespell_finds_nothing() -> None:
    lint("codespell", *tracked("*.py", "*.md", "*.scd", "*.sh"), *scripts("sh", "python"))


def test_no_module_is_longer_than_400_lines() -> None:
    lengths = {name: len((TOP / name).read_text().splitlines()) for name in tracked("*.py") + scripts("sh", "python")}
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


def test_only_the_one_door_starts_commands() -> None:
    doors = {"xen-legi/xen_legi/run.py"}
    users = {name for name in tracked("xen-legi/xen_legi/*.py", "xen-legi/xen_legi/**/*.py") if "import subprocess" in
             (TOP / name).read_text()}
    assert users <= doors
