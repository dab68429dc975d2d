"""What `make deb` and `make repo` leave: five packages that lintian accepts, and a repository that apt accepts."""

import re
import subprocess
from pathlib import Path

import pytest
from conftest import DEBS, PACKAGES, REPOSITORY, TOP, Tree


def output(*words: str | Path) -> str:
    """Run a command and return what it printed."""
    return subprocess.run(words, check=True, text=True, capture_output=True).stdout


def contents(deb: Path) -> dict[str, str]:
    """Return the files of a package (not its directories) with their modes."""
    rows = [line.split(maxsplit=5) for line in output("dpkg-deb", "-c", deb).splitlines()]
    return {row[5].split(" -> ")[0].removeprefix("."): row[0] for row in rows if not row[0].startswith("d")}


def fields(deb: Path, name: str) -> list[str]:
    """Return the relations in a field of a package."""
    return [one.strip() for one in output("dpkg-deb", "-f", deb, name).split(",") if one.strip()]


def lintian_says(ended: str) -> list[str]:
    """Return the errors and warnings among the lines of lintian."""
    return [line for line in ended.splitlines() if line.startswith(("E:", "W:"))]


def test_there_are_five_packages_and_a_list_of_changes(debs: dict[str, Path]) -> None:
    assert tuple(debs) == PACKAGES
    assert len(list(DEBS.glob("*.changes"))) == 1
    assert len(list(DEBS.glob("*.dsc"))) == 1  # the changes name it: lintian reads the source as well


def test_lintian_of_this_machine_has_no_errors_and_no_warnings() -> None:
    words = ["lintian", "--allow-root", "--fail-on", "none", *DEBS.glob("*.changes"), *DEBS.glob("*.deb")]
    assert lintian_says(output(*words)) == []


def test_a_second_build_of_an_unchanged_tree_builds_nothing() -> None:
    before = {path: path.stat().st_mtime_ns for path in (*DEBS.iterdir(), *REPOSITORY.iterdir())}
    assert "up to date" in output(TOP / "debian/tools/repo")
    assert {path: path.stat().st_mtime_ns for path in (*DEBS.iterdir(), *REPOSITORY.iterdir())} == before


def test_the_first_repository_of_a_machine_is_not_laid_out_twice(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name in ("debian", "docs/manual-recovery.md", "etc", "hooks", "tests/unit", "xen-legi", "out/deb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        output("cp", "-a", TOP / name, tmp_path / name)
    words = ("env", f"XDG_STATE_HOME={tmp_path}/state", tmp_path / "debian/tools/repo")  # as if it never had a key
    assert "repo: out/repo (signed: yes)" in output(*words)
    assert output(*words).splitlines() == ["deb: out/deb is up to date", "repo: out/repo is up to date"]


def test_the_module_is_in_one_package_without_tests_and_without_caches(debs: dict[str, Path]) -> None:
    files = {name: contents(deb) for name, deb in debs.items()}
    assert [name for name in files if any(path.endswith(".py") for path in files[name])] == ["xen-legi-common"]
    module = {path for path in files["xen-legi-common"] if "/dist-packages/" in path}
    assert all(path.split("/")[5].startswith("xen_legi") for path in module)
    assert not [path for path in module if "test" in path or path.endswith(".pyc")]
    source = {str(path.relative_to(TOP / "xen-legi")) for path in (TOP / "xen-legi/xen_legi").rglob("*.py")}
    assert {path.removeprefix("/usr/lib/python3/dist-packages/") for path in module if path.endswith(".py")} == source


@pytest.mark.parametrize("package, program, page", [
    ("xen-legi-common", "/usr/sbin/xen-legi", "/usr/share/man/man8/xen-legi.8.gz"),
    ("xen-legi-backup", "/usr/sbin/backup-domu", "/usr/share/man/man8/backup-domu.8.gz"),
])
def test_each_program_has_its_page_and_its_completion(
    debs: dict[str, Path], package: str, program: str, page: str
) -> None:
    files = contents(debs[package])
    assert files[program] == "-rwxr-xr-x"
    assert {page, program.replace("/usr/sbin", "/usr/share/bash-completion/completions")} <= set(files)


def test_the_directory_of_the_domus_is_there_before_xen_is(debs: dict[str, Path]) -> None:
    assert re.search(r"^d.* \./etc/xen/$", output("dpkg-deb", "-c", debs["xen-legi-common"]), re.MULTILINE)


def test_roles_find_common_sh_on_a_mount_point_that_xen_tools_may_have_too(debs: dict[str, Path]) -> None:
    listed = output("dpkg-deb", "-c", debs["xen-legi-roles"])
    assert re.search(r"^d.* \./usr/share/xen-tools/$", listed, re.MULTILINE)
    shipped = contents(debs["xen-legi-roles"])
    assert shipped["/usr/share/xen-legi/roles/lib/xen-tools/common.sh"] == "-rw-r--r--"
    assert not [path for path in shipped if path.startswith("/usr/share/xen-tools/")]


def test_the_recipe_by_hand_is_shipped_and_not_compressed(debs: dict[str, Path]) -> None:
    shipped = contents(debs["xen-legi-backup"])
    assert shipped["/usr/share/doc/xen-legi-backup/manual-recovery.md"] == "-rw-r--r--"


def test_every_file_below_etc_is_a_conffile_and_comes_from_etc_or_hooks_of_the_tree(debs: dict[str, Path]) -> None:
    for deb in debs.values():
        shipped = {path for path in contents(deb) if path.startswith("/etc/")}
        listed = subprocess.run(["dpkg-deb", "-I", deb, "conffiles"], text=True, capture_output=True).stdout.split()
        assert shipped == set(listed)


def test_dom0_depends_on_xen_and_on_ours_of_the_same_version(debs: dict[str, Path]) -> None:
    version = output("dpkg-deb", "-f", debs["xen-legi-common"], "Version").strip()
    ours = {f"xen-legi-{name} (= {version})" for name in ("common", "ifupdown", "roles")}
    assert ours | {"xen-system-amd64", "lvm2", "mmdebstrap", "rsync"} <= set(fields(debs["xen-legi-dom0"], "Depends"))


def test_no_package_asks_for_what_one_of_the_suites_does_not_have(debs: dict[str, Path]) -> None:
    for deb in debs.values():
        wanted = " ".join(fields(deb, "Depends") + fields(deb, "Recommends"))
        assert "xen-tools" not in wanted and "vlan" not in wanted and "ifenslave" not in wanted


def test_no_package_asks_anything_when_it_is_installed(debs: dict[str, Path], tmp_path: Path) -> None:
    for name, deb in debs.items():
        output("dpkg-deb", "-e", deb, tmp_path / name)
        members = {path.name: path.read_text() for path in (tmp_path / name).iterdir()}
        assert not {"config", "templates"} & set(members) and not [one for one in members.values() if "confmodule" in one]


def test_nothing_of_ours_is_a_diversion(debs: dict[str, Path], tmp_path: Path) -> None:
    for name, deb in debs.items():
        output("dpkg-deb", "-e", deb, tmp_path / name)
        assert not [path for path in (tmp_path / name).iterdir() if "dpkg-divert" in path.read_text()]


def test_the_other_suite_builds_the_same_packages_and_its_lintian_accepts_them(
    debs: dict[str, Path], tmp_path: Path
) -> None:
    other = "bookworm" if "VERSION_CODENAME=trixie" in Path("/etc/os-release").read_text() else "trixie"
    tree = Tree("build", other, tmp_path)
    sources = "debian docs/manual-recovery.md etc hooks tests/unit xen-legi"
    said = tree.run(
        f"mkdir -p /build/xen-legi; cd /srv/xen-legi-repo; for one in {sources}; do [ ! -e $one ] || "
        "cp -a --parents $one /build/xen-legi; done\n"
        "cd /build/xen-legi; find . -name '.*_cache' -o -name __pycache__ | xargs rm -rf\n"
        "dpkg-buildpackage -us -uc >/build/log 2>&1 || { tail -n 40 /build/log; exit 1; }\n"
        "lintian --allow-root --fail-on none /build/*.changes /build/*.deb; ls /build/*.deb",
        shared=TOP,
    )
    assert lintian_says(said) == []
    assert [line.split("/")[-1] for line in said.splitlines() if line.endswith(".deb")] == [d.name for d in debs.values()]


def test_the_machine_that_tests_gets_all_that_the_build_needs() -> None:
    field = re.search(r"^Build-Depends:\n((?: .*\n)+)", (TOP / "debian/control").read_text(), re.M)
    assert field is not None
    needed = set(re.findall(r"^ ([a-z0-9.+-]+)", field[1], re.M)) - {"debhelper-compat", "dh-sequence-python3"}
    installed = (TOP / "tests/host-packages").read_text().split('"')[1].split()
    assert needed - set(installed) == set()
