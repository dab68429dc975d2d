"""What the making of a domU is about: what is wished, what the host has, and the plan that comes of both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xen_legi.domu.addresses import ASKED, DHCP, Address, Interface
from xen_legi.domu.claims import Claim
from xen_legi.domu.config import DomuConfig
from xen_legi.kernels.store import Kernel
from xen_legi.storage.images import Directory
from xen_legi.storage.lvm import Group, Volume

SWAP = "swap"
FILESYSTEMS = ("ext4", "ext3", "ext2", "xfs")  # of a domU's own files: what its initramfs can mount


@dataclass(frozen=True)
class Partition:
    """One of several volumes that are wished for: its section's name, bytes, what is made on it, its place in the guest."""

    name: str
    size: int
    filesystem: str
    mount: str = ""
    options: str = ""


@dataclass(frozen=True)
class Wish:
    """The options of `create`, read but not yet held against the host. Sizes in bytes, memory in MiB."""

    name: str
    group: str = "vg0"
    pool: str = ""  # of that group: its volumes are thin
    directory: str = ""  # in place of the group: its volumes are image files there
    size: int = 4 << 30
    swap: int = 512 << 20
    filesystem: str = "ext4"
    partitions: tuple[Partition, ...] = ()  # in place of size, swap and filesystem
    memory: int = 512
    maxmem: int = 0
    vcpus: int = 1
    type: str = "pvh"
    vlans: tuple[int, ...] = ()
    bridge: str = ""  # instead of VLANs
    bridge_of_vlan: str = "xenbr{vlan}"
    ips: tuple[str, ...] = ()
    netmask: str = ""
    gateways: tuple[str, ...] = ()
    nameservers: tuple[str, ...] = ()
    mac: str = ""
    roles: tuple[str, ...] = ()
    final_roles: tuple[str, ...] = ()
    role_args: str = ""
    role_directory: str = ""
    modules: str = "guest"
    own_kernel: bool = False  # by GRUB, instead of one of dom0
    start: bool = True


@dataclass(frozen=True)
class Facts:
    """What the host has, as far as a plan depends on it. Memory in MiB, None: not known."""

    groups: Mapping[str, Group]
    volumes: tuple[Volume, ...]
    domus: tuple[DomuConfig, ...]
    files: frozenset[str]  # names in /etc/xen, broken files too
    domains: frozenset[str]
    bridges: frozenset[str]
    addresses: frozenset[str]  # of dom0 itself
    nameservers: tuple[str, ...]
    kernel: Kernel | None  # of dom0; None where it is to have its own
    modules_size: int = 0  # or what its own kernel takes
    loaders: frozenset[str] = frozenset()  # kinds of machine for which GRUB is there
    free_memory: int | None = None
    directory: Directory | None = None  # for images, if any are wished for
    others: tuple[Claim, ...] = ()  # dom0, and domUs that have no file here: of peers, and those that run without one


@dataclass(frozen=True)
class Part:
    """One volume of a domU: its logical volume or image file, and what it is in the guest."""

    group: str
    name: str
    size: int
    device: str
    filesystem: str
    mount: str = ""
    options: str = "defaults"
    pool: str = ""  # a thin volume of it
    image: Path | None = None  # in place of a logical volume
    sparse: bool = False  # an image without room for all of it

    @property
    def path(self) -> Path:
        """Return its device in dom0, or its file."""
        return self.image or Path("/dev") / self.group / self.name

    @property
    def label(self) -> str:
        """Return what people call it: GROUP/NAME, or the path of a file."""
        return str(self.image or f"{self.group}/{self.name}")


@dataclass(frozen=True)
class Nic:
    """One network interface: its name in the guest, the bridge in dom0; its fixed addresses and gateways, at most one of
    each family, that of IPv4 first; what it asks its network for ("dhcp", "auto6")."""

    device: str
    bridge: str
    mac: str
    vlan: int | None = None
    addresses: tuple[Interface, ...] = ()
    gateways: tuple[Address, ...] = ()
    asks: tuple[str, ...] = ()

    @property
    def address(self) -> Interface | None:
        """Return the address that people know it by; none where it has to ask."""
        return next(iter(self.addresses), None)

    @property
    def gateway(self) -> Address | None:
        """Return the gateway for that address."""
        return next((one for one in self.gateways if self.address and one.version == self.address.version), None)

    @property
    def dhcp(self) -> bool:
        """Tell whether it asks a DHCP server, which then gives name servers too."""
        return DHCP in self.asks

    @property
    def text(self) -> str:
        """Return for people what addresses it has."""
        return ", ".join([*map(str, self.addresses), *(ASKED[one] for one in self.asks)])


@dataclass(frozen=True)
class Plan:
    """Everything that is decided before the first change."""

    name: str
    type: str
    memory: int
    maxmem: int
    vcpus: int
    kernel: Kernel | None  # of dom0; None: GRUB starts its own
    parts: tuple[Part, ...]
    nics: tuple[Nic, ...]
    nameservers: tuple[str, ...]
    source: str  # what the guest's files come from, for people
    dist: str
    method: str
    install_source: str = ""  # the archive or directory, if the method has one
    roles: tuple[Path, ...] = ()
    final_roles: tuple[Path, ...] = ()  # run after the domU's file is there
    role_args: str = ""
    role_directory: str = ""  # "": where roles are found without a word
    ssh_keys: str = field(default="", repr=False)
    password: str = field(default="", repr=False)  # hashed, as in /etc/shadow
    modules: str = "guest"  # of its kernel, see kernels/guest_modules.py
    start: bool = True

    @property
    def root(self) -> Part:
        """Return the volume that holds /."""
        return next(one for one in self.parts if one.mount == "/")

    @property
    def ips(self) -> frozenset[str]:
        """Return all its fixed addresses."""
        return frozenset(str(one.ip) for nic in self.nics for one in nic.addresses)

    @property
    def lacks_name_servers(self) -> bool:
        """Tell whether the guest has an interface and nobody to ask for names: no DHCP server gives it one, either."""
        return bool(self.nics) and not self.nameservers and not any(one.dhcp for one in self.nics)

    @property
    def boot(self) -> Part:
        """Return the volume that holds /boot."""
        return next((one for one in self.parts if one.mount.rstrip("/") == "/boot"), self.root)

    @property
    def hostname(self) -> str:
        """Return the name without its domain."""
        return self.name.partition(".")[0]
