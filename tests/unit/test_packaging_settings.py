"""What is shipped below /etc, and what GRUB's configuration makes of a host's settings."""

import re
import subprocess
from pathlib import Path

import pytest

from xen_legi import config
from xen_legi.errors import Problem

TOP = Path(__file__).resolve().parents[2]

# What grub-mkconfig has when it reads /etc/default/grub.d; the program answers the question for dom0's memory.
GRUB = """
set -eu
gettext() { printf %s "$1"; }
grub_get_device_id() { echo the-device; }
versions_program() { case $1 in list) printf '6.1.0\\n6.12.1\\n' ;; sort) sort -rV ;; esac; }
xen_legi_program() { MEMORY; }
GRUB_DEVICE=/dev/vda2
"""
SHOW = """
for name in GRUB_DEFAULT GRUB_CMDLINE_XEN GRUB_CMDLINE_XEN_DEFAULT GRUB_CMDLINE_LINUX_XEN_REPLACE \
    GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT; do eval "echo \\"$name=\\${$name:-}\\""; done
"""
BY_TITLE = 'GRUB_DISTRIBUTOR=Debian; GRUB_DEFAULT="Debian GNU/Linux, with Xen hypervisor"\n'


def grub(before: str, *, memory: str = "echo 1G+5%") -> dict[str, str]:
    """Given what the administrator and xen.cfg wrote, return the variables as our file leaves them."""
    ours = (TOP / "hooks/grub/grub.cfg").read_text().replace("/usr/sbin/xen-legi", "xen_legi_program")
    ours = ours.replace("linux-version", "versions_program")
    script = GRUB.replace("MEMORY", memory) + before + ours + SHOW
    ended = subprocess.run(["sh", "-c", script], text=True, capture_output=True, check=True)
    return dict(line.split("=", 1) for line in ended.stdout.splitlines())


def test_the_shipped_settings_are_the_sample() -> None:
    assert (TOP / "etc/xen-legi/xen-legi.toml").read_text() == config.sample()


def test_names_below_etc_are_names_that_cron_and_run_parts_take() -> None:
    names = [path.name for folder in ("etc/cron.d", "hooks/kernel") for path in (TOP / folder).iterdir()]
    assert names and all(re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in names)


def test_the_first_part_is_read_before_xens_own_file_and_the_second_after_it() -> None:
    names = sorted([*(path.name for path in (TOP / "etc/default/grub.d").iterdir()), "xen.cfg"])
    assert names == ["50-xen-legi.cfg", "xen.cfg", "zz-xen-legi.cfg"]


@pytest.mark.parametrize("value", ["4G", "512M", "1G+5%", "10%"])
def test_dom0s_memory_may_be_an_amount_or_a_share_or_both(value: str) -> None:
    assert config.parse(f'[dom0]\ndom0_memory = "{value}"').dom0_memory == value


@pytest.mark.parametrize("value", ["4", "", "1.5G", "4G,max:8G", "lots", "0G", "200%", "4G console=vga"])
def test_what_xen_would_not_understand_as_memory_is_refused(value: str) -> None:
    with pytest.raises(Problem):
        config.parse(f'[dom0]\ndom0_memory = "{value}"')


def test_dom0_gets_a_fixed_amount_of_memory() -> None:
    assert grub("")["GRUB_CMDLINE_XEN_DEFAULT"] == "dom0_mem=1G+5%,max:1G+5%"


def test_what_the_administrator_wrote_for_xen_is_kept() -> None:
    made = grub("GRUB_CMDLINE_XEN_DEFAULT='ucode=scan'; GRUB_CMDLINE_XEN='noreboot=true'\n")
    assert made["GRUB_CMDLINE_XEN_DEFAULT"] == "ucode=scan dom0_mem=1G+5%,max:1G+5%"
    assert made["GRUB_CMDLINE_XEN"] == "noreboot=true"


def test_memory_that_the_administrator_gave_to_dom0_in_grubs_files_wins() -> None:
    assert grub("GRUB_CMDLINE_XEN='dom0_mem=8G'\n")["GRUB_CMDLINE_XEN_DEFAULT"] == ""


def test_settings_that_cannot_be_read_do_not_break_the_menu() -> None:
    assert "dom0_mem=nonsense" not in grub("", memory="return 2")["GRUB_CMDLINE_XEN_DEFAULT"]


def test_xen_gets_a_serial_console_only_where_linux_has_one() -> None:
    made = grub("GRUB_CMDLINE_LINUX='net.ifnames=0'; GRUB_CMDLINE_LINUX_DEFAULT=quiet\n")
    assert made["GRUB_CMDLINE_XEN"] == made["GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT"].replace("quiet", "") == ""


def test_linuxs_serial_console_becomes_xens_and_dom0_writes_to_it_through_xen() -> None:
    made = grub("GRUB_CMDLINE_LINUX='console=tty0 console=ttyS1,115200n8 net.ifnames=0'\n")
    assert made["GRUB_CMDLINE_XEN"] == "com2=115200,8n1 console=com2,vga"
    assert made["GRUB_CMDLINE_LINUX_XEN_REPLACE"] == "console=tty0 console=hvc0 net.ifnames=0"


def test_a_serial_console_of_xen_that_the_administrator_wrote_is_kept() -> None:
    made = grub("GRUB_CMDLINE_XEN='com1=38400 console=com1'; GRUB_CMDLINE_LINUX='console=ttyS0'\n")
    assert made["GRUB_CMDLINE_XEN"] == "com1=38400 console=com1"
    assert made["GRUB_CMDLINE_LINUX_XEN_REPLACE"] == ""


def test_the_default_entry_is_named_by_its_identity_because_titles_change_with_the_locale() -> None:
    assert grub(BY_TITLE)["GRUB_DEFAULT"] == "xen-gnulinux-simple-the-device"


def test_the_default_entry_is_the_newest_kernels_where_submenus_are_off() -> None:
    assert grub(BY_TITLE + "GRUB_DISABLE_SUBMENU=y\n")["GRUB_DEFAULT"] == "xen-gnulinux-6.12.1-advanced-the-device"


@pytest.mark.parametrize("default", ["saved", "0", "my own entry"])
def test_another_default_than_xen_cfgs_is_the_administrators_and_stays(default: str) -> None:
    assert grub(f"GRUB_DISTRIBUTOR=Debian; GRUB_DEFAULT='{default}'\n")["GRUB_DEFAULT"] == default


@pytest.fixture
def firmware(tmp_path: Path) -> Path:
    """The firmware's variable, four bytes of attributes and the value: Secure Boot is on."""
    variable = tmp_path / "SecureBoot"
    variable.write_bytes(b"\x06\0\0\0\1")
    return variable


def first_part(firmware: Path, before: str = "") -> str:
    """Return what our file that is read before xen.cfg tells it about the default entry."""
    program = f"sh {TOP}/hooks/grub/secure-boot {firmware}"
    ours = (TOP / "etc/default/grub.d/50-xen-legi.cfg").read_text().replace("/usr/share/xen-legi/grub.cfg", "/dev/null")
    ours = ours.replace("/usr/libexec/xen-legi/secure-boot", program)
    script = f"set -eu\n{before}{ours}\necho $XEN_OVERRIDE_GRUB_DEFAULT"
    return subprocess.run(["sh", "-c", script], text=True, capture_output=True, check=True).stdout.strip()


def test_xen_is_not_the_default_entry_where_secure_boot_would_refuse_it(firmware: Path) -> None:
    assert first_part(firmware) == "0"
    assert first_part(firmware, "XEN_OVERRIDE_GRUB_DEFAULT=1\n") == "1"  # the administrator's word


@pytest.mark.parametrize("value", [b"\x06\0\0\0\0", b"", None])
def test_xen_is_the_default_entry_where_secure_boot_is_off_or_unknown(firmware: Path, value: bytes | None) -> None:
    firmware.unlink() if value is None else firmware.write_bytes(value)
    assert first_part(firmware) == "1"


XEN, TITLE = 'set default="xen-gnulinux-simple-x"', 'set default="Debian GNU/Linux, with Xen hypervisor"'
MEMORY = " dom0_mem=1G,max:1G"


def boot_xen(boot: Path, firmware: Path, menu: str) -> str:
    """Return what the postinst says and does about GRUB's menu."""
    (boot / "grub").mkdir(exist_ok=True)
    (boot / "grub/grub.cfg").write_text(menu)
    text = (TOP / "debian/xen-legi-dom0.postinst").read_text().partition('if [ "$1" = configure ]')[0]
    for ours, instead in (
        ("/usr/libexec/xen-legi/secure-boot", f"sh {TOP}/hooks/grub/secure-boot {firmware}"), ("/boot/", f"{boot}/"),
        ("xen-legi config get dom0_memory", "echo 1G"), ("command -v update-grub", "true"), ("/proc/xen", "/nowhere"),
        ("/run", "/nowhere"), ("    update-grub\n", "    echo update-grub\n"),
    ):
        text = text.replace(ours, instead)
    ended = subprocess.run(["sh", "-c", f"{text}\nboot_xen; tell_reboot"], text=True, capture_output=True, check=True)
    return ended.stdout + ended.stderr


@pytest.mark.parametrize(("menu", "secure", "updated"), [
    (f"  {XEN}\n{MEMORY}", False, False), (XEN, False, True), (f"{TITLE}\n{MEMORY}", False, True), ("", False, True),
    (f"{XEN}\n{MEMORY}", True, True), (f"{TITLE}\n", True, True), ('set default="0"\n', True, False),
])
def test_the_menu_is_made_anew_only_where_it_would_start_the_wrong_entry(
    tmp_path: Path, firmware: Path, menu: str, secure: bool, updated: bool
) -> None:
    firmware.write_bytes(bytes([6, 0, 0, 0, secure]))
    said = boot_xen(tmp_path, firmware, menu)
    assert ("update-grub\n" in said.splitlines(keepends=True)) == updated
    assert ("is a Xen dom0 from its next start on" in said) != secure
    assert ("SECURE BOOT" in said and "update-grub && reboot" in said) == secure


def test_a_program_that_only_reads_grubs_settings_is_not_disturbed() -> None:
    script = f"set -eu; GRUB_DEFAULT=0; . {TOP}/hooks/grub/grub.cfg; echo $GRUB_DEFAULT ${{GRUB_CMDLINE_XEN_DEFAULT:-}}"
    assert subprocess.run(["sh", "-c", script], text=True, capture_output=True, check=True).stdout.strip() == "0"
