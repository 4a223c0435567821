"""The launcher, in a checkout of its own with doubles of uv and of the environment that uv makes."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from services.local.topology import ROOT

UV = """#!/bin/sh
echo "$@" >> uv-was-called
echo "downloads: $UV_PYTHON_DOWNLOADS" >> uv-was-called
mkdir -p .venv/bin
printf '#!/bin/sh\\necho "$PWD" "$PYTHONPATH" "$@"\\n' > .venv/bin/python
chmod +x .venv/bin/python
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    shutil.copy(ROOT / "sidecart", folder)
    (folder / "pyproject.toml").write_text("[project]\n")
    (folder / "uv.lock").write_text("version = 1\n")
    (tmp_path / "bin").mkdir()
    install_uv(folder, UV)
    return folder


def install_uv(checkout: Path, text: str) -> None:
    program = checkout.parent / "bin" / "uv"
    program.write_text(text)
    program.chmod(0o755)


def launched(checkout: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{checkout.parent / 'bin'}:{os.environ['PATH']}"}
    command = [str(checkout / "sidecart"), *arguments]
    return subprocess.run(command, cwd=cwd or checkout, env=environment, capture_output=True, text=True, check=False)


def test_the_environment_is_prepared_from_the_lock_without_fetching_a_python(checkout: Path) -> None:
    result = launched(checkout, "status")

    called = (checkout / "uv-was-called").read_text()
    assert called.startswith("sync --locked --quiet --compile-bytecode --python ")
    assert "downloads: never" in called
    assert "preparing the environment" in result.stderr


def test_commands_run_where_the_caller_is_and_import_from_the_checkout(checkout: Path, tmp_path: Path) -> None:
    result = launched(checkout, "import", "products.csv", cwd=tmp_path)

    assert result.stdout == f"{tmp_path} {checkout} -m services.local import products.csv\n"


def test_a_prepared_environment_is_prepared_again_only_when_the_lock_changes(checkout: Path) -> None:
    launched(checkout)
    launched(checkout)
    assert (checkout / "uv-was-called").read_text().count("sync") == 1

    (checkout / "uv.lock").write_text("version = 2\n")
    launched(checkout)

    assert (checkout / "uv-was-called").read_text().count("sync") == 2


def test_an_environment_that_cannot_be_prepared_is_explained_and_tried_again(checkout: Path) -> None:
    install_uv(checkout, "#!/bin/sh\nexit 2\n")
    failed = launched(checkout)
    install_uv(checkout, UV)

    again = launched(checkout)

    assert failed.returncode == 1
    assert "Is there a network" in failed.stderr
    assert again.returncode == 0
