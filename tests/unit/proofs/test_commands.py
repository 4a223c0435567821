"""`./sidecart prove defects`: what it plants, what it writes, and when it is content."""

import json
from collections.abc import Sequence
from pathlib import Path

import typer
from typer.testing import CliRunner

from services.local.audit import Finding
from services.local.proofs.defects import commands
from services.local.proofs.defects.defect import Defect
from services.local.proofs.defects.rounds import Round, Tell
from services.local.proofs.defects.table import DEFECTS


class Rounds:
    """Finds something in as many rounds as it is told to, and keeps what it was asked to plant."""

    def __init__(self, *, seeing: int) -> None:
        self.seeing = seeing
        self.planted: list[str] = []

    def __call__(self, defects: Sequence[Defect], *, tell: Tell) -> list[Round]:
        self.planted = [defect.name for defect in defects]
        rounds = [self._round(number, defect) for number, defect in enumerate(defects)]
        for one in rounds:
            tell(one)
        return rounds

    def _round(self, number: int, defect: Defect) -> Round:
        seen = [Finding(invariant=min(defect.breaks), check="seen", subject="lamp", told={})]
        found = seen if number < self.seeing else []
        return Round(journey=defect.journey.name, defect=defect, findings=found, seconds=1.0)


def run(rounds: Rounds, *arguments: str) -> int:
    app = typer.Typer()
    app.callback()(lambda: None)
    commands.register(app, rounds)
    return CliRunner().invoke(app, ["defects", *arguments]).exit_code


def test_all_defects_are_planted_and_all_have_to_be_seen() -> None:
    rounds = Rounds(seeing=len(DEFECTS))

    assert run(rounds) == 0
    assert rounds.planted == [defect.name for defect in DEFECTS]


def test_one_that_is_not_seen_is_a_failure() -> None:
    assert run(Rounds(seeing=4), "--sample", "5", "--seed", "2") == 1
    assert run(Rounds(seeing=5), "--sample", "5", "--seed", "2") == 0


def test_every_round_is_written_to_a_file(tmp_path: Path) -> None:
    written = tmp_path / "rounds.json"

    assert run(Rounds(seeing=1), "--only", "the-inbox-is-ignored", "--json", str(written)) == 0
    assert [one["defect"] for one in json.loads(written.read_text())["rounds"]] == ["the-inbox-is-ignored"]


def test_a_section_with_everything_that_repeats_the_run_is_added_to_the_results(tmp_path: Path) -> None:
    results = tmp_path / "RESULTS.md"
    results.write_text("# Results\n")

    run(Rounds(seeing=2), "--sample", "3", "--seed", "2", "--results", str(results))

    first, _, title, _, *lines = results.read_text().splitlines()
    assert (first, title[:18]) == ("# Results", "## prove defects, ")
    assert lines[:2] == ["- command: ./sidecart prove defects --sample 3 --seed 2", "- seed: 2"]
    assert lines[2].startswith("- commit: ")
    assert lines[3] == "- duration: 0 s"
    assert "| planted defects caught | 3 of 3 | 2 of 3 | missed |" in lines
