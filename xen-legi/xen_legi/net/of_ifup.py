"""The options that are ifup's own, by interfaces(5) of ifupdown 0.8, and those that a method does not go without."""

from collections.abc import Mapping

from xen_legi.net.stanzas import COMMANDS

REQUIRED: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("inet", "static"): ("address",),
    ("inet", "tunnel"): ("address", "mode", "endpoint"),
    ("inet6", "static"): ("address",),
    ("inet6", "v4tunnel"): ("address", "endpoint"),
    ("inet6", "6to4"): ("local",),
    ("can", "static"): ("bitrate",),
}
_OF_METHODS = """
    accept-ra address autoconf berr bitrate bootfile broadcast client dad-attempts dad-interval description dhcp dstaddr
    encaplimit endpoint frame gateway hostname hwaddr hwaddress leasehours leasetime listenonly ll-attempts ll-interval local
    loopback media metric mode mtu netmask netnum network oneshot options pointopoint preferred-lifetime privext provider
    request-prefix restart-ms samplepoint scope server tos triple ttl unit vendor
"""
_OF_RESOLVCONF = "dns-nameserver dns-nameservers dns-search dns-domain dns-sortlist"
OPTIONS = frozenset({*_OF_METHODS.split(), *_OF_RESOLVCONF.split(), *COMMANDS})
