"""Trees of real Debian for the tests of roles and of modules."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RELEASE = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
SUITE = RELEASE["VERSION_CODENAME"].strip('"')


@contextmanager
def debian(*packages: str) -> Iterator[Path]:
    """Inside the context, a small Debian of this computer's suite with these packages."""
    place = Path(tempfile.mkdtemp(prefix="xen-legi-roles-", dir="/var/tmp"))
    try:
        include = f"--include={','.join(packages)}"
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", include, SUITE, place / "tree"], check=True)
        yield place / "tree"
    finally:
        shutil.rmtree(place)
