"""The description that the stand-in's objects are held against is there on a new machine, too."""

from pathlib import Path

import pytest

from tests.contracts import specification


def test_the_description_is_fetched_where_go_has_not_got_it_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOMODCACHE", str(tmp_path))
    monkeypatch.setenv("GOFLAGS", "-modcacherw")

    source = specification.source()

    assert source.is_relative_to(tmp_path)
    assert (source / "embedded" / "openapi" / "spec3.json").exists()
