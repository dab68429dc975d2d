"""What a client may say to the receiver, and what is refused."""

import pytest
from xen_legi.backup import receive
from xen_legi.errors import Problem
from xen_legi.peers import words
from xen_legi.peers.words import Order, Transfer

# what rsync 3.5.0 (Debian 12 and 13) says for -aHAXxS --numeric-ids --delete-after --timeout=600 --modify-window=-1 and more
SYNC = "--server -lHogDtpAXrxSe.iLsfxCIvu --timeout=600 --delete-after --stats -@-1 --numeric-ids . copy"
WHOLE = SYNC.replace("-lH", "-lWH")
VERIFY = "--server -nlHogDtpAXrxSe.iLsfxCIvu --log-format=%i --timeout=600 --delete-after -@-1 --numeric-ids . copy"


def transfer(line: str) -> Transfer:
    """What the receiver makes of a transfer's line."""
    return words.transfer(words.parse(line))


def test_every_verb_of_the_language_is_one_of_the_receiver() -> None:
    assert set(receive._VERBS) == set(words.VERBS)


def test_orders_have_a_verb_and_its_words() -> None:
    assert words.parse("begin web1") == Order("begin", ("web1",))
    assert words.parse("commit web1 20261123-0200-ab") == Order("commit", ("web1", "20261123-0200-ab"))
    assert words.parse("status") == Order("status", ())


@pytest.mark.parametrize("line", [
    "", " ", "sh", "status; id", "status && id", "status\nid", "begin $(id)", "begin `id`", "begin ../web1", "begin /etc",
    "begin ..", "begin -x", "begin", "begin web1 web2", "commit web1", "remove web1", "kernel vmlinuz-6 ../../etc/passwd",
    "begin " + "x" * 70, "status " * 200, "begin wéb",
    "domus web1", "domus *", "begin web1\x00", "rsync --server . /", "begin 'web1'", "begin web\\1",
])
def test_what_is_not_in_the_language_is_refused(line: str) -> None:
    with pytest.raises(Problem, match="refused"):
        words.parse(line)


def test_a_transfer_is_what_our_own_client_says() -> None:
    assert transfer(f"sync web1 web1-disk r1 {SYNC}") == Transfer("iLsfxCIvu", whole=False, checksum=False)
    assert transfer(f"sync web1 web1-disk r1 {WHOLE}") == Transfer("iLsfxCIvu", whole=True, checksum=False)
    assert transfer(f"verify web1 web1-disk r1 {VERIFY}") == Transfer("iLsfxCIvu", whole=False, checksum=False)
    summed = SYNC.replace("rxS", "rcxS")
    assert transfer(f"sync web1 web1-disk r1 {summed}") == Transfer("iLsfxCIvu", whole=False, checksum=True)
    assert "c" in words.server("sync", Transfer("iLsfxCIvu", whole=True, checksum=True), "/mnt/x", 9)[2].split("e.")[0]
    limited = SYNC.replace("--stats", "--bwlimit=20480 --stats")
    assert transfer(f"sync web1 web1-disk r1 {limited}") == transfer(f"sync web1 web1-disk r1 {SYNC}")
    checked = VERIFY.replace("rxS", "rcxS")
    assert transfer(f"verify web1 web1-disk r1 {checked}") == Transfer("iLsfxCIvu", whole=False, checksum=True)


@pytest.mark.parametrize("change", [
    (" . copy", " . /etc"), (" . copy", " . ../x"), (" . copy", " . copy copy"), ("--delete-after", "--delete"),
    ("--delete-after", "--delete-after --remove-source-files"), ("--delete-after", "--delete-after --inplace"),
    ("--delete-after", ""), ("--server", "--server --sender"), ("--numeric-ids", "--numeric-ids --write-devices"),
    ("--numeric-ids", "--fake-super"), ("-lHog", "-lHogK"), ("-lHog", "-lHogL"), ("-lHog", "-nlHog"), ("-lHog", "-Hog"),
    ("-lHog", "-llHog"), ("e.iLs", "e.iLs,x"), ("--timeout=600", "--timeout=0"), ("--stats", "--log-file=x"),
    ("-@-1", "-@9"), ("-@-1", ""), ("--stats", "--temp-dir=x"),
    ("--stats", "--stats --bwlimit=1m"), ("--stats", "--stats --bwlimit=-1"),
    ("--stats", "--max-alloc=900g"), ("--stats", "--stats --max-delete=-1"),
])
def test_a_transfer_with_other_options_is_refused(change: tuple[str, str]) -> None:
    line = f"sync web1 web1-disk r1 {SYNC}".replace(*change)
    with pytest.raises(Problem, match="refused"):
        transfer(line)


def test_files_may_be_written_in_place_only_together_with_deleting_before_and_never_in_a_comparison() -> None:
    tight = SYNC.replace("--delete-after", "--delete-before").replace(" . copy", " --inplace . copy")
    assert transfer(f"sync web1 web1-disk r1 {tight}") == Transfer("iLsfxCIvu", whole=False, checksum=False, tight=True)
    for line in (f"sync web1 d r1 {tight.replace(' --inplace', '')}",
                 f"sync web1 d r1 {SYNC.replace(' . copy', ' --inplace . copy')}",
                 f"verify web1 d r1 {VERIFY.replace('--delete-after', '--delete-before --inplace')}"):
        with pytest.raises(Problem, match="refused"):
            transfer(line)


def test_a_comparison_that_would_write_is_refused() -> None:
    with pytest.raises(Problem, match="refused"):
        transfer(f"verify web1 web1-disk r1 {VERIFY.replace('-nl', '-l')}")


def test_the_servers_options_are_ours_whatever_the_client_said() -> None:
    argv = words.server("sync", Transfer("iLsfxCIvu", whole=False, checksum=False), "/mnt/x", 1000)
    assert argv[:2] == ["rsync", "--server"] and argv[-2:] == [".", "/mnt/x/"]
    tight = words.server("sync", Transfer("iLsfxCIvu", whole=False, checksum=False, tight=True), "/mnt/x", 1000)
    assert set(tight[3:-2]) ^ set(argv[3:-2]) == {"--delete-after", "--delete-before", "--inplace"}
    assert set(argv[3:-2]) == {"--timeout=600", "--delete-after", "--numeric-ids", "-@-1", "--stats", "--max-delete=1000"}
    assert sorted(argv[2].split("e.")[0]) == sorted("-lHogDtpAXrxS")
    again = words.server("verify", Transfer("iLsfxCIvu", whole=False, checksum=True), "/mnt/x", None)
    assert set("nc") <= set(again[2].split("e.")[0]) and "--log-format=%i" in again
    assert not [word for word in argv + again if "inplace" in word or "partial" in word]
