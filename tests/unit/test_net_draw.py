"""The picture of a host's network: every link once, nothing over another, well-formed whatever the names are."""

import xml.etree.ElementTree as xml

from hypothesis import given, settings
from hypothesis import strategies as st

from test_net_show import ANSWER
from xen_legi.net.draw import places, svg
from xen_legi.net.show import Row, rows

SVG = "{http://www.w3.org/2000/svg}"


def link(name: str, kind: str, on: str = "", port_of: str = "", ports: tuple[str, ...] = ()) -> Row:
    return Row(name, kind, "", True, True, 1500, on, port_of, ports, (), "", True)


HOST = [
    link("eth0", "hardware"),
    *(link(name, "hardware", port_of="bond0") for name in ("eth1", "eth2")),
    link("bond0", "bond", ports=("eth1", "eth2")),
    link("vlan72", "vlan", on="bond0", port_of="xenbr72"), link("vlan73", "vlan", on="bond0", port_of="xenbr73"),
    link("inner", "vlan", on="vlan73"),
    link("xenbr72", "bridge", ports=("vif1.0", "vif2.0", "vlan72")), link("xenbr73", "bridge", ports=("eth9", "vlan73")),
    link("empty", "bridge"),
    link("vif1.0", "vif", port_of="xenbr72"), link("vif2.0", "vif", port_of="xenbr72"),
]


def test_each_link_stands_right_of_what_it_stands_on() -> None:
    found = {one.row.name: one for one in places(HOST)}
    assert set(found) == {one.name for one in HOST}
    assert [found[name].column for name in ("eth1", "bond0", "vlan72", "xenbr72", "vif1.0")] == [0, 1, 2, 3, 4]
    assert found["inner"].left > found["vlan73"].left


def test_a_bond_stands_in_the_middle_of_its_ports_and_a_bridge_of_its_domus() -> None:
    found = {one.row.name: one.middle for one in places(HOST)}
    assert found["bond0"] == (found["eth1"] + found["eth2"]) / 2
    assert found["xenbr72"] == found["vlan72"] == (found["vif1.0"] + found["vif2.0"]) / 2


def test_no_two_boxes_are_in_one_place() -> None:
    boxes = [(one.left, one.top) for one in places(HOST)]
    assert len(set(boxes)) == len(boxes)
    columns: dict[int, list[float]] = {}
    for one in places(HOST):
        columns.setdefault(one.column, []).append(one.top)
    for tops in columns.values():
        assert all(lower - upper >= 40 for upper, lower in zip(sorted(tops), sorted(tops)[1:], strict=False))


def test_the_picture_names_every_link_and_joins_what_belongs_together() -> None:
    picture = xml.fromstring(svg(rows(ANSWER, {3: "web1"}), "dom0a <1>"))
    told = [text.text for text in picture.iter(f"{SVG}text")]
    assert {"dom0a <1>", "eth1", "bond0", "vlan72", "xenbr72", "web1 (vif3.0)"} <= set(told) and "lo" not in told
    assert "VLAN 72, servers" in told and "192.168.72.2/24" in told
    assert len(list(picture.iter(f"{SVG}path"))) == 7  # eth1 bond0 (vlan9, vlan72) xenbr72, three vifs
    states = [box.get("class") for box in picture.iter(f"{SVG}rect")]
    assert states.count("down") == 1 and states.count("carrierless") == 3


names = st.sampled_from(["a", "b<", "c&", "d\"", "vif1.0"])
anything = st.builds(
    link, names, st.sampled_from(["hardware", "bond", "vlan", "bridge", "vif", "veth"]), names | st.just(""),
    names | st.just(""), st.lists(names, max_size=3).map(tuple),
)


@settings(max_examples=300)
@given(st.lists(anything, max_size=5, unique_by=lambda one: one.name))
def test_whatever_hangs_on_whatever_the_picture_is_well_formed_and_whole(links: list[Row]) -> None:
    picture = xml.fromstring(svg(links, "x"))
    assert len(list(picture.iter(f"{SVG}rect"))) == len(links)
