"""What image files are called: web1/disk.img, web1.img and web1-disk.img bear the name of web1. Pure."""

from pathlib import Path


def bears(file: Path, name: str) -> bool:
    """Tell whether an image bears the name of a domU: its directory is called so, or its own name begins with it."""
    return file.parent.name == name or _begins(file, name)


def renamed(file: Path, old: str, new: str) -> Path:
    """Return what an image of domU `old` is called as one of domU `new`; one that does not bear the name keeps its own."""
    directory = file.parent.with_name(new) if file.parent.name == old else file.parent
    return directory / (new + file.name.removeprefix(old) if _begins(file, old) else file.name)


def of_clone(file: Path, old: str, new: str) -> Path:
    """Return what the like of an image is called: one that does not bear the domU's name has the clone's before its own."""
    return renamed(file, old, new) if bears(file, old) else file.with_name(f"{new}-{file.name}")


def _begins(file: Path, name: str) -> bool:
    return file.name.startswith((f"{name}-", f"{name}."))
