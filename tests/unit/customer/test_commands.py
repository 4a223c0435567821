import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from services.local.customer import commands
from services.local.customer.accounts import AddressTaken
from services.local.customer.commands import EmptyPassword, Measures
from services.local.customer.figures import Figure
from services.local.customer.place import NothingRuns, Place
from tests.unit.customer.shop import Shop, opened_beside

ROW = {"sku": "A", "name": "Lamp", "price": {"amount": "12.50", "currency": "EUR"}}


@pytest.fixture
def place(shop: Shop, tmp_path: Path) -> Iterator[Place]:
    with opened_beside(shop, tmp_path) as open_shop:
        yield open_shop


@pytest.fixture
def app(place: Place) -> typer.Typer:
    app = typer.Typer()
    commands.register(app, lambda: place)
    return app


def run(app: typer.Typer, *arguments: str, stdin: str | None = None, code: int = 0) -> str:
    result = CliRunner().invoke(app, arguments, input=stdin, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def test_a_user_is_added_with_a_password_from_standard_input(app: typer.Typer, shop: Shop) -> None:
    said = run(app, "user", "add", "sam@example.com", "--role", "staff", "--password-stdin", stdin="long enough\n")

    assert "sam@example.com is staff." in said
    assert shop.users["sam@example.com"]["password"] == "long enough"
    assert list(shop.roles.values()) == ["staff"]


def test_without_the_flag_the_password_is_asked_for(app: typer.Typer, shop: Shop) -> None:
    run(app, "user", "add", "ada@example.com", "--role", "customer", stdin="typed by hand\n")

    assert shop.users["ada@example.com"]["password"] == "typed by hand"


def test_a_user_that_exists_or_has_no_password_is_refused(app: typer.Typer) -> None:
    arguments = ("user", "add", "ada@example.com", "--role", "customer", "--password-stdin")
    run(app, *arguments, stdin="long enough\n")

    with pytest.raises(AddressTaken):
        run(app, *arguments, stdin="long enough\n")
    with pytest.raises(EmptyPassword):
        run(app, *arguments, stdin="\n")


def test_a_file_is_imported_and_summed_up(app: typer.Typer, shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "products.jsonl.gz"
    file.write_bytes(gzip.compress(json.dumps(ROW).encode() + b"\n"))

    said = run(app, "import", str(file), "--on-hand", "5")

    assert ": 1 created, 0 updated, 0 unchanged, 0 refused." in said
    assert json.loads(shop.imports[0][1])["on_hand"] == 5


def test_refused_rows_are_told_by_line_and_fail_the_command(app: typer.Typer, shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "products.jsonl"
    file.write_text("\n".join(json.dumps(ROW) for _ in range(25)))
    counts = {"processed": 25, "created": 0, "updated": 0, "unchanged": 0, "failed": 25}
    errors = [{"line": line, "message": "price: [missing]"} for line in range(1, 26)]
    shop.import_answers = [{"status": "failed", "errors": errors, **counts}]

    said = run(app, "import", str(file), code=1)

    assert "line 20: price: [missing]" in said
    assert "line 21" not in said
    assert "and 5 more" in said


def test_mail_is_shown_to_people_and_to_programs(app: typer.Typer, shop: Shop) -> None:
    letter = {"to": "ada@example.com", "subject": "Paid [12.50]", "text": "Thank you\n", "at": "noon"}
    shop.mail = [letter, {**letter, "to": "ben@example.com"}]

    shown = run(app, "mail")
    told = run(app, "mail", "--to", "ada@example.com", "--json")

    assert shown.count("Paid [12.50]") == 2
    assert "2 letters" in shown
    assert json.loads(told) == [letter]


def test_the_demo_is_played(app: typer.Typer, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIDECART_DATA", str(tmp_path / "nowhere"))
    shop.stocked("A Bluetooth Speaker")
    shop.stocked("Another Bluetooth Speaker")

    assert "All of it is so." in run(app, "demo")


def test_the_figures_are_written_where_they_are_wanted(place: Place, tmp_path: Path) -> None:
    figure = Figure(name="orders", reached=41, unit="/s", least=40)
    app = typer.Typer()
    commands.register(app, lambda: place, Measures(fresh=lambda: [figure], running=lambda _place: []))

    run(app, "bench", "--json", str(tmp_path / "fresh.json"))
    run(app, "bench", "--running", "--json", str(tmp_path / "running.json"))

    assert json.loads((tmp_path / "fresh.json").read_text())[0]["met"] is True
    assert json.loads((tmp_path / "running.json").read_text()) == []


def test_figures_need_not_be_written(place: Place) -> None:
    app = typer.Typer()
    commands.register(app, lambda: place, Measures(fresh=list))

    assert run(app, "bench") == ""


def test_where_nothing_runs_every_command_says_so() -> None:
    app = typer.Typer()

    def nothing() -> Place:
        raise NothingRuns

    commands.register(app, nothing)

    for arguments in (("mail",), ("demo",), ("bench", "--running")):
        with pytest.raises(NothingRuns):
            run(app, *arguments)
