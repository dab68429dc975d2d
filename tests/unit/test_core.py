"""The core: sizes, settings, commands, progress."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes import lives
from xen_legi import config, run, steps, units
from xen_legi.errors import CommandFailed, Problem

TOP = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("text, size", [("512M", 512 << 20), ("2G", 2 << 30), ("1.5GiB", 3 << 29), (" 1 tb ", 1 << 40)])
def test_a_size_is_read_as_people_write_it(text: str, size: int) -> None:
    assert units.parse_size(text) == size


@pytest.mark.parametrize("text, size", [("1.1G", 1181116007), ("0.1K", 103), ("1.5K", 1536), ("0.000000000001T", 2)])
def test_a_size_is_whole_bytes_and_never_less_than_was_said(text: str, size: int) -> None:
    assert units.parse_size(text) == size


def test_a_size_is_shown_exactly_where_that_matters() -> None:
    assert [units.exact_size(size) for size in (2 << 30, 282 << 22, 3 << 9, 0)] == ["2G", "1128M", "1536B", "0B"]


@pytest.mark.parametrize("text", ["", "5", "G", "-1G", "1X", "0G", "1G2", "1,5G", "NaN", "²G", 400 * "9" + "T"])
def test_what_is_no_size_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(Problem) as caught:
        units.parse_size(text)
    assert caught.value.hint and caught.value.status == 2


@given(st.integers(min_value=1, max_value=1 << 50).map(lambda mib: mib))
def test_a_size_in_whole_units_survives_being_written_and_read(size: int) -> None:
    text = units.format_size(size << 10)
    if "." not in text:
        assert units.parse_size(text) == size << 10


@given(st.text(max_size=200))
def test_no_text_makes_the_size_parser_fall_over(text: str) -> None:
    try:
        units.parse_size(text)
    except Problem:
        pass


def test_seconds_are_written_for_people() -> None:
    assert [units.format_seconds(s) for s in (0.44, 12.3, 185, 7620)] == ["0.4 s", "12 s", "3 min 05 s", "2 h 07 min"]


def test_the_shipped_settings_file_is_the_sample_and_holds_only_defaults() -> None:
    assert (TOP / "etc/xen-legi/xen-legi.toml").read_text() == config.sample()
    assert config.parse(config.sample()) == config.Config()


def test_every_line_of_the_sample_can_be_uncommented() -> None:
    text = re.sub("^#(?! )", "", config.sample(), flags=re.M)
    assert text != config.sample() and config.parse(text) == config.Config()


@pytest.mark.parametrize(
    "text, part",
    [
        ("[domu]\nmemry = '1G'", "[domu] memry is unknown"),
        ("[domu]\nvcpus = '2'", "must be a whole number"),
        ("[domu]\nmemory = 512", "must be a text in quotes"),
        ("[backup]\ndestinations = 'vg1'", "must be a list of texts"),
        ("[domu]\ntype = 'hvm'", "is not one of pvh, pv"),
        ("[domu]\nsize = 'big'", "is not a size"),
        ("[domu]\nmemory = 'lots'", "settings: [domu] memory: size 'lots' is not a size"),
        ("[domu]\nbridge = 'br{id}'", "settings: [domu] bridge: 'br{id}' is no name with {vlan}"),
        ("[domu]\nbridge = 'br{vlan}{vlan}'", "[domu] bridge"),
        ("[domu]\nbridge = 'br{vlan'", "[domu] bridge"),
        ("[domu]\nbridge = 'br{vlan!z}'", "[domu] bridge"),
        ("[domu]\nbridge = 'xenbr0'", "[domu] bridge"),
        ("[domu]\nbridge = 'a-long-name-{vlan}'", "[domu] bridge"),
        ("[backup]\nghost_size = 'much'", "settings: [backup] ghost_size: space 'much' is not a size"),
        ("[backup]\nghost_size = '200%'", "[backup] ghost_size: '200%' is not between 1% and 100%"),
        ("[domu]\ninitramfs = ['xen-blkfront', '../ext4']",
         "[domu] initramfs: [\"xen-blkfront\", \"../ext4\"] has '../ext4', which is no module"),
        ("[domu]\ninitramfs = ['btrfs']", "[domu] initramfs: [\"btrfs\"] has no xen-blkfront"),
        ("[domu]\nvcpus = 0", "[domu] vcpus: 0 is not a number of processors"),
        ("[storage]\nvolume_group = '/dev/vg0'", "[storage] volume_group: '/dev/vg0' is not the name of a volume group"),
        ("[storage]\nvolume_group = '..'", "is not the name of a volume group"),
        ("[backup]\nreceive_volume_group = ''", "is not the name of a volume group"),
        ("[domu]\nsrv = ''", "is not the path of a directory"),
        ("[domu]\nsrv = '/a\\u0000'".replace("'", '"'), "is not the path of a directory"),
        ("memory = '1G'", "outside of a section"),
        ("[domu\n", "settings: "),
    ],
)
def test_a_wrong_setting_is_named_with_its_place(text: str, part: str) -> None:
    with pytest.raises(Problem) as caught:
        config.parse(text)
    assert part in caught.value.message and caught.value.hint


def test_settings_that_cannot_be_read_are_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"# settings\n# caf\xe9\n")
    with pytest.raises(Problem, match="latin.toml: line 2 holds a byte that is no UTF-8"):
        config.load(tmp_path / "latin.toml")
    with pytest.raises(Problem, match="cannot be read: Is a directory"):
        config.load(tmp_path)
    assert config.load(tmp_path / "nothing.toml") == config.Config()


@given(st.text(), st.lists(st.text()))
def test_any_setting_can_be_written_and_read(text: str, texts: list[str]) -> None:
    written = f"[domu]\ntemplate = {config.as_toml(text)}\nnameserver = {config.as_toml(tuple(texts))}"
    assert config.parse(written) == config.Config(template=text, nameserver=tuple(texts))


def test_space_for_a_ghost_is_a_share_or_a_size() -> None:
    for value in ("1%", "20 %", "2G"):
        assert config.parse(f"[backup]\nghost_size = '{value}'").ghost_size == value


def test_a_bridge_may_have_any_name_with_the_vlan_in_it() -> None:
    for name in ("br{vlan}", "v{vlan}.x"):
        assert config.parse(f"[domu]\nbridge = '{name}'").bridge == name


def test_a_command_that_fails_explains_itself() -> None:
    with pytest.raises(CommandFailed) as caught:
        run.run(["sh", "-c", "echo one >&2; echo two >&2; exit 7"])
    assert "exit status 7" in caught.value.message and caught.value.message.endswith("two")
    assert caught.value.status == 1


def test_a_command_that_is_not_installed_is_wrong_use() -> None:
    with pytest.raises(Problem) as caught:
        run.run(["no-such-command-anywhere"])
    assert caught.value.status == 2


def test_a_command_gets_an_environment_made_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    assert "SECRET" not in run.run(["env"]).stdout
    assert "LC_ALL=C.UTF-8" in run.run(["env"]).stdout


def test_a_command_that_takes_too_long_is_ended() -> None:
    with pytest.raises(CommandFailed) as caught:
        run.run(["sleep", "60"], timeout=0.2)
    assert caught.value.command_status == -signal.SIGTERM


def test_a_tool_that_answers_no_json_is_named() -> None:
    with pytest.raises(Problem, match="echo answered what is not JSON"):
        run.run_json(["echo", "hello"])


def test_the_child_of_a_killed_program_dies_with_it(tmp_path: Path) -> None:
    code = (
        f"import os, sys; sys.path.insert(0, {str(TOP / 'xen-legi')!r});"
        "from xen_legi.run import spawn\n"
        "with spawn(['sleep', '60']) as child:\n"
        "    print(child.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    words = [sys.executable, "-c", code]
    pid = int(run.run(words, ok=(-9,)).stdout)
    for _ in range(50):
        if not lives(pid):
            return
        run.run(["sleep", "0.1"])
    pytest.fail("the child lives on")


def test_a_child_that_outlives_us_may_go_on_printing_to_nobody(tmp_path: Path) -> None:
    script = f"kill -9 $PPID; sleep 0.3; echo one; echo two >&2; touch {tmp_path}/done"
    code = (
        f"import sys; sys.path.insert(0, {str(TOP / 'xen-legi')!r});"
        f"from xen_legi.run import run; run(['sh', '-c', {script!r}], outlives_us=True)"
    )
    assert run.run([sys.executable, "-c", code], ok=(-9,)).status == -9
    for _ in range(50):
        if (tmp_path / "done").exists():
            return
        run.run(["sleep", "0.1"])
    pytest.fail("the child was killed by what it printed")


def test_a_child_that_outlives_us_is_not_met_by_ctrl_c(tmp_path: Path) -> None:
    script = f"echo begun; sleep 0.5; touch {tmp_path}/done"
    code = (
        f"import sys; sys.path.insert(0, {str(TOP / 'xen-legi')!r});"
        f"from xen_legi.run import run; run(['sh', '-c', {script!r}], outlives_us=True, capture=False)"
    )
    ours = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, start_new_session=True, text=True)
    assert ours.stderr and ours.stderr.readline() == "begun\n"
    os.killpg(ours.pid, signal.SIGINT)  # what the terminal does
    ours.communicate()
    assert (tmp_path / "done").exists()  # it was waited for


def test_progress_tells_share_rate_and_time_left() -> None:
    progress = steps.Progress("copy", 1 << 30)
    assert progress.line(1 << 28, 2.0) == "copy: 25 % of 1G, 128M/s, 6.0 s left"
    assert steps.Progress("copy").line(0, 1.0) == "copy: 0B"


def test_a_lock_names_its_holder_and_is_free_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "LOCKS", tmp_path)
    with steps.lock("one", what="domU one"):
        assert steps.is_locked("one")
        with pytest.raises(Problem, match="domU one is in use by process"):
            with steps.lock("one", what="domU one"):
                pass
    assert not steps.is_locked("one")


def test_a_lock_tells_nobody_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = "xen-legi create --password TEXT web1 --role-args=TOKEN --role-args MORE --password=TEXT --size 2G"
    monkeypatch.setattr(steps, "LOCKS", tmp_path)
    monkeypatch.setattr(sys, "argv", words.split())
    with steps.lock("one", what="domU one"):
        told = (tmp_path / "one.lock").read_text().split(" ", 2)[2]
        assert told == "xen-legi create --password web1 --role-args --role-args --password --size 2G\n"
    assert (tmp_path / "one.lock").read_text() == ""


def test_readers_share_a_lock_and_keep_a_writer_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "LOCKS", tmp_path)
    with steps.lock("one", what="one", shared=True), steps.lock("one", what="one", shared=True):
        with pytest.raises(Problem, match="one is in use"), steps.lock("one", what="one"):
            pass
    with steps.lock("one", what="one"), pytest.raises(Problem, match="in use"), steps.lock("one", what="one", shared=True):
        pass


@pytest.mark.parametrize(("program", "hint"), [
    ("/nowhere/ipmitool", "apt install ipmitool"), ("nowhere0", "apt-file search bin/nowhere0 names its package"),
])
def test_a_program_that_is_not_installed_is_told_with_how_to_get_it(program: str, hint: str) -> None:
    with pytest.raises(Problem, match=f"{program} is not installed") as raised:
        run.run([program, "word"])
    assert (raised.value.hint, raised.value.status) == (hint, 2)
