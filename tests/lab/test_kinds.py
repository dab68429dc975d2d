"""The default kind of domU, PVH: it is what people get, and takes too long in emulation to be started in every run."""

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from domus import WEB1, guest, make_web1, wait_for_ssh

pytestmark = pytest.mark.long
FILE = "/etc/xen/web1.cfg"


@pytest.fixture
def web1(dom0a: Host, dom0b: Host) -> Iterator[Host]:
    """dom0b, from which web1 on dom0a is reached over VLAN 72; web1 is of the default kind and starts anew."""
    make_web1(dom0a, dom0b)
    dom0b.check_output("ip address replace 192.168.72.2/24 dev xenbr72")
    dom0a.check_output("xl destroy web1")
    dom0a.check_output(f"sed -i.saved 's/^type .*/type = \"pvh\"/' {FILE} && xen-legi start web1")
    yield dom0b
    dom0a.check_output(f"xl destroy web1; mv {FILE}.saved {FILE}; xen-legi start web1")
    wait_for_ssh(dom0b, WEB1)
    dom0b.run("ip address del 192.168.72.2/24 dev xenbr72")


def test_the_default_kind_is_pvh(dom0a: Host) -> None:
    assert dom0a.check_output("xen-legi config get type") == "pvh"


def test_a_domu_of_the_default_kind_starts_and_answers(web1: Host) -> None:
    wait_for_ssh(web1, WEB1)
    assert guest(web1, "cat /sys/hypervisor/guest_type").strip() == "PVH"
