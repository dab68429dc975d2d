"""A plan, as a person reads it: for --dry-run before, and the summary after."""

import re

from xen_legi.columns import printable
from xen_legi.install.model import SWAP, Nic, Part, Plan
from xen_legi.units import exact_size


_KEY = re.compile(r"(?:^|\s)[a-z][a-z0-9@.-]+\s+AAAA\S*(.*)")  # its kind, its base64, its comment
_MODULES = {"guest": "modules (none for hardware that no domU has)", "all": "all modules"}


def described(plan: Plan) -> str:
    """Return what `create` would do, in the order in which it would."""
    lines = [f"domU {plan.name} ({plan.type}, {plan.memory} MiB, {_vcpus(plan)}) from {plan.source}"]
    lines += [f"  make {_kind(one)} {_part(one)}" for one in plan.parts]
    lines += [f"  fill {plan.root.path} from {plan.source}", f"  {_kernel(plan)}"]
    lines += [f"  interface {_nic(one)}" for one in plan.nics] or ["  no network interface"]
    lines += [f"  name servers {', '.join(plan.nameservers) or 'none'}"]
    lines += [f"  root: {_login(plan)}"]
    lines += [f"  role {one} {plan.role_args}".rstrip() for one in plan.roles]
    lines += [f"  write /etc/xen/{plan.name}.cfg"]
    lines += [f"  xl create /etc/xen/{plan.name}.cfg" if plan.start else "  (not started)"]
    return "\n".join(lines)


def summary(plan: Plan, took: str) -> str:
    """Return what there is now, and how to log in."""
    state = "started" if plan.start else f"not started: xen-legi start {plan.name}"
    lines = [f"domU {plan.name} made from {plan.source} in {took}, {state}"]
    lines += [f"  file      /etc/xen/{plan.name}.cfg ({plan.type}, {plan.memory} MiB, {_vcpus(plan)})"]
    lines += [f"  {_kind(one):9} {one.path} ({exact_size(one.size)}, {one.mount or one.filesystem})" for one in plan.parts]
    lines += [f"  network   {_nic(one)}" for one in plan.nics]
    lines += [f"  at boot   ln -s ../{plan.name}.cfg /etc/xen/auto/ starts it with dom0; nothing does without"]
    keys = _keys(plan)
    if keys and plan.nics:
        address = next((str(one.address.ip) for one in plan.nics if one.address), "ADDRESS")
        whence = "; ADDRESS is what its DHCP server gives it" if address == "ADDRESS" else ""
        lines.append(f"  log in    ssh root@{address} with {_counted(keys)}{whence}")
    if plan.password:
        lines.append(f"  log in    xl console {plan.name} (root with its password; Ctrl-] leaves)")
    elif not keys:
        lines.append("  log in    nobody can: root has no password and no key (see --ssh-key, --password)")
    return "\n".join(lines)


def _kernel(plan: Plan) -> str:
    if not plan.kernel:
        return "its own kernel: linux-image-amd64 if it has none, started by GRUB"
    return f"{_MODULES[plan.modules]} and kernel {plan.kernel.version}"


def _vcpus(plan: Plan) -> str:
    return f"{plan.vcpus} vcpu" + ("s" if plan.vcpus != 1 else "")


def _kind(one: Part) -> str:
    return "image" if one.image else "volume"


def _part(one: Part) -> str:
    kind = SWAP if one.filesystem == SWAP else f"{one.filesystem} on {one.mount}"
    size = exact_size(one.size) + (f" thin in {one.group}/{one.pool}" if one.pool else "")
    return f"{one.path}, {size}, {one.device} in the guest: {kind}"


def _nic(one: Nic) -> str:
    way = f"{one.address}" if one.address else "DHCP"
    way += f", gateway {one.gateway}" if one.gateway else ""
    return f"{one.device}: {way}, bridge {one.bridge}, MAC {one.mac}"


def _login(plan: Plan) -> str:
    return f"{_counted(_keys(plan))}, {'a password' if plan.password else 'no password'}"


def _keys(plan: Plan) -> list[str]:
    """Return the names of root's keys: the comment at the end of each, see AUTHORIZED_KEYS FILE FORMAT in sshd(8)."""
    found = (_KEY.search(line) for line in plan.ssh_keys.split("\n") if not line.lstrip().startswith("#"))
    return [printable(one[1].strip()) or "without a name" for one in found if one]


def _counted(keys: list[str]) -> str:
    named = f" ({', '.join(keys)})" if keys else ""
    return f"{len(keys) or 'no'} ssh key{'' if len(keys) == 1 else 's'}{named}"
