"""Which generation of a copy is good, and what is done about the rest, at every moment at which a run can be killed."""

from dataclasses import replace

from xen_legi.backup import generations
from xen_legi.backup.generations import Action, Copy, Do, Generation
from xen_legi.storage.lvm import Volume

GIB = 1 << 30


def volume(name: str, slot: str, *tags: str, origin: str = "", group: str = "vg0", invalid: bool = False) -> Volume:
    """A volume of a copy of web1 with these tags, `xen-legi.` left out."""
    said = {"xen-legi", "xen-legi.copy", "xen-legi.domu=web1", f"xen-legi.volume={slot}", "xen-legi.from=dom0a"}
    return Volume(group, name, GIB, "owi-a-s---", frozenset(said | {f"xen-legi.{tag}" for tag in tags}), origin, "", name,
                  True, False, invalid, None)


def copy_of(*volumes: Volume) -> Copy:
    """The one copy that these volumes make."""
    (one,) = generations.copies(volumes).values()
    return one


DISK = volume("web1-disk.copy", "web1-disk", "state=good", "generation=3/2", "time=1700000000", "files=20000")
SWAP = volume("web1-swap.copy", "web1-swap", "state=good", "generation=3/2", "time=1700000000")
WRITTEN = volume("web1-disk.copy", "web1-disk", "state=dirty", "run=r4")
KEPT = volume("web1-disk.good", "web1-disk", "state=good", "generation=3/2", "files=20000", origin="web1-disk.copy")
ASIDE = replace(KEPT, origin="")
FITS = {"web1-disk": True, "web1-swap": True}


def begin(copy: Copy, fits: dict[str, bool] = FITS) -> list[Action]:
    """What begin does, with the swap volume as the one without files."""
    return generations.begin(copy, fits, ["web1-swap"])


def doings(actions: list[Action]) -> list[tuple[str, str]]:
    """Actions in few words."""
    return [(one.do.name, one.slot.removeprefix("web1-")) for one in actions]


def test_a_copy_whose_volumes_all_hold_one_generation_is_good() -> None:
    copy = copy_of(DISK, SWAP)
    assert (copy.best, copy.clean, copy.source) == (Generation(3, 2), True, "dom0a")
    assert (copy.files, copy.time, copy.newest) == (20000, 1700000000, 3)


def test_a_generation_of_which_one_volume_is_missing_is_not_complete() -> None:
    assert copy_of(DISK).best is None


def test_volumes_without_our_tags_are_no_copy_whatever_their_names() -> None:
    assert generations.copies([replace(DISK, tags=frozenset())]) == {}
    assert generations.copies([replace(DISK, tags=frozenset({"xen-legi.domu=web1", "xen-legi.volume=web1-disk"}))]) == {}


def test_while_a_new_generation_is_written_the_kept_one_is_the_good_one() -> None:
    copy = copy_of(WRITTEN, KEPT, SWAP)
    assert (copy.best, copy.clean) == (Generation(3, 2), False)
    assert copy.files == 20000


def test_a_kept_generation_that_overflowed_is_not_believed() -> None:
    assert copy_of(WRITTEN, replace(KEPT, invalid=True), SWAP).best is None


def test_a_commit_that_was_cut_off_between_two_volumes_leaves_the_former_generation() -> None:
    tagged = volume("web1-disk.copy", "web1-disk", "state=good", "generation=4/2")
    copy = copy_of(tagged, KEPT, SWAP)
    assert copy.best == Generation(3, 2)
    assert doings(generations.finish(copy)) == [("FORGET", "disk")]
    assert doings(begin(copy)) == [("DIRTY", "disk")]


def test_a_commit_that_was_cut_off_after_the_last_volume_is_finished_later() -> None:
    disk = volume("web1-disk.copy", "web1-disk", "state=good", "generation=4/2")
    swap = volume("web1-swap.copy", "web1-swap", "state=good", "generation=4/2", "generation=3/2")
    copy = copy_of(disk, KEPT, swap)
    assert copy.best == Generation(4, 2)
    assert doings(generations.finish(copy)) == [("DROP_GOOD", "disk"), ("FORGET", "swap")]


def test_begin_makes_what_is_not_there() -> None:
    copy = Copy("web1", "vg0", "dom0a", {})
    assert doings(begin(copy, {"web1-disk": False, "web1-swap": False})) == [
        ("MAKE", "disk"), ("MAKE", "swap"), ("DIRTY", "disk"),
    ]


def test_begin_keeps_the_good_generation_before_it_says_that_the_copy_is_written() -> None:
    assert doings(begin(copy_of(DISK, SWAP))) == [("KEEP", "disk"), ("DIRTY", "disk")]


def test_begin_goes_on_with_what_a_killed_run_has_written() -> None:
    assert doings(begin(copy_of(WRITTEN, KEPT, SWAP))) == [("DIRTY", "disk")]
    assert doings(begin(copy_of(WRITTEN))) == [("MAKE", "swap"), ("DIRTY", "disk")]


def test_begin_makes_a_volume_beside_the_good_one_if_its_size_changed() -> None:
    assert doings(begin(copy_of(DISK, SWAP), {"web1-disk": False, "web1-swap": True})) == [
        ("SET_ASIDE", "disk"), ("MAKE", "disk"), ("DIRTY", "disk"),
    ]


def test_a_size_that_changes_after_a_killed_run_first_brings_the_good_one_back() -> None:
    assert doings(begin(copy_of(WRITTEN, KEPT, SWAP), {"web1-disk": False, "web1-swap": True})) == [
        ("MERGE", "disk"), ("SETTLE", "disk"), ("SET_ASIDE", "disk"), ("MAKE", "disk"), ("DIRTY", "disk"),
    ]


def test_an_unfinished_volume_beside_the_good_one_is_made_anew_if_the_size_changes_again() -> None:
    assert doings(begin(copy_of(WRITTEN, ASIDE, SWAP), {"web1-disk": False, "web1-swap": True})) == [
        ("DROP_COPY", "disk"), ("MAKE", "disk"), ("DIRTY", "disk"),
    ]


def test_a_volume_that_was_never_formatted_is_made_anew() -> None:
    new = volume("web1-disk.copy", "web1-disk", "state=new")
    assert doings(begin(copy_of(new), {"web1-disk": False}))[:2] == [("DROP_COPY", "disk"), ("MAKE", "disk")]


def test_a_disk_that_the_domu_has_no_more_is_set_aside_until_the_new_generation_is_good() -> None:
    data = volume("web1-data.copy", "web1-data", "state=good", "generation=3/3")
    two, three = {"xen-legi.generation=3/2"}, {"xen-legi.generation=3/3"}
    disk, swap = (replace(one, tags=one.tags - two | three) for one in (DISK, SWAP))
    copy = copy_of(disk, swap, data)
    assert ("SET_ASIDE", "data") in doings(begin(copy))
    aside = replace(data, name="web1-data.good")
    done = [replace(one, tags=one.tags | {"xen-legi.generation=4/2"}) for one in (disk, swap)]
    assert copy_of(disk, swap, aside).best == Generation(3, 3)
    assert ("DROP_GOOD", "data") in doings(generations.finish(copy_of(*done, aside)))


def test_restore_merges_a_snapshot_puts_back_a_whole_volume_and_drops_a_new_disk() -> None:
    new = volume("web1-data.copy", "web1-data", "state=dirty", "run=r4")
    assert doings(generations.restore(copy_of(WRITTEN, KEPT, SWAP, new))) == [("MERGE", "disk"), ("DROP_COPY", "data")]
    assert doings(generations.restore(copy_of(WRITTEN, ASIDE, SWAP))) == [("DROP_COPY", "disk"), ("PUT_BACK", "disk")]
    assert doings(generations.restore(copy_of(ASIDE, SWAP))) == [("PUT_BACK", "disk")]
    assert generations.restore(copy_of(DISK, SWAP)) == []


def test_a_merge_that_was_announced_but_not_begun_is_begun_again() -> None:
    announced = volume("web1-disk.copy", "web1-disk", "state=merging", "merging=3/2")
    copy = copy_of(announced, KEPT, SWAP)
    assert copy.best == Generation(3, 2)
    assert doings(generations.finish(copy)) == []
    assert doings(generations.restore(copy)) == [("MERGE", "disk")]


def test_a_merge_that_was_begun_counts_as_done_because_the_kernel_answers_for_it() -> None:
    begun = volume("web1-disk.copy", "web1-disk", "state=merging", "merging=3/2", "files=20000")
    copy = copy_of(begun, SWAP)
    assert (copy.best, copy.clean, copy.files) == (Generation(3, 2), True, 20000)
    assert doings(generations.finish(copy)) == [("SETTLE", "disk")]


def test_nothing_is_finished_in_a_promoted_copy() -> None:
    disk = replace(DISK, tags=DISK.tags - {"xen-legi", "xen-legi.copy"} | {"xen-legi.promoted"}, name="web1-disk")
    copy = copy_of(disk, SWAP, KEPT)
    assert copy.promoted
    assert generations.finish(copy) == []


def test_copies_in_two_groups_are_two_copies() -> None:
    other = replace(DISK, group="vg1")
    assert set(generations.copies([DISK, SWAP, other])) == {("vg0", "web1"), ("vg1", "web1")}


def test_every_action_says_what_it_does() -> None:
    assert all("web1-disk" in str(Action(one, "web1-disk")) for one in Do)


def test_a_copy_whose_run_was_stopped_at_its_limit_is_measured_against_the_last_good_one_again() -> None:
    stopped = replace(WRITTEN, tags=WRITTEN.tags | {generations.LIMIT_HIT})
    assert doings(begin(copy_of(stopped, KEPT, SWAP))) == [
        ("MERGE", "disk"), ("SETTLE", "disk"), ("KEEP", "disk"), ("DIRTY", "disk")]
    for others in ((stopped, ASIDE, SWAP), (WRITTEN, ASIDE, SWAP), (WRITTEN, KEPT, SWAP)):
        assert doings(begin(copy_of(*others))) == [("DIRTY", "disk")]
