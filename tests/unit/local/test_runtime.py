from pathlib import Path

import pytest

from services.local import runtime
from services.local.refusals import MissingTool, Refusal

BUILDS = '#!/bin/sh\nwhile [ "$1" != "-o" ]; do shift; done\nsleep 0.1\nprintf built > "$2"\n'


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on it: no Dapr, no Go, an empty cache."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(runtime, "USUAL_GO", tmp_path / "go")
    return tmp_path


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_a_fitting_dapr_on_the_path_is_used(machine: Path) -> None:
    installed = program(machine / "bin" / "daprd", "#!/bin/sh\necho 1.18.4\n")

    assert runtime.find("daprd") == installed


def test_a_dapr_of_another_version_is_passed_over(machine: Path) -> None:
    program(machine / "bin" / "daprd", "#!/bin/sh\necho 1.14.0\n")
    fitting = program(machine / ".dapr" / "bin" / "daprd", "#!/bin/sh\necho 1.18.1\n")

    assert runtime.find("daprd") == fitting


def test_without_dapr_and_go_the_remedy_is_named(machine: Path) -> None:
    assert runtime.find("daprd") is None
    with pytest.raises(MissingTool, match=r"Install Dapr 1\.18\.1 or Go"):
        runtime.ensure(print)
    assert not (machine / "cache").exists()


def test_what_is_missing_is_built_once_for_the_user(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(machine / "bin" / "go", BUILDS)
    monkeypatch.setattr(runtime, "SAY_EVERY", 0.02)
    told: list[str] = []

    built = runtime.ensure(told.append)
    program(machine / "bin" / "go", "#!/bin/sh\nexit 1\n")
    again = runtime.ensure(told.append)

    assert again == built
    assert built.daprd == machine / "cache" / "sidecart" / "dapr-1.18.1" / "daprd"
    assert built.sentry.read_text() == "built"
    assert sum(line.startswith("building") for line in told) == 2
    assert any(line.startswith("still building") for line in told)


def test_a_build_that_fails_says_what_the_compiler_said(machine: Path) -> None:
    program(machine / "bin" / "go", "#!/bin/sh\necho 'no such module' >&2\nexit 1\n")

    with pytest.raises(Refusal, match="Building daprd failed:\nno such module"):
        runtime.ensure(print)


def test_go_is_found_where_its_installer_puts_it(machine: Path) -> None:
    assert runtime.go() is None

    program(machine / "go", "")

    assert runtime.go() == str(machine / "go")


def test_the_cache_is_the_users_unless_the_environment_names_another(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")

    assert runtime.cache() == machine / ".cache" / "sidecart"
