"""What a template holds beyond what Debian calls minimal: a server that has a network and that one can log in to."""

# systemd as init with its bus and sessions; classic networking; ssh; what an administrator reaches for first.
_COMMON = (
    "systemd-sysv", "dbus", "libpam-systemd", "udev", "kmod", "procps",
    "e2fsprogs",  # Debian 13 calls it not essential; without it nothing checks the root, nor lets it grow (resize)
    "ifupdown", "iproute2", "iputils-ping", "netbase",
    "openssh-server", "less", "vim-tiny",
    "rsync",  # `xen-legi kernel push` to a domU that runs
)  # fmt: skip
# suites that are older than dhcpcd-base, or whose ifupdown does not look for it
_ISC = ("jessie", "stretch", "buster", "bullseye", "bookworm", "xenial", "bionic", "focal", "jammy")


def packages(codename: str, include: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the packages of a template of the suite with that code name, and those that were asked for."""
    return tuple(dict.fromkeys((*_COMMON, "isc-dhcp-client" if codename in _ISC else "dhcpcd-base", *include)))
