"""Registering, the own profile, and the administration of users."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from services.shared.database import Transaction
from services.shared.identity import Admin, Anyone, Customer
from services.shared.pages import Cursor, Limit, Page
from services.shared.runtime import Now, OwnDatabase, part
from services.user import store
from services.user.api.shapes import KeySet, NewActivity, NewRole, Profile, Registration, UserShown, refusals
from services.user.domain import User
from services.user.operations import accounts
from services.user.passwords import Passwords
from services.user.tokens import Signer

OwnPasswords = Annotated[Passwords, Depends(part(Passwords))]
OwnSigner = Annotated[Signer, Depends(part(Signer))]

router = APIRouter(tags=["user"])


@router.post(
    "/users/register",
    status_code=201,
    response_model=UserShown,
    responses=refusals(409, 422, 429),
    summary="Register an account",
)
async def register(body: Registration, database: OwnDatabase, passwords: OwnPasswords, now: Now, _: Anyone) -> User:
    """Create a customer's account. The e-mail address is kept in lower case and belongs to one account only."""
    return await accounts.register(database, passwords, **body.model_dump(), at=now)


@router.get("/users/profile", response_model=UserShown, responses=refusals(401), summary="Read your profile")
async def read_profile(session: Transaction, customer: Customer) -> User:
    """The account that the access token belongs to."""
    return await store.load(session, customer.id)


@router.put("/users/profile", response_model=UserShown, responses=refusals(401, 422), summary="Change your profile")
async def change_profile(body: Profile, session: Transaction, customer: Customer, now: Now) -> User:
    """Change your first and last name."""
    return await accounts.rename(session, customer.id, first_name=body.first_name, last_name=body.last_name, at=now)


@router.get("/users", responses=refusals(401, 403, 422), summary="List users")
async def list_users(session: Transaction, _: Admin, limit: Limit = 20, cursor: Cursor = None) -> Page[UserShown]:
    """Every account, the newest first (admins only)."""
    page = await accounts.newest(session, cursor=cursor, limit=limit)
    return Page(items=[UserShown.model_validate(user) for user in page.items], next_cursor=page.next_cursor)


@router.get("/users/{user_id}", response_model=UserShown, responses=refusals(401, 403, 404), summary="Read a user")
async def read_user(user_id: UUID, session: Transaction, _: Admin) -> User:
    """One account (admins only)."""
    return await store.load(session, user_id)


@router.put(
    "/users/{user_id}/role",
    response_model=UserShown,
    responses=refusals(401, 403, 404, 409, 422),
    summary="Give a user another role",
)
async def change_role(user_id: UUID, body: NewRole, session: Transaction, now: Now, _: Admin) -> User:
    """Make a user a customer, a member of staff or an admin (admins only). Tokens carry it from the next refresh on."""
    return await accounts.give_role(session, user_id, body.role, at=now)


@router.put(
    "/users/{user_id}/active",
    response_model=UserShown,
    responses=refusals(401, 403, 404, 409, 422),
    summary="Activate or deactivate a user",
)
async def change_activity(user_id: UUID, body: NewActivity, session: Transaction, now: Now, _: Admin) -> User:
    """A deactivated user can neither log in nor refresh a login (admins only)."""
    return await accounts.set_active(session, user_id, is_active=body.is_active, at=now)


@router.get("/.well-known/jwks.json", response_model=KeySet, summary="The keys that sign access tokens")
async def read_keys(signer: OwnSigner, _: Anyone) -> JSONResponse:
    """The public key set (RFC 7517), for whoever verifies an access token."""
    return JSONResponse(signer.key_set, headers={"Cache-Control": "public, max-age=300"})
