"""The name by which a person means a domU. Its lock is made of it, and its file."""

from pathlib import PurePath

from xen_legi.errors import die

_LONGEST = 200  # a file name has 255 bytes, and ours have a few more words in them


def bears(volume: str, name: str) -> bool:
    """Tell whether a volume that the file of domU `name` names is called after it: web1, web1-disk, web1_root, web1.root.
    Alone it proves nothing: web1-disk may be that of a domU web1-disk."""
    return volume == name or volume.startswith(tuple(name + separator for separator in "-_."))


def check(name: str) -> None:
    """Die unless `name` can be that of a domU of this host, whoever made it. New domUs have narrower rules."""
    if "/" in name or name.endswith(".cfg"):
        stem = PurePath(name).name.removesuffix(".cfg")
        hint = f"use the name: {stem}" if name.endswith(".cfg") and stem else "xen-legi list shows the names"
        die(f"{name!r} is the path of a file, not the name of a domU", hint=hint)
    if name.lower() == "domain-0":
        die("Domain-0 is this host itself, not a domU", hint="xen-legi list shows the domUs")
    if not name or not name.isprintable() or len(name.encode()) > _LONGEST:
        die(f"{name!r} cannot be the name of a domU", hint="xen-legi list shows the names")
