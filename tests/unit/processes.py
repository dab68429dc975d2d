"""What the kernel tells of processes."""

from pathlib import Path


def lives(pid: int) -> bool:
    """Tell whether there is such a process; one whose end nobody has heard of yet (a zombie) has ended."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # the second: it ended between our opening and our reading
        return False
