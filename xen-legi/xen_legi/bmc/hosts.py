"""How the BMCs of other hosts are reached: /etc/xen-legi/bmc/HOST, a TOML file that only root can read.

address = "192.0.2.5"
user = "admin"
password = "…"
port = 623      # if it is another
cipher = 17     # the RMCP+ cipher suite, if it is another
"""

import tomllib
from pathlib import Path

from xen_legi.bmc.tool import Bmc
from xen_legi.errors import die

DIRECTORY = Path("/etc/xen-legi/bmc")
_KEYS = {"address": str, "user": str, "password": str, "port": int, "cipher": int}
_NEEDED = ("address", "user", "password")


def names() -> list[str]:
    """Return the hosts that have a file."""
    return sorted(path.name for path in DIRECTORY.glob("*") if path.is_file() and "~" not in path.name)


def find(name: str, directory: Path = DIRECTORY) -> Bmc:
    """Return the BMC of a host. Die if its file is not there, not good, or readable by others."""
    path = directory / name
    if "/" in name or name.startswith(".") or not path.is_file():
        known = ", ".join(names()) or "none"
        die(f"the BMC of {name!r} is not known", hint=f"xen-legi bmc --help tells of {directory}/HOST; there are: {known}")
    if path.stat().st_mode & 0o077:
        die(f"others than root may read {path}", hint=f"it holds a password: chmod 600 {path}")
    return _bmc(path, _read(path))


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        die(f"{path}: {error}", hint='it has lines like address = "192.0.2.5"')


def _bmc(path: Path, said: dict[str, object]) -> Bmc:
    for key, value in said.items():
        if key not in _KEYS or not isinstance(value, _KEYS[key]):
            die(f"{path}: {key} = {value!r} is not understood", hint=f"there are: {', '.join(_KEYS)}")
    if lacks := [key for key in _NEEDED if not said.get(key)]:
        die(f"{path}: {lacks[0]} is missing", hint=f"it needs {', '.join(_NEEDED)}")
    words = ("-I", "lanplus", "-H", said["address"], "-p", said.get("port", 623), "-U", said["user"], "-E", "-N", 2, "-R", 2,
             "-C", said.get("cipher", 17))
    return Bmc(tuple(map(str, words)), str(said["password"]))
