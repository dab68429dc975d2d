"""Where domUs go when there are more destinations than copies: hypothesis looks for plans that no administrator wants."""

from hypothesis import given
from hypothesis import strategies as st
from xen_legi.backup.spread import Room, Wish, spread

GIB = 1 << 30
PEERS = ("dom0b", "dom0c", "dom0d")


def rooms(
    *free: int | None, holds: dict[str, set[str]] | None = None, chosen: dict[str, set[str]] | None = None
) -> list[Room]:
    """The peers with so much room, in GiB."""
    return [Room(name, name, None if size is None else size * GIB,
                 *(frozenset((names or {}).get(name, ())) for names in (holds, chosen))) for name, size in zip(PEERS, free)]


def test_where_copies_and_destinations_are_as_many_each_gets_one() -> None:
    assert spread([Wish("web1", GIB, PEERS, 3), Wish("db1", GIB, PEERS)], rooms(1, None, 0)) == {"web1": PEERS, "db1": PEERS}


def test_the_first_copies_go_where_most_room_is_left() -> None:
    assert spread([Wish("web1", GIB, PEERS, 2)], rooms(5, 9, 7)) == {"web1": ("dom0c", "dom0d")}


def test_what_is_placed_takes_room_from_the_next() -> None:
    found = spread([Wish(name, 4 * GIB, PEERS, 1) for name in ("a", "b", "c")], rooms(10, 9, 8))
    assert sorted(found.values()) == [("dom0b",), ("dom0c",), ("dom0d",)]


def test_a_domu_stays_where_its_copies_are() -> None:
    held = rooms(1, 90, 80, holds={"dom0b": {"web1"}, "dom0d": {"web1"}})
    assert spread([Wish("web1", GIB, PEERS, 2)], held) == {"web1": ("dom0b", "dom0d")}


def test_of_many_places_with_a_copy_those_of_the_last_time_are_taken() -> None:
    everywhere = {name: {"web1"} for name in PEERS}
    held = rooms(90, 1, 2, holds=everywhere, chosen={"dom0c": {"web1"}, "dom0d": {"web1"}})
    assert spread([Wish("web1", GIB, PEERS, 2)], held) == {"web1": ("dom0c", "dom0d")}


def test_a_copy_that_was_only_begun_goes_on_where_it_was_begun() -> None:
    held = rooms(1, 90, 80, holds={"dom0d": {"web1"}}, chosen={"dom0b": {"web1"}})
    assert spread([Wish("web1", 4 * GIB, PEERS, 2)], held) == {"web1": ("dom0b", "dom0d")}


def test_the_group_that_a_domu_is_in_is_taken_last_of_those_with_room() -> None:
    places = [Room("vg0", "dom0a", 90 * GIB), Room("dom0b", "dom0b", 5 * GIB)]
    assert spread([Wish("web1", GIB, ("vg0", "dom0b"), 1, frozenset({"vg0"}))], places) == {"web1": ("dom0b",)}


def test_a_host_that_is_down_keeps_its_domus_and_gets_no_others() -> None:
    held = rooms(1, None, 80, holds={"dom0c": {"web1"}})
    wishes = [Wish("web1", GIB, PEERS, 1), Wish("new1", GIB, PEERS, 2)]
    assert spread(wishes, held) == {"web1": ("dom0c",), "new1": ("dom0b", "dom0d")}


def test_a_lack_of_room_is_no_reason_to_say_nothing() -> None:
    assert spread([Wish("web1", 50 * GIB, PEERS, 2)], rooms(1, 3, None)) == {"web1": ("dom0b", "dom0c")}


def test_two_groups_of_one_host_are_one_place() -> None:
    places = [Room("vg1", "dom0a", 90 * GIB), Room("vg2", "dom0a", 80 * GIB), Room("dom0b", "dom0b", GIB)]
    assert spread([Wish("web1", GIB, ("vg1", "vg2", "dom0b"), 2)], places) == {"web1": ("vg1", "dom0b")}
    assert spread([Wish("web1", GIB, ("vg1", "vg2"), 1)], places) == {"web1": ("vg1",)}


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), max_size=12),
    st.lists(st.tuples(st.sampled_from("xyz"), st.none() | st.integers(0, 100)), min_size=1, max_size=5),
)
def test_no_plan_puts_two_copies_on_one_host_or_makes_fewer_than_it_could(
    domus: list[tuple[int, int]], places: list[tuple[str, int | None]]
) -> None:
    found = [Room(f"p{at}", host, free) for at, (host, free) in enumerate(places)]
    names, hosts = tuple(one.name for one in found), {one.name: one.host for one in found}
    wishes = [Wish(f"d{at}", size, names, copies) for at, (size, copies) in enumerate(domus)]
    for wish in wishes:
        chosen = spread(wishes, found)[wish.domu]
        if wish.free_to_choose:
            assert len({hosts[name] for name in chosen}) == len(chosen) == min(wish.copies, len(set(hosts.values())))
        else:
            assert chosen == names
