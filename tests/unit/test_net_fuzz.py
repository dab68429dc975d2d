"""Whatever stands in an interfaces file: no traceback, and every message with a place.

The words are those of interfaces(5) and of our options, so that what is drawn often comes near to sense.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from test_net_stanzas import read
from xen_legi.net import stanzas
from xen_legi.net.check import check
from xen_legi.net.kernel import Device
from xen_legi.net.links import desired
from xen_legi.net.options import ALIASES, BY_NAME
from xen_legi.net.plan import plan

CARDS = {name: Device(name, address=f"52:54:00:00:00:0{number}") for number, name in enumerate(("eth0", "eth1", "br0"))}
NAMES = ["eth0", "eth1", "br0", "bond0", "vlan5", "eth0.5", "eth*", "/eth*", "/eth*/1", "/eth*/²", "lo", "", "all", "none",
         "regex", "noregex", "[", "="]
NUMBERS = ["0", "1", "5", "72", "4094", "4095", "-1", "1.5", "9000", "99999999999999999999", "²", "x"]
OPTIONS = [*BY_NAME, *ALIASES, "bridge_ports", "address", "up", "nonsense", "mtu?"]
KEYWORDS = ["auto", "allow-hotplug", "iface", "iface", "iface", "mapping", "source", "no-scripts", "rename", "inherits",
            "inet", "inet6", "manual", "static"]
words = st.sampled_from(NAMES + NUMBERS) | st.text(max_size=6)
values = st.lists(words, max_size=4).map(" ".join)
options = st.builds("    {} {}".format, st.sampled_from(OPTIONS), values)
stanza = st.builds(
    lambda name, method, lines: "\n".join([f"auto {name}", f"iface {name} inet {method}", *lines]),
    st.sampled_from(NAMES), st.sampled_from(["manual", "static", "manual inherits br0"]), st.lists(options, max_size=6),
)
anything = st.lists(st.sampled_from(KEYWORDS + OPTIONS) | words, max_size=6).map(" ".join)
texts = st.lists(stanza | anything | options, max_size=12).map("\n".join)


@settings(max_examples=400)
@given(texts)
def test_no_file_makes_a_traceback_and_every_finding_has_a_place(text: str) -> None:
    interfaces = read(text)
    assert all(finding.where and finding.text for finding in check(interfaces, CARDS))
    plan(desired(interfaces, stanzas.selected(interfaces, "auto", CARDS), CARDS), CARDS)


@settings(max_examples=200)
@given(st.text(max_size=300))
def test_nor_does_any_other_text(text: str) -> None:
    check(read(text), CARDS)
