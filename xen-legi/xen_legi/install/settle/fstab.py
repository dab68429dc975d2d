"""The guest's /etc/fstab: the devices by the names that the domU's file gives them."""

from xen_legi.install.guest import Guest
from xen_legi.install.model import SWAP, Part, Plan


def settle(guest: Guest, plan: Plan) -> None:
    """Write it, and make the places where volumes are mounted."""
    guest.write("/etc/fstab", fstab(plan.parts))
    for part in plan.parts:
        if part.mount:
            guest.path(part.mount).mkdir(parents=True, exist_ok=True)


def fstab(parts: tuple[Part, ...]) -> str:
    """Return the text of /etc/fstab: the root first, then by mount point, swap last."""
    ordered = sorted(parts, key=lambda one: (one.filesystem == SWAP, one.mount))
    return "# device\tmount\ttype\toptions\tdump\tpass\n" + "".join(f"{_line(one)}\n" for one in ordered)


def _line(one: Part) -> str:
    check = 0 if one.filesystem == SWAP else (1 if one.mount == "/" else 2)
    return f"/dev/{one.device}\t{one.mount or 'none'}\t{one.filesystem}\t{one.options}\t0\t{check}"
