from functools import partial

import pytest
from rich.console import Console

from services.local import doctor
from services.local.doctor import Finding
from services.local.refusals import Refusal


def printed(*findings: Finding) -> tuple[bool, str]:
    page = Console(record=True, width=200)
    waiting = iter(findings)
    fine = doctor.examine(page, looks=[partial(next, waiting)] * len(findings))
    return fine, page.export_text()


def test_a_machine_that_lacks_nothing_is_fine() -> None:
    fine, page = printed(Finding("Python", "3.11"), Finding("Ports", "all free"))

    assert fine
    assert page.splitlines() == [" ✓ Python       3.11", " ✓ Ports        all free"]


def test_what_is_missing_comes_with_its_remedy() -> None:
    fine, page = printed(Finding("Dapr", "not found", "Install it."))

    assert not fine
    assert page.splitlines() == [" ✗ Dapr         not found", "   Install it."]


def test_this_machine_is_looked_at_in_every_respect() -> None:
    findings = [look() for look in doctor.LOOKS]

    expected = ["Python", "Dapr", "PostgreSQL", "Redis", "Memory", "Disk", "Ports"]
    assert [finding.what for finding in findings] == expected
    assert all(finding.found for finding in findings)


def test_something_that_is_not_installed_is_found_missing() -> None:
    def refuse() -> None:
        raise Refusal("Run ./sidecart, which installs it.")

    assert doctor.found("Redis", refuse) == Finding("Redis", "not found", "Run ./sidecart, which installs it.")


@pytest.mark.parametrize(
    ("missing", "compiler", "remedy"),
    [([], None, ""), (["daprd"], "/go", ""), (["daprd", "sentry"], None, "Install Dapr 1.18.1 or Go 1.26 or newer.")],
)
def test_dapr_can_be_found_or_built_or_neither(missing: list[str], compiler: str | None, remedy: str) -> None:
    assert doctor.dapr(missing, compiler).remedy == remedy


def test_too_little_room_is_a_finding() -> None:
    assert doctor.room("Memory", free=4 * 2**30, wanted=3 * 2**30).remedy == ""
    assert "3 GiB" in doctor.room("Memory", free=2 * 2**30, wanted=3 * 2**30).remedy


def test_ports_are_free_or_the_systems_own_or_taken() -> None:
    assert doctor.ports_of(running=True, taken=[]).found == "in use by this system, which runs"
    assert doctor.ports_of(running=False, taken=[]).found == "all free"
    assert "--port" in doctor.ports_of(running=False, taken=[8080]).remedy
