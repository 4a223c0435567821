"""Logging in, refreshing, logging out."""

from fastapi import APIRouter

from services.shared.database import Transaction
from services.shared.identity import Anyone, Customer
from services.shared.runtime import Now, OwnDatabase
from services.user.api.accounts import OwnPasswords, OwnSigner
from services.user.api.shapes import Credentials, RefreshToken, TokensShown, refusals
from services.user.operations import logins
from services.user.operations.logins import TokenPair

router = APIRouter(tags=["user"])


@router.post("/users/login", response_model=TokensShown, responses=refusals(401, 403, 422, 429), summary="Log in")
async def log_in(
    body: Credentials, database: OwnDatabase, passwords: OwnPasswords, signer: OwnSigner, now: Now, _: Anyone
) -> TokenPair:
    """Exchange an e-mail address and a password for an access token (15 minutes) and a refresh token (30 days).

    A wrong password and an unknown address are answered alike. After ten failures within a minute an account waits.
    """
    email = body.email.strip().lower()
    return await logins.log_in(database, passwords, signer, email=email, password=body.password, at=now)


@router.post(
    "/users/token/refresh", response_model=TokensShown, responses=refusals(401, 422), summary="Refresh a login"
)
async def refresh_login(body: RefreshToken, database: OwnDatabase, signer: OwnSigner, now: Now, _: Anyone) -> TokenPair:
    """Exchange a refresh token for a new access token and a **new** refresh token.

    A refresh token is good once: one that comes a second time has been copied, and its whole login ends.
    """
    return await logins.refresh(database, signer, token=body.refresh_token, at=now)


@router.post("/users/logout", status_code=204, responses=refusals(401), summary="Log out")
async def log_out(session: Transaction, customer: Customer, now: Now) -> None:
    """End the login that the access token belongs to: its refresh tokens are worthless from now on."""
    await logins.log_out(session, user_id=customer.id, login_id=customer.session_id, at=now)
