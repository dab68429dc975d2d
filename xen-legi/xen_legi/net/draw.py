"""A picture of the host's network, as SVG: cards, bonds, VLANs, bridges and domUs, from left to right. Pure.

Each link stands left of all that stands on it, in the middle; a bond has its ports on its left. A bridge with several ports
stands beside the first, and has lines to the others.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from xen_legi.net.show import Row

_COLUMNS = {"hardware": 0, "bond": 1, "vlan": 2, "bridge": 3, "vif": 4}
_TITLES = ("cards", "bonds", "VLANs", "bridges", "domUs")
_OTHER = 0  # tunnels, veths and the like stand with the cards
_WIDTH, _HEIGHT, _BOX_WIDTH, _BOX_HEIGHT = 210, 44, 160, 34  # pixels: of a place, and of the box in it
_MARGIN, _HEAD = 20, 70
_STYLE = """\
svg { background: #fff }
text { font: 13px sans-serif; fill: #222 } .small { font-size: 10px; fill: #555 } .head { font-size: 12px; fill: #777 }
.title { font-size: 17px } path { fill: none; stroke: #999; stroke-width: 1.5 }
rect { stroke-width: 1.5; fill: #fff } .up { stroke: #2a7d3f; fill: #eef8f0 } .carrierless { stroke: #c77700; fill: #fff6e8 }
.down { stroke: #999; fill: #f2f2f2; stroke-dasharray: 4 3 }"""


@dataclass(frozen=True)
class Place:
    """Where a link is drawn: its column, and its middle in rows from the top."""

    row: Row
    column: int
    middle: float

    @property
    def left(self) -> float:
        """The left side of its box."""
        return _MARGIN + self.column * _WIDTH

    @property
    def top(self) -> float:
        """The upper side of its box."""
        return _HEAD + self.middle * _HEIGHT - _BOX_HEIGHT / 2


def svg(links: Iterable[Row], title: str) -> str:
    """Return the picture as the text of an SVG file."""
    drawn = places([one for one in links if one.kind != "loopback"])
    height = _HEAD + (max((one.middle for one in drawn), default=0) + 1) * _HEIGHT
    columns = max(len(_TITLES), *(one.column + 1 for one in drawn)) if drawn else len(_TITLES)
    width = 2 * _MARGIN + (columns - 1) * _WIDTH + _BOX_WIDTH
    body = [*_heads(title), *(_line(one, other) for one, other in _joined(drawn)), *map(_box, drawn)]
    size = f'width="{width}" height="{height:g}" viewBox="0 0 {width} {height:g}"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', f"<style>{_STYLE}</style>", *body, "</svg>", ""])


def places(links: Sequence[Row]) -> list[Place]:
    """Return where each link is drawn: every one once, and no two in one place."""
    layout = _Layout(links)
    row = 0.0
    for root in (*layout.roots(), *links):
        row += layout.put(root, row)
    return list(layout.placed.values())


class _Layout:
    """The links as trees that grow to the right; a bond has its ports on its left."""

    def __init__(self, links: Sequence[Row]) -> None:
        self.links = {one.name: one for one in links}
        self.placed: dict[str, Place] = {}
        self.children: dict[str, list[Row]] = {}
        for one in links:
            self.children.setdefault(self.parent(one), []).append(one)

    def parent(self, link: Row) -> str:
        """Return beside which link this one stands; nothing for one that begins a tree, or is a port of a bond."""
        if link.kind == "vif":
            below = link.port_of
        elif link.kind == "bridge":
            below = next((port for port in link.ports if port in self.links and self.links[port].kind != "vif"), "")
        else:
            below = link.on if link.kind == "vlan" else ""
        return below if below in self.links else ""

    def left(self, link: Row) -> list[Row]:
        """Return the ports of a bond that begin no tree themselves."""
        ports = (self.links[port] for port in link.ports if port in self.links)
        return [port for port in ports if link.kind == "bond" and port.name not in self.children]

    def roots(self) -> list[Row]:
        """Return what begins a tree."""
        beside = {port.name for one in self.links.values() for port in self.left(one)}
        return [one for one in self.children.get("", []) if one.name not in beside]

    def put(self, link: Row, top: float, least: int = 0) -> float:
        """Place a link, from this row down and in this column or right of it, and what stands on it; return its rows."""
        if link.name in self.placed:  # links in a ring
            return 0.0
        column = max(least, _COLUMNS.get(link.kind, _OTHER))
        self.placed[link.name] = Place(link, column, top)
        left, rows = self.left(link), 0.0
        for child in self.children.get(link.name, []):
            rows += self.put(child, top + rows, column + 1)
        for number, port in enumerate(left):
            self.placed[port.name] = Place(port, 0, top + max(0.0, (rows - len(left)) / 2) + number + 0.5)
        rows = max(1.0, rows, len(left))
        self.placed[link.name] = Place(link, column, top + rows / 2)
        return rows


def _joined(drawn: Sequence[Place]) -> Iterator[tuple[Place, Place]]:
    """Yield the pairs that a line joins: what carries, and what it carries."""
    by_name = {one.row.name: one for one in drawn}
    for one in drawn:
        below = (one.row.port_of,) if one.row.kind == "vif" else (one.row.on, *(
            port for port in one.row.ports if port in by_name and by_name[port].row.kind != "vif"
        ))
        yield from ((by_name[name], one) for name in dict.fromkeys(below) if name in by_name)


def _line(one: Place, other: Place) -> str:
    begin, end = one.left + _BOX_WIDTH, other.left
    first, last = one.top + _BOX_HEIGHT / 2, other.top + _BOX_HEIGHT / 2
    bend = (begin + end) / 2
    return f'<path d="M{begin:g} {first:g}C{bend:g} {first:g} {bend:g} {last:g} {end:g} {last:g}"/>'


def _box(one: Place) -> str:
    state = ("up" if one.row.carrier else "carrierless") if one.row.up else "down"
    name = f"{one.row.domu} ({one.row.name})" if one.row.domu else one.row.name
    middle = one.left + _BOX_WIDTH / 2
    small = _small(one.row)
    second = f'<text class="small" x="{middle:g}" y="{one.top + 28:g}" text-anchor="middle">{escape(small)}</text>'
    return (
        f'<g><title>{escape(_told(one.row))}</title><rect class="{state}" x="{one.left:g}" y="{one.top:g}" '
        f'width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="5"/>'
        f'<text x="{middle:g}" y="{one.top + (15 if small else 21):g}" text-anchor="middle">{escape(name)}</text>'
        f'{second if small else ""}</g>'
    )


def _small(row: Row) -> str:
    """Return the second line of a box: its VLAN or mode, its name, its addresses, as far as they fit."""
    kind = {"vlan": f"VLAN {row.detail}", "bond": row.detail}.get(row.kind, "")
    text = ", ".join(word for word in (kind, row.alias, *row.addresses) if word)
    return text if len(text) <= 30 else f"{text[:29]}…"


def _told(row: Row) -> str:
    """Return what is shown when the pointer rests on a box: all that there is to say."""
    state = ("up" if row.carrier else "up, no carrier") if row.up else "down"
    return "\n".join([f"{row.name}: {row.kind} {row.detail}".rstrip(), f"{state}, MTU {row.mtu}",
                      *([row.alias] if row.alias else []), *row.addresses])


def _heads(title: str) -> Iterator[str]:
    yield f'<text class="title" x="{_MARGIN}" y="26">{escape(title)}</text>'
    for column, head in enumerate(_TITLES):
        middle = _MARGIN + column * _WIDTH + _BOX_WIDTH / 2
        yield f'<text class="head" x="{middle:g}" y="54" text-anchor="middle">{head}</text>'
