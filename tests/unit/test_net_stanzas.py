"""The parser of interfaces(5), against what ifquery of ifupdown 0.8.41 was seen to answer."""

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

import pytest

from xen_legi.net.files import Disk, parse_call
from xen_legi.net.stanzas import Interfaces, Option, Stanza, parse, selected, source_words, with_stanza


class Files(dict[str, str]):
    """Files of a test, all in one directory."""

    def read(self, path: str) -> str:
        if path not in self:
            raise FileNotFoundError(2, "No such file or directory")
        return self[path]

    def expand(self, pattern: str, beside: str, directory: bool) -> Sequence[str]:
        return sorted(path for path in self if fnmatch(path, f"{pattern}/*" if directory else pattern))


def read(text: str, **others: str) -> Interfaces:
    return parse("i", Files(i=text, **others))


def options(interfaces: Interfaces, name: str) -> list[tuple[str, str]]:
    return [(option.name, option.value) for stanza in interfaces.of(name) for option in stanza.options]


def problems(interfaces: Interfaces) -> list[str]:
    return [str(problem) for problem in interfaces.problems]


def test_a_stanza_has_a_family_a_method_and_options_with_their_places() -> None:
    found = read("iface vlan72 inet manual\n    vlan-raw-device bond0\n")
    assert found.stanzas == (
        Stanza("vlan72", "inet", "manual", (Option("vlan-raw-device", "bond0", "i:2"),), "i:1"),
    )


def test_underscores_and_capitals_are_the_same_as_for_a_hook() -> None:
    assert options(read("iface a inet manual\n Bridge_Ports x\n bridge-fd 0\n"), "a") == [
        ("bridge-ports", "x"), ("bridge-fd", "0"),
    ]


def test_a_backslash_joins_lines_and_comments_are_skipped_in_front_of_lines_only() -> None:
    text = "# c \\\nauto a\niface a inet manual\n    bridge_ports x \\\n      y z\n    # inner \\\n    stp off # no\n"
    assert options(read(text), "a") == [("bridge-ports", "x       y z"), ("stp", "off # no")]


def test_a_continued_line_swallows_a_comment_as_ifupdown_does() -> None:
    assert options(read("iface a inet manual\n   a b \\\n# not comment\n   c d\n"), "a") == [
        ("a", "b # not comment"), ("c", "d"),
    ]


def test_auto_and_allow_lines_keep_their_order_and_class() -> None:
    found = read("auto lo b\nallow-hotplug eth9\nallow-auto a\n")
    assert found.listed("auto") == ("lo", "b", "a")
    assert found.listed("hotplug") == ("eth9",)


def test_inherits_puts_the_options_of_an_earlier_stanza_in_front() -> None:
    text = "iface a inet manual\n mtu 1500\niface b inherits a\n fd 0\niface c inet static inherits a\n mtu? 9000\n new? 1\n"
    found = read(text)
    assert options(found, "b") == [("mtu", "1500"), ("fd", "0")]
    assert found.of("b")[0].method == "manual"
    assert options(found, "c") == [("mtu", "1500"), ("new", "1")]


def test_sourced_files_are_read_in_place_and_end_a_stanza() -> None:
    found = read("iface a inet manual\n x 1\nsource s*\nauto a\n", s1="auto b\niface b inet manual\n y 2\n")
    assert found.listed("auto") == ("b", "a")
    assert options(found, "b") == [("y", "2")]


def test_an_error_costs_the_rest_of_its_file_and_nothing_else() -> None:
    found = read("source s1\nauto z\n", s1="auto a\niface a inet manual\n k v\niface b inet foo\niface c inet manual\n")
    assert [stanza.name for stanza in found.stanzas] == ["a"]
    assert found.listed("auto") == ("a", "z")
    assert problems(found) == ["s1:4: iface b: inet foo is not known to ifupdown; the rest of the file is not read"]


@pytest.mark.parametrize("text, message", [
    ("iface a inet manual\n mtu\n", "i:2: mtu has no value"),
    ("mtu 1500\n", "i:1: mtu stands outside of a stanza"),
    ("auto a\n up x\n", "i:2: up stands outside of a stanza"),
    ("iface a\n", "i:1: iface a lacks its address family and method, as in iface a inet manual"),
    ("iface a inet manual inherits b\n", "i:1: iface a inherits from b, which is not defined before it"),
    ("iface\n", "i:1: iface NAME lacks its address family and method, as in iface NAME inet manual"),
    ("iface a inherits\n", "i:1: iface a inherits from , which is not defined before it"),
])
def test_what_ifupdown_refuses_is_told_with_its_place(text: str, message: str) -> None:
    assert problems(read(text)) == [f"{message}; the rest of the file is not read"]


def test_a_file_that_is_missing_or_sources_itself_is_told() -> None:
    assert problems(parse("nix", Files())) == ["nix: cannot be read: No such file or directory"]
    found = read("source i\nauto a\n")
    assert problems(found) == ["i: the file sources itself"] and found.problems[0].level == "warning"
    assert found.listed("auto") == ("a",)


def test_words_after_the_method_are_told_and_ignored() -> None:
    found = read("iface a inet manual extra words\n x 1\n")
    assert problems(found) == ["i:1: iface a: extra words is not understood and ignored"]
    assert options(found, "a") == [("x", "1")]


def test_a_mapping_takes_the_lines_that_follow_it() -> None:
    found = read("mapping eth*\n script x\n map a b\nauto a\n")
    assert not found.problems and found.mappings == ("eth*",)


def test_selected_are_the_names_and_patterns_of_the_class() -> None:
    found = read("auto lo /eth*\nauto b c=logical mac/00:*\nallow-hotplug h\n")
    assert selected(found, "auto", {"eth1", "eth0", "x"}) == ("lo", "eth0", "eth1", "b")
    assert selected(found, "hotplug", ()) == ("h",)
    assert selected(read("auto /eth*/2\n"), "auto", {"eth1", "eth0", "eth2"}) == ("eth1",)


def test_what_has_no_scripts_a_mapping_or_an_exclusion_is_not_selected() -> None:
    found = read("auto a b eth0 x\nno-scripts b\nmapping eth*\n script s\n")
    assert selected(found, "auto", (), ["x"]) == ("a",)


def test_the_stanza_that_ifup_hands_over_replaces_those_of_its_family() -> None:
    text = "iface a inet manual\n x 1\niface a inet manual\n x 2\niface a inet6 auto\n y 1\niface b inet manual\n z 1\n"
    found = read(text)
    mine = Stanza("a", "inet", "manual", (Option("x", "3"),))
    replaced = with_stanza(found, mine)
    assert options(replaced, "a") == [("x", "3"), ("y", "1")]
    assert [stanza.name for stanza in replaced.stanzas] == ["a", "a", "b"]
    assert options(with_stanza(found, Stanza("new", "inet", "manual", (Option("k", "v"),))), "new") == [("k", "v")]


@pytest.mark.parametrize("words, environment, interfaces, exclude", [
    (["-a"], {}, "/etc/network/interfaces", ()),
    (["-a", "-i", "/tmp/x"], {}, "/tmp/x", ()),
    (["-i/tmp/x", "--exclude=lo", "-X", "eth*"], {}, "/tmp/x", ("lo", "eth*")),
    (["--interfaces=/tmp/x", "a"], {"EXCLUDE_INTERFACES": "b"}, "/tmp/x", ()),
    (["-a", "--read-environment"], {"EXCLUDE_INTERFACES": "b c"}, "/etc/network/interfaces", ("b", "c")),
])
def test_how_ifup_was_called_decides_which_files_are_read(
    words: list[str], environment: dict[str, str], interfaces: str, exclude: tuple[str, ...]
) -> None:
    call = parse_call(words, environment)
    assert (call.interfaces, call.exclude) == (interfaces, exclude)


def test_a_file_that_is_not_there_is_told_and_a_directory_may_be_empty() -> None:
    assert problems(read("source vlan72\n")) == ["i:1: source vlan72: there is no such file"]
    assert problems(read("source interfaces.d/*\nsource-directory interfaces.d\n")) == []


def test_every_absolute_name_of_a_source_line_is_read() -> None:
    files = {"/a/i": "source /a/m1 /a/m2\nsource m3\n", "/a/m1": "auto one\n", "/a/m2": "auto two\n", "m3": "auto three\n"}
    found = parse("/a/i", Files(files))
    assert found.listed("auto") == ("one", "two", "three")
    assert not found.problems


@pytest.mark.parametrize("rest, words", [
    ("/a/m1 /a/m2", ["/a/m1", "/a/m2"]),
    ('"sp ace/q"', ["sp ace/q"]),
    ("'sp ace'/*.cfg", ["sp ace/*.cfg"]),
    (r"sp\ ace /b", ["sp ace", "/b"]),
    ('"/a/m1"', ["a/m1"]),  # the line begins with a quote: ifup puts the directory in front of it
    ("m~", ["m~"]),
    ("m[a-c]?", ["m[a-c]?"]),
    ("", []),
])
def test_a_source_line_is_words_as_a_shell_reads_them(rest: str, words: list[str]) -> None:
    assert source_words(rest) == (words, [])


@pytest.mark.parametrize("rest", [
    "$HOME/x", "~/x", "/a ~/x", "/a=~/b", "`x`", "$(x)", "{a,b}", "x(y)", "a|b", "a&", "a;b", "<x", '"a*b"', r"a\*", "[^a]",
    "[[:digit:]]",
])
def test_what_only_a_shell_expands_is_an_error_so_that_nothing_is_taken_down(rest: str) -> None:
    (problem,) = read(f"source {rest}\nauto a\n").problems
    assert problem.level == "error"
    assert str(problem).startswith(f"i:1: source {rest}: ifup would expand this as a shell does")


@pytest.mark.parametrize("rest, said", [
    ("/m* # all of them, /m2 too", "a comment has a line of its own"),
    ("/m* m2", "m2 is not read: ifup looks for it in its working directory, not beside this file"),
])
def test_what_ifup_skips_at_the_end_of_a_source_line_costs_none_of_its_files(rest: str, said: str) -> None:
    found = read(f"source {rest}\n", m2="auto b\n", **{"/m1": "auto a\n", "/m2": "auto c\n"})
    assert found.listed("auto") == ("a", "c")
    (told,) = found.problems
    assert told.level == "warning" and told.text.startswith(f"source {rest}: {said}")


def test_an_open_quote_is_an_error() -> None:
    assert problems(read("source-directory 'a\n")) == [
        "i:1: source-directory 'a: a quote is not closed, so that ifup reads nothing",
    ]


def test_a_path_is_read_once_and_another_spelling_of_it_again() -> None:
    found = read("source m*\nsource m1\nsource ./m1\n", **{"m1": "auto a\n", "./m1": "auto b\n"})
    assert found.listed("auto") == ("a", "b")
    assert not found.problems


def test_a_sourced_file_that_is_not_there_is_a_warning_as_is_a_link_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "i").write_text("source none\nsource link\nauto a\n")
    found = parse(str(tmp_path / "i"), Disk())
    assert [one.level for one in found.problems] == ["warning", "warning"]
    assert found.listed("auto") == ("a",)
    assert parse(str(tmp_path / "none"), Disk()).problems[0].level == "error"


@pytest.mark.parametrize("word", ["?", "auto?", "iface?", "source?", "no-scripts?", "mtu??"])
def test_a_keyword_with_a_question_mark_is_no_option(word: str) -> None:
    found = read(f"iface eth0 inet manual\n    {word} eth1\n    mtu? 1400\n")
    assert [one.name for one in found.stanzas[0].options] == ["mtu"] and found.classes == ()
    assert f"{word} is not understood" in found.problems[0].text
