"""What a sender asks for is checked to the last field, and what its configuration may say for another host."""

import json
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from xen_legi.backup import request, trusted
from xen_legi.backup.request import BootFile, CopyRequest, VolumeRequest
from xen_legi.domu import config
from xen_legi.errors import Problem
from xen_legi.storage.identity import Identity

UUID = "0fc8d1d1-7a5e-4f3c-9d3e-6f0a3f0b8a11"
DISK = VolumeRequest(
    "web1-disk", "/dev/vg0/web1-disk", 2 << 30, Identity("ext4", UUID, "", 4096, 524288, 256, 1000, 10, ("dir_index",))
)
CONFIG = """\
name = 'web1'
type = 'pvh'
kernel = '/srv/xen/boot/vmlinuz-6.12'
ramdisk = '/srv/xen/boot/initrd.img-6.12'
memory = 512
disk = ['phy:/dev/vg0/web1-disk,xvda2,w']
vif = ['mac=00:16:3E:48:12:34,bridge=xenbr72']
"""
REQUEST = CopyRequest("web1", "20261123-020000-ab", 3, CONFIG, (DISK,), (BootFile("/srv/xen/boot/vmlinuz-6.12", "0" * 64),))


def changed(path: str, value: Any) -> str:
    """The request as JSON with one field changed; the path is like volumes.0.size."""
    tree = json.loads(request.to_json(REQUEST))
    *way, last = [int(word) if word.isdecimal() else word for word in path.split(".")]
    place = tree
    for word in way:
        place = place[word]
    place[last] = value
    return json.dumps(tree)


def refusals(text: str) -> list[str]:
    """What is wrong with a configuration from another host."""
    sent = ["/dev/vg0/web1-disk"]
    return trusted.refusals(config.parse(text, Path("web1.cfg")), "web1", sent, PurePosixPath("/srv/xen/boot"))


def test_a_request_survives_the_way() -> None:
    assert request.from_json(request.to_json(REQUEST)) == REQUEST


@pytest.mark.parametrize("path, value", [
    ("format", 2), ("domu", "../etc"), ("domu", "-x"), ("run", "a b"),
    ("generation", 0), ("generation", True), ("generation", "3"),
    ("config", ""), ("config", "x" * 70000), ("volumes", []), ("volumes.0.name", "a/b"), ("volumes.0.size", -512),
    ("volumes.0.size", 1000), ("volumes.0.size", 1 << 61),
    ("volumes.0.path", "../x"), ("volumes.0.path", "x"), ("volumes.0.path", "-x/y"), ("volumes.0.path", "a=b/c"),
    ("volumes.0.identity.type", "btrfs"),
    ("volumes.0.identity.uuid", "-rf"), ("volumes.0.identity.label", "a\nb"), ("volumes.0.identity.features", ["a,b"]),
    ("volumes.0.identity.blocks", 1 << 40), ("boot.0.path", "/srv/../etc/shadow"), ("boot.0.sha256", "x"), ("volumes", "x"),
])
def test_a_request_with_a_wrong_field_is_refused(path: str, value: Any) -> None:
    with pytest.raises(Problem, match="refused"):
        request.from_json(changed(path, value))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "3", "[" * 100000])
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(Problem, match="refused"):
        request.from_json(text)


def test_two_volumes_of_one_name_are_refused() -> None:
    both = json.loads(request.to_json(REQUEST))["volumes"] * 2
    with pytest.raises(Problem, match="refused"):
        request.from_json(changed("volumes", both))


def test_an_ordinary_configuration_is_accepted_from_another_host() -> None:
    assert refusals(CONFIG) == []
    assert refusals(CONFIG + "bootloader = 'pygrub'\nbootloader_restrict = 1\non_crash = 'restart'\nextra = 'quiet'\n") == []


@pytest.mark.parametrize("name", ["javascript-disk", "script", "web1-script", "script-web1"])
def test_a_volume_may_have_script_in_its_name(name: str) -> None:
    path = f"/dev/vg0/{name}"
    for line in (f"phy:{path},xvda2,w", f"format=raw,vdev=xvda2,target={path}"):
        one = config.parse(f"name = 'web1'\nmemory = 1\ndisk = ['{line}']\n", Path("web1.cfg"))
        assert trusted.refusals(one, "web1", [path], PurePosixPath("/srv/xen/boot")) == []


@pytest.mark.parametrize("line", [
    "name = 'web2'", "bootloader = '/tmp/x'", "device_model_override = '/tmp/x'", "device_model_args = ['-x']",
    "pci = ['01:00.0']", "kernel = '/etc/shadow'", "ramdisk = '/srv/xen/boot/../../../etc/shadow'", "iomem = ['1,1']",
    "disk = ['phy:/dev/vg0/web2-disk,xvda2,w']", "disk = ['format=raw,vdev=xvda,access=ro,target=/etc/shadow']",
    "disk = ['script=/tmp/x,vdev=xvda2,target=/dev/vg0/web1-disk']", "vif = ['bridge=xenbr72,script=/tmp/x']",
    "disk = ['phy:/dev/vg0/web1-disk,xvda2,w, script = /tmp/x']", "disk = ['script:/dev/vg0/web1-disk,xvda2,w']",
    "disk = ['phy:script:/dev/vg0/web1-disk,xvda2,w']", "disk = ['iscsi:/dev/vg0/web1-disk,xvda2,w']",
    "vif = ['script=/tmp/x']",
])
def test_a_configuration_that_reaches_for_the_host_is_refused(line: str) -> None:
    assert refusals(f"{CONFIG}{line}\n") != []
