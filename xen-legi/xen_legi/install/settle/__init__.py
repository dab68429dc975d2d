"""What makes a tree of files one particular guest: one small module for each concern, called in this order.

Each has settle(guest, plan), touches only the guest's tree, and may be called twice.
"""

from xen_legi.install.guest import Guest
from xen_legi.install.model import Plan
from xen_legi.install.settle import access, console, fstab, growth, identity, names, network
from xen_legi.steps import named_point

_IN_ORDER = (identity, names, network, fstab, growth, access, console)


def settle(guest: Guest, plan: Plan) -> None:
    """Settle a guest."""
    for module in _IN_ORDER:
        module.settle(guest, plan)
        named_point(f"create:settle-{module.__name__.rpartition('.')[2]}")
