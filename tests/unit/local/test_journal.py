from pathlib import Path

import pytest

from services.local import journal
from services.local.refusals import Refusal
from services.local.state import State


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path)
    state.create()
    state.log("order").write_text("one\ntwo\n")
    state.log("order.sidecar").write_text("three\n")
    return state


def test_logs_are_chosen_by_the_names_of_processes(state: State) -> None:
    assert journal.chosen(state, ("order.sidecar",)) == (state.log("order.sidecar"),)
    assert journal.chosen(state, ()) == (state.log("order"), state.log("order.sidecar"))


def test_an_unknown_name_is_refused_with_those_that_exist(state: State) -> None:
    with pytest.raises(Refusal, match=r"no log of shop\. There are: order, order\.sidecar\."):
        journal.chosen(state, ("shop",))


def test_without_any_log_there_is_nothing_to_show(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="There are: none"):
        journal.chosen(State(tmp_path), ())


def test_one_log_is_shown_as_it_is_and_several_with_their_names(
    state: State, capsys: pytest.CaptureFixture[str]
) -> None:
    journal.show(state, ["order"], lines=1, follow=False)
    alone = capsys.readouterr().out
    journal.show(state, [], lines=5, follow=False)
    together = capsys.readouterr().out

    assert alone == "two\n"
    assert [line.split() for line in together.splitlines()] == [
        ["order", "one"],
        ["order", "two"],
        ["order.sidecar", "three"],
    ]


def test_only_whole_new_lines_are_read(state: State) -> None:
    log = state.log("order")
    with log.open("a") as handle:
        handle.write("three\nunfini")

    end, lines = journal.new_lines(log, len("one\ntwo\n"))

    assert lines == ["three"]
    assert end == len("one\ntwo\nthree\n")
    assert journal.new_lines(log, end) == (end, [])


def test_a_log_that_was_moved_aside_is_read_from_its_beginning(state: State) -> None:
    _, lines = journal.new_lines(state.log("order"), 1_000)

    assert lines == ["one", "two"]


def test_following_goes_on_with_lines_as_they_come(state: State) -> None:
    followed = journal.followed({state.log("order"): 4})

    assert next(followed) == (state.log("order"), "two")
