from hypothesis import given
from hypothesis import strategies as st

from services.local.streams import Group, keep_from, readers

IDS = st.tuples(st.integers(0, 10**13), st.integers(0, 100))
GROUPS = st.builds(Group, last_delivered=IDS, oldest_pending=st.none() | IDS)


def test_a_stream_that_no_group_reads_is_kept_whole() -> None:
    assert keep_from([]) is None


def test_what_one_group_has_not_been_given_yet_is_kept() -> None:
    fast = Group(last_delivered=(200, 0), oldest_pending=None)
    slow = Group(last_delivered=(100, 4), oldest_pending=None)

    assert keep_from([fast, slow]) == (100, 5)


def test_what_one_group_has_not_acknowledged_is_kept() -> None:
    done = Group(last_delivered=(200, 0), oldest_pending=None)
    stuck = Group(last_delivered=(200, 0), oldest_pending=(50, 1))

    assert keep_from([done, stuck]) == (50, 1)


@given(st.lists(GROUPS, min_size=1))
def test_nothing_that_any_group_still_needs_goes(groups: list[Group]) -> None:
    keep = keep_from(groups)

    assert keep is not None
    assert all(keep <= group.needs_from for group in groups)
    assert any(keep == group.needs_from for group in groups)


def test_who_reads_a_stream_is_written_in_the_components() -> None:
    found = readers()

    assert found["orders"] == {"inventory", "order", "payment", "notification"}
    assert found["dead-letters.payment"] == {"payment"}
    assert not any("user" in apps for topic, apps in found.items() if not topic.startswith("dead-letters"))
