"""How the lab chooses between KVM and emulation: it asks once after each start of this computer, a person may say."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "lab/lib/accel.sh"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="the packages are built without the lab")


def chosen(cache: Path, probe: str, given: str = "") -> tuple[str, int]:
    """Let the lab choose where a probe guest would end so ("true" or "false"). Return its choice and how often it asked."""
    script = f'LAB_SUITE=trixie LAB_CACHE={cache} RUN={cache} LAB_ACCEL={given}\n. {SCRIPT}\n' \
        f'say() {{ :; }}\nkvm_boots() {{ echo asked >>{cache}/asked; {probe}; }}\nfind_accel\necho "$LAB_ACCEL"\n'
    said = subprocess.run(["bash", "-euc", script], check=True, capture_output=True, text=True).stdout.strip()
    asked = cache / "asked"
    return said, len(asked.read_text().splitlines()) if asked.exists() else 0


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache with the box's kernel, with which the probe guest would start."""
    (tmp_path / "box/trixie").mkdir(parents=True)
    (tmp_path / "box/trixie/vmlinuz").touch()
    return tmp_path


@pytest.mark.parametrize("probe, want", [("true", "kvm"), ("false", "tcg")])
def test_the_answer_of_the_probe_guest_holds_until_this_computer_starts_again(cache: Path, probe: str, want: str) -> None:
    assert chosen(cache, probe) == (want, 1)
    assert chosen(cache, "false" if probe == "true" else "true") == (want, 1)
    (cache / "accel").write_text(f"another-boot {want}\n")
    assert chosen(cache, "true") == ("kvm", 2)


def test_before_there_is_a_box_nothing_is_asked_and_nothing_kept(tmp_path: Path) -> None:
    assert chosen(tmp_path, "true") == ("tcg", 0)
    assert not (tmp_path / "accel").exists()


def test_what_a_person_says_is_taken(cache: Path) -> None:
    assert chosen(cache, "false", given="kvm") == ("kvm", 0)
