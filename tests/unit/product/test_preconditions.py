"""ETags and the conditions made with them."""

import pytest

from services.product.preconditions import (
    VersionRequired,
    VersionStale,
    check_version,
    is_fresh,
    product_tag,
    version_seen,
)


def test_a_tag_moves_with_the_version_and_with_availability() -> None:
    tags = {product_tag(1, None), product_tag(1, 0), product_tag(1, 5), product_tag(2, 5)}

    assert len(tags) == 4
    assert product_tag(1, 5) == product_tag(1, 5)


@pytest.mark.parametrize("condition", ['"3"', '"3.0a1b2c3d"', 'W/"3.0a1b2c3d"', '"1", "3"', "*"])
def test_a_condition_that_names_the_version_holds(condition: str) -> None:
    check_version(condition, 3)


@pytest.mark.parametrize("condition", ['"2"', '"33"', '"2.3"', "3", "", '""'])
def test_a_condition_that_names_another_version_is_stale(condition: str) -> None:
    with pytest.raises(VersionStale):
        check_version(condition, 3)


def test_no_condition_is_told_to_be_missing() -> None:
    with pytest.raises(VersionRequired):
        check_version(None, 3)


@pytest.mark.parametrize(
    ("condition", "version"),
    [(None, None), ("*", None), ('"7"', 7), ('W/"7"', 7), ('"7.0a"', 7), (' "0" ', 0), (f'"{2**63 - 1}"', 2**63 - 1)],
)
def test_the_version_that_a_condition_names_is_read(condition: str | None, version: int | None) -> None:
    assert version_seen(condition) == version


@pytest.mark.parametrize("condition", ["7", '"x"', '"1", "2"', '"-1"', '"²"', f'"{2**63}"'])
def test_a_condition_that_names_no_version_is_stale(condition: str) -> None:
    with pytest.raises(VersionStale):
        version_seen(condition)


@pytest.mark.parametrize(
    ("known", "fresh"),
    [(None, False), ('"1.a"', True), ('W/"1.a"', True), ('"x", "1.a"', True), ("*", True), ("1.a", False)],
)
def test_a_representation_that_is_known_is_fresh(known: str | None, *, fresh: bool) -> None:
    assert is_fresh(known, '"1.a"') is fresh
