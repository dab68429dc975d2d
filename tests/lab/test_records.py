"""A guest writes records to two volumes, each safe on its disk before the next: its copy is one moment of both."""

import hashlib
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from backups import in_disk, remove_tiny, report
from domus import guest, make_keys, wait_for_ssh

pytestmark = pytest.mark.long  # a guest is made, booted and copied
ADDRESS = "192.168.72.13"
PARTITIONS = r"[root]\nsize = 1400M\ntype = ext4\nmountpoint = /\n\n[data]\nsize = 64M\ntype = ext4\nmountpoint = /data\n"
CREATE = (
    f"xen-legi create rec1 --vlan 72 --ip {ADDRESS}/24 --memory 384M --partitions /root/rec1.partitions --method template"
    " --type pv --ssh-key /root/lab.pub"
)
WRITE = r"""i=0
while :; do
    i=$((i + 1)); line="$i $(echo "$i" | sha256sum)"
    echo "$line" >> /root/records && sync -d /root/records && echo "$line" >> /data/records && sync -d /data/records
    sleep 0.5  # where processors are emulated, the snapshots of a disk that is always busy take longer than a pause may last
done
"""


@pytest.fixture
def writer(dom0a: Host, dom0b: Host, peers: None) -> Iterator[Host]:
    """dom0b, from which rec1 on dom0a is reached: a domU of two volumes that writes records to both all the time."""
    make_keys(dom0a, dom0b)
    dom0b.check_output("ip address replace 192.168.72.2/24 dev xenbr72")
    dom0a.check_output(f"printf '{PARTITIONS}' > /root/rec1.partitions")
    try:
        dom0a.check_output(CREATE)
        wait_for_ssh(dom0b, ADDRESS)
        guest(dom0b, f"cat > /root/write <<'END'\n{WRITE}END\nsystemd-run --quiet --unit=write sh /root/write", ADDRESS)
        yield dom0b
    finally:
        dom0a.run("xl destroy rec1; xen-legi delete rec1 --yes; rm -f /root/rec1.partitions")
        remove_tiny(dom0a, name="rec1")
        remove_tiny(dom0b, name="rec1")
        dom0b.run("ip address del 192.168.72.2/24 dev xenbr72")


def numbers(host: Host, file: str, device: str) -> list[int]:
    """Return the numbers of the records on a volume, each of which is whole; the last one may have been half written."""
    lines = in_disk(host, f"cat {file}", device, "ro").split("\n")
    known = [line.split() for line in lines if line.strip("\0")]
    whole = [len(one) == 3 and hashlib.sha256(f"{one[0]}\n".encode()).hexdigest() == one[1] for one in known]
    assert all(whole[:-1])
    return [int(one[0]) for one, right in zip(known, whole) if right]


def test_a_copy_is_one_moment_of_all_volumes_of_a_guest_that_writes(dom0a: Host, writer: Host) -> None:
    result = dom0a.run("backup-domu rec1 --to dom0b")
    assert result.rc == 0, result.stdout + result.stderr
    (row,) = report(dom0a)
    assert row["state"] == "good" and row["pause"] > 0
    first = numbers(writer, "/run/look/root/records", "/dev/vg0/rec1-root.copy")
    second = numbers(writer, "/run/look/records", "/dev/vg0/rec1-data.copy")
    assert first == list(range(1, len(first) + 1)) and second == list(range(1, len(second) + 1))  # a prefix, never a gap
    assert len(second) > 3 and len(first) - len(second) in (0, 1)  # the second one is written after the first
    assert int(guest(writer, "wc -l < /data/records", ADDRESS)) > len(second)  # the guest went on
