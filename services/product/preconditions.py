"""ETags and the conditions made with them (RFC 9110, 8.8.3 and 13.1)."""

import re
import zlib
from typing import Annotated

from fastapi import Header

from services.shared.errors import PreconditionMissing, Stale

_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_LARGEST = 2**63 - 1
"""Versions are told as 64-bit integers."""

IfMatch = Annotated[str | None, Header(max_length=500, description='The ETag that you read, or `"<version>"`.')]
IfNoneMatch = Annotated[str | None, Header(max_length=1000, description="ETags that you have.")]


class VersionRequired(PreconditionMissing):
    """This request needs an If-Match header with the version that you read."""

    slug = "precondition-required"


class VersionStale(Stale):
    """It is at version {version} now, read it again."""

    slug = "stale"


def product_tag(version: int, available: int | None) -> str:
    """The ETag of a product's representation: its version, and a digest of the availability shown with it."""
    return f'"{version}.{zlib.crc32(str(available).encode()):08x}"'


def is_fresh(if_none_match: str | None, tag: str) -> bool:
    """Whether the client has this representation already (weak comparison)."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag.strip('"') in _TAG.findall(if_none_match)


def check_version(if_match: str | None, version: int) -> None:
    """Refuse a change of something that the client has not seen as it is. Only the version counts of an ETag.

    :raises VersionRequired: the client does not say what it has seen.
    :raises VersionStale: it has seen another version.
    """
    if if_match is None:
        raise VersionRequired
    seen = [tag.partition(".")[0] for tag in _TAG.findall(if_match)]
    if if_match.strip() != "*" and str(version) not in seen:
        raise VersionStale(version=version)


def version_seen(if_match: str | None) -> int | None:
    """The one version that a condition names; None for no condition.

    :raises VersionStale: it names something that is no version.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    found = _TAG.fullmatch(if_match.strip())
    number = found[1].partition(".")[0] if found else ""
    if not (number.isascii() and number.isdigit()) or int(number) > _LARGEST:
        raise VersionStale(version="another")
    return int(number)
