import io
import json
from pathlib import Path

import pytest

from services.local.chaos import history
from services.local.chaos.history import Attempt, History, Outcome


def test_an_operation_is_two_lines_in_jepsens_form() -> None:
    stream, times = io.StringIO(), iter([10.0, 10.5])
    told = History(stream, clock=lambda: next(times))

    told.invoke("ada", "place", {"key": "k"}).ends(Outcome.OK, order_id="o")

    invoked, ended = (json.loads(line) for line in stream.getvalue().splitlines())
    assert invoked == {
        "time": 10.0,
        "process": "ada",
        "type": "invoke",
        "f": "place",
        "id": ended["id"],
        "value": {"key": "k"},
    }
    assert ended == invoked | {"time": 10.5, "type": "ok", "value": {"key": "k", "order_id": "o"}}


def test_operations_are_read_with_both_their_ends(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    with file.open("w") as stream:
        told = History(stream)
        first, second = told.invoke("ada", "pay", {"order_id": "a"}), told.invoke("ben", "pay", {"order_id": "b"})
        second.ends(Outcome.FAIL, error="payment-declined", status=402)
        first.ends(Outcome.OK, status="succeeded")

    ada, ben = history.read(file)

    assert (ada.process, ada.outcome, ada.told["status"]) == ("ada", Outcome.OK, "succeeded")
    assert (ben.process, ben.outcome, ben.told["error"]) == ("ben", Outcome.FAIL, "payment-declined")
    assert ada.ended is not None
    assert ada.ended >= ada.began


def test_an_operation_that_never_ended_is_unknown_and_half_a_line_is_none(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    with file.open("w") as stream:
        History(stream).invoke("ada", "place", {"key": "k"})
        stream.write('{"time": 3, "pro')

    (attempt,) = history.read(file)

    assert (attempt.outcome, attempt.ended) == (Outcome.INFO, None)
    assert not attempt.is_answered


def test_a_history_that_is_still_written_is_read_on(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    following = history.Following(file)
    with file.open("w") as stream:
        told = History(stream)
        first = told.invoke("ada", "place", {"key": "a"})
        seen = [[one.outcome for one in following.attempts()]]
        stream.write('{"time": 3, "process": "ben", "type": "invoke", "id": "b", "f": "pl')
        stream.flush()
        seen.append([one.outcome for one in following.attempts()])
        stream.write('ace", "value": {}}\n')
        first.ends(Outcome.OK, order_id="o")
        seen.append([one.outcome for one in following.attempts()])

    assert seen == [[Outcome.INFO], [Outcome.INFO], [Outcome.OK, Outcome.INFO]]
    assert following.attempts() == history.read(file)


@pytest.mark.parametrize(
    ("outcome", "told", "answered"),
    [
        (Outcome.OK, {}, True),
        (Outcome.FAIL, {"status": 409, "error": "insufficient-stock"}, True),
        (Outcome.FAIL, {"status": 429, "error": "too-many-requests"}, False),
        (Outcome.INFO, {"status": 503, "error": "service-unavailable"}, False),
        (Outcome.INFO, {"status": 409, "error": "request-in-progress"}, True),
        (Outcome.INFO, {"error": "no answer in time"}, False),
    ],
)
def test_a_proper_answer_is_a_success_even_when_it_is_no(
    *, outcome: Outcome, told: dict[str, object], answered: bool
) -> None:
    attempt = Attempt(id="1", process="ada", function="place", began=0, value={}, outcome=outcome, told=told)

    assert attempt.is_answered is answered
