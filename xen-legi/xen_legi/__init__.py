"""xen-legi: turn plain Debian hosts into Xen dom0s and look after their domUs."""

VERSION = "0.1.0"
