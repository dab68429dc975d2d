"""What a domU has that no other may have, on whatever host: its name, its MACs, its addresses. In short, its claim.

Claims of other hosts come as JSON. What a peer says is hostile until proven harmless: an answer with one word that is not
exactly what it should be is none.
"""

import ipaddress
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from xen_legi.domu import addresses, config, xl
from xen_legi.domu.config import DomuConfig
from xen_legi.errors import Problem, die
from xen_legi.run import run_json

_MAC = re.compile(r"(?:[0-9A-F]{2}:){5}[0-9A-F]{2}")
_DOM0 = "Domain-0"
_MOST, _MOST_EACH, _LONGEST = 10_000, 256, 200  # domUs of a host, MACs or addresses of a domU, characters of a name


@dataclass(frozen=True)
class Claim:
    """One domU: MACs in capitals, addresses as ipaddress writes them; `where` it is and what helps, for people. `host` is
    the other host whose domU it is."""

    name: str
    macs: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    where: str = ""
    hint: str = ""
    host: str = ""

    @property
    def told(self) -> str:
        """Return whose it is, for people."""
        return f"dom0 itself: {self.where}" if self.name == _DOM0 else f"domU {self.name}: {self.where}"


def of_domu(domu: DomuConfig, where: str = "") -> Claim:
    """Return the claim of a domU as its file tells it."""
    return _claim(domu.name, [vif.mac.upper() for vif in domu.vifs], addresses.of_vifs(domu.vifs), where or str(domu.file))


def own() -> list[Claim]:
    """Return the claims of this host's domUs: of those with a file, and of those that run without one."""
    domus = config.all_domus()
    return [*map(of_domu, domus), *running({one.name for one in domus})]


def of_dom0() -> Claim:
    """Return the MACs of this host's own cards and bridges, also those that cards in a bond have when they are alone."""
    rows = run_json(["ip", "-j", "link"]) or ()
    found = [str(row[key]).upper() for row in rows for key in ("address", "permaddr") if row.get(key)]
    return _claim(_DOM0, found, (), "it has a card or a bridge with it")


def running(names: Collection[str]) -> list[Claim]:
    """Return the claims of the domains that run and have none of these names; of their names alone, or none, where Xen does
    not tell."""
    try:
        bare = [one.name for one in xl.domains() if one.id and one.name not in names] if xl.answers() else []
    except Problem:
        return []
    try:
        vifs = started_vifs(xl.started_with()) if bare else {}
    except Problem:  # while a domain is made or taken down, xl of Xen 4.17 tells of none
        vifs = {}
    where = "it runs, without a file"
    return [_claim(one, *vifs.get(one, ([], [])), where) for one in bare]


def started_vifs(text: str) -> dict[str, tuple[list[str], list[str]]]:
    """Given what `xl list -l` printed, return MACs and addresses by the names of domains. What is not known here is left
    out."""
    found = {}
    try:
        for one in json.loads(text or "[]"):
            vifs = one["config"].get("nics", ())
            words = [word.partition("/")[0] for vif in vifs for word in str(vif.get("ip", "")).split()]
            found[str(one["config"]["c_info"]["name"])] = [str(vif.get("mac", "")).upper() for vif in vifs], words
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return found


def plain(claims: Iterable[Claim]) -> list[dict[str, Any]]:
    """Return claims for a peer: what could not be understood there is left out."""
    return [{"name": one.name, "macs": sorted(one.macs)[:_MOST_EACH], "addresses": sorted(one.addresses)[:_MOST_EACH]}
            for one in claims if _is_name(one.name)][:_MOST]


def understood(said: Any, host: str) -> list[Claim]:
    """Given what a peer says of its domUs, return their claims. Raise ValueError if it is not what plain() makes."""
    return [_understood(one, host) for one in _list(said, _MOST)]


def need_free_name(name: str, claims: Iterable[Claim]) -> None:
    """Die if a domU has this name."""
    if other := next((one for one in claims if one.name == name), None):
        die(f"there is a domU {name!r} already: {other.where}", hint=other.hint or "choose another name")


def need_free_address(address: str, claims: Iterable[Claim]) -> None:
    """Die if a domU has this address."""
    if other := next((one for one in claims if address in one.addresses), None):
        die(f"address {address} is that of {other.told}", hint=other.hint or "choose another one")


def need_free_mac(mac: str, claims: Iterable[Claim]) -> None:
    """Die if a domU has this MAC."""
    if other := next((one for one in claims if mac in one.macs), None):
        die(f"MAC {mac} is that of {other.told}", hint="leave --mac out")


def macs(claims: Iterable[Claim]) -> set[str]:
    """Return the MACs that domUs have."""
    return {mac for one in claims for mac in one.macs}


def _claim(name: str, cards: Iterable[str], found: Iterable[str], where: str) -> Claim:
    """Return a claim of those words that are MACs and addresses: a vif script may know what others are."""
    real = frozenset(str(ipaddress.ip_address(one)) for one in found if _is_address(one))
    return Claim(name, frozenset(one for one in cards if _MAC.fullmatch(one)), real, where)


def _understood(said: Any, host: str) -> Claim:
    if not isinstance(said, Mapping) or set(said) != {"name", "macs", "addresses"} or not _is_name(said["name"]):
        raise ValueError("no domU")
    cards, found = (_list(said[key], _MOST_EACH) for key in ("macs", "addresses"))
    if not all(isinstance(one, str) and _MAC.fullmatch(one) for one in cards):
        raise ValueError("no MAC")
    if not all(isinstance(one, str) and _is_address(one) for one in found):
        raise ValueError("no address")
    return replace(_claim(said["name"], cards, found, f"on {host}"), host=host)


def _list(said: Any, most: int) -> list[Any]:
    if not isinstance(said, list) or len(said) > most:
        raise ValueError("no list, or too long a one")
    return said


def _is_name(said: Any) -> bool:
    """Tell whether it is a name that can be shown: others give their domUs any."""
    return isinstance(said, str) and 0 < len(said) <= _LONGEST and said.isprintable()


def _is_address(word: str) -> bool:
    try:
        return "%" not in word and bool(ipaddress.ip_address(word))
    except ValueError:
        return False
