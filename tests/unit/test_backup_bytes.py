"""A domU's file may hold bytes that are no UTF-8: they reach the copy as they are."""

from pathlib import Path

import pytest
from xen_legi import files
from xen_legi.backup import commit, generations, request
from xen_legi.backup.copies import Work
from xen_legi.backup.request import CopyRequest, VolumeRequest
from xen_legi.domu import config
from xen_legi.errors import Problem
from xen_legi.storage.identity import Identity

LATIN = b"# the caf\xe9's web server\nname = 'web1'\nmemory = 512\ndisk = ['phy:/dev/vg0/web1-disk,xvda2,w']\n"


def test_a_file_with_a_byte_of_latin_1_is_read_and_written_as_it_is(tmp_path: Path) -> None:
    source, target = tmp_path / "web1.cfg", tmp_path / "copies" / "web1.cfg"
    source.write_bytes(LATIN)
    files.replace(target, files.read(source))
    assert target.read_bytes() == LATIN


def test_a_file_with_a_byte_of_latin_1_that_would_not_change_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "web1.cfg"
    path.write_bytes(LATIN)
    before = path.stat().st_ino
    files.replace(path, files.read(path))
    assert path.stat().st_ino == before
    files.replace(path, "other\n")
    assert path.read_text() == "other\n"


def test_the_configuration_of_a_copy_has_every_byte_of_the_domus(tmp_path: Path) -> None:
    source, target = tmp_path / "web1.cfg", tmp_path / "copy.cfg"
    source.write_bytes(LATIN)
    volumes = (VolumeRequest("web1-disk", "/dev/vg0/web1-disk", 1 << 20, Identity("ext4", "")),)
    sent = request.to_json(CopyRequest("web1", "r1", 1, config.read(source).text, volumes))
    wanted = request.from_json(sent.encode("ascii").decode())
    work = Work("web1", "vg1", "dom0a", wanted)
    files.replace(target, commit.startable(wanted, work, generations.Copy("web1", "vg1", "dom0a", {})))
    assert target.read_bytes().endswith(LATIN.replace(b"vg0/web1-disk", b"vg1/web1-disk.copy"))


def test_a_configuration_that_no_file_can_hold_is_refused_before_anything_is_done() -> None:
    volumes = (VolumeRequest("web1-disk", "/dev/vg0/web1-disk", 1 << 20, Identity("ext4", "")),)
    with pytest.raises(Problem, match="refused"):
        request.from_json(request.to_json(CopyRequest("web1", "r1", 1, "name = 'web1' # \ud800\n", volumes)))


def test_the_file_of_a_generation_is_written_once_and_then_the_administrators(tmp_path: Path) -> None:
    file = tmp_path / "web1.cfg"
    commit._write_once(file, "# generation 3\nvif = ['bridge=xenbr72']\n")
    file.write_text(edited := "# generation 3\nvif = ['bridge=xenbr80']\n")
    commit._write_once(file, "# generation 3\nvif = ['bridge=xenbr72']\n")
    assert file.read_text() == edited
    commit._write_once(file, "# generation 4\nvif = ['bridge=xenbr72']\n")
    assert file.read_text() == "# generation 4\nvif = ['bridge=xenbr72']\n"
