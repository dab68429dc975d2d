"""A plan, as a person reads it: for --dry-run before, and the summary after."""

from xen_legi.columns import printable
from xen_legi.install import keys, log
from xen_legi.install.model import SWAP, Nic, Part, Plan
from xen_legi.units import exact_size


_MODULES = {"guest": "modules (none for hardware that no domU has)", "all": "all modules"}


def described(plan: Plan) -> str:
    """Return what `create` would do, in the order in which it would."""
    lines = [f"domU {plan.name} ({plan.type}, {plan.memory} MiB, {_vcpus(plan)}) from {plan.source}"]
    lines += [f"  make {_kind(one)} {_part(one)}" for one in plan.parts]
    lines += [f"  fill {plan.root.path} from {plan.source}", f"  {_kernel(plan)}"]
    lines += [f"  interface {_nic(one)}" for one in plan.nics] or ["  no network interface"]
    lines += [f"  name servers {_nameservers(plan)}"]
    lines += [f"  root: {_login(plan)}"]
    lines += [f"  role {one} {plan.role_args}".rstrip() for one in plan.roles]
    lines += [f"  write /etc/xen/{plan.name}.cfg"]
    lines += [f"  final role {one} {plan.role_args}".rstrip() for one in plan.final_roles]
    lines += [f"  xl create /etc/xen/{plan.name}.cfg" if plan.start else "  (not started)"]
    return "\n".join(lines)


def summary(plan: Plan, took: str) -> str:
    """Return what there is now, and how to log in."""
    state = "started" if plan.start else f"not started: xen-legi start {plan.name}"
    lines = [f"domU {plan.name} made from {plan.source} in {took}, {state}"]
    lines += [f"  file      /etc/xen/{plan.name}.cfg ({plan.type}, {plan.memory} MiB, {_vcpus(plan)})"]
    lines += [f"  {_kind(one):9} {one.path} ({exact_size(one.size)}, {one.mount or one.filesystem})" for one in plan.parts]
    lines += [f"  network   {_nic(one)}" for one in plan.nics]
    lines += [f"  names     from {_nameservers(plan)}"] if plan.nics else []
    lines += [f"  log       {log.file_of(plan.name)}"]
    lines += [f"  at boot   ln -s ../{plan.name}.cfg /etc/xen/auto/ starts it with dom0; nothing does without"]
    known = _keys(plan)
    if known and plan.nics:
        address = next((str(one.address.ip) for one in plan.nics if one.address), "ADDRESS")
        whence = "; ADDRESS is what its DHCP server gives it" if address == "ADDRESS" else ""
        lines.append(f"  log in    ssh root@{address} with {_counted(known)}{whence}")
    if plan.password:
        lines.append(f"  log in    xl console {plan.name} (root with its password; Ctrl-] leaves)")
    elif not known:
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
    way = one.text + "".join(f", gateway {gateway}" for gateway in one.gateways)
    return f"{one.device}: {way}, bridge {one.bridge}, MAC {one.mac}"


def _nameservers(plan: Plan) -> str:
    asked = any(one.dhcp for one in plan.nics)
    return ", ".join(plan.nameservers) or ("those that its DHCP server names" if asked else "none")


def _login(plan: Plan) -> str:
    return f"{_counted(_keys(plan))}, {'a password' if plan.password else 'no password'}"


def _keys(plan: Plan) -> list[str]:
    """Return the names of root's keys: the comment at the end of each."""
    return [printable(one) or "without a name" for one in keys.comments(plan.ssh_keys)]


def _counted(names: list[str]) -> str:
    named = f" ({', '.join(names)})" if names else ""
    return f"{len(names) or 'no'} ssh key{'' if len(names) == 1 else 's'}{named}"
