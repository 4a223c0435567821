"""What goes in and out of the HTTP door."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import email_validator
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from services.shared.bodies import Body
from services.shared.identity import Role
from services.user.tokens import ACCESS_SECONDS

_LONGEST_EMAIL = 254


def normalised(email: str) -> str:
    """The one way an address is written here: as typed, but in lower case and in Unicode's NFC form.

    :raises ValueError: it is not an e-mail address.
    """
    found = email_validator.validate_email(email, check_deliverability=False, globally_deliverable=False)
    if "." not in found.domain:
        message = "the domain is not complete"
        raise ValueError(message)
    return found.normalized.lower()


Email = Annotated[
    str,
    Field(max_length=_LONGEST_EMAIL, json_schema_extra={"format": "email"}, examples=["ada@example.com"]),
    AfterValidator(normalised),
]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class Registration(Body):
    """Who wants an account."""

    email: Email
    password: str = Field(min_length=8, max_length=128, examples=["correct horse battery"])
    first_name: Name = Field(examples=["Ada"])
    last_name: Name = Field(examples=["Lovelace"])


class Credentials(Body):
    """Who logs in. An address that cannot be one is simply unknown."""

    email: str = Field(max_length=_LONGEST_EMAIL, examples=["ada@example.com"])
    password: str = Field(max_length=128, examples=["correct horse battery"])


class RefreshToken(Body):
    """A refresh token."""

    refresh_token: str = Field(min_length=1, max_length=200)


class Profile(Body):
    """What a user says about themselves."""

    first_name: Name = Field(examples=["Ada"])
    last_name: Name = Field(examples=["King"])


class NewRole(Body):
    """Another role for a user."""

    role: Role


class NewActivity(Body):
    """Whether a user may log in."""

    is_active: StrictBool


class UserShown(BaseModel):
    """An account."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str = Field(examples=["ada@example.com"])
    first_name: str = Field(examples=["Ada"])
    last_name: str = Field(examples=["Lovelace"])
    role: Role
    is_active: bool
    created_at: datetime
    updated_at: datetime


class TokensShown(BaseModel):
    """A login's tokens."""

    model_config = ConfigDict(from_attributes=True)

    access_token: str = Field(description="For `Authorization: Bearer …`.")
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - its kind, not a secret
    expires_in: int = Field(default=ACCESS_SECONDS, description="The access token's life in seconds.")
    refresh_token: str = Field(description="Good once, for `POST /users/token/refresh`.")


class Key(BaseModel):
    """A public key (RFC 8037)."""

    model_config = ConfigDict(extra="allow")

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    kid: str
    alg: str
    use: str


class KeySet(BaseModel):
    """The public keys that access tokens are signed with (RFC 7517)."""

    keys: list[Key]


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"type": "email-taken", "title": "Conflict", "status": 409}}
    )

    type: str = Field(description="A stable slug.", examples=["email-taken"])
    title: str
    status: int
    detail: str
    trace_id: str
    errors: list[dict[str, str]] | None = Field(default=None, description="The fields that were wrong.")


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route documents."""
    return {status: {"model": Problem} for status in statuses}
