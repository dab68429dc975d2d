"""What a template holds beyond what Debian calls minimal: a server that has a network and that one can log in to."""

# systemd as init with its bus and sessions; classic networking; ssh; what an administrator reaches for first.
_COMMON = (
    "systemd-sysv", "dbus", "libpam-systemd", "udev", "kmod", "procps",
    "e2fsprogs",  # Debian 13 calls it not essential; without it nothing checks the root, nor lets it grow (resize)
    "ifupdown", "iproute2", "iputils-ping", "netbase",
    "openssh-server", "less", "vim-tiny",
    "rsync",  # `xen-legi kernel push` to a domU that runs
)  # fmt: skip
_DHCP = {"bookworm": "isc-dhcp-client", "bullseye": "isc-dhcp-client"}


def packages(dist: str, include: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the packages of a template of that Debian suite, and those that were asked for."""
    return tuple(dict.fromkeys((*_COMMON, _DHCP.get(dist, "dhcpcd-base"), *include)))
