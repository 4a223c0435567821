"""What the environment and the secret store decide about payments."""

from pydantic import Field

from services.shared.settings import Settings

API_KEY = "stripe-api-key"
WEBHOOK_SECRET = "stripe-webhook-secret"  # noqa: S105 - the name of a secret
CALL_SECONDS = 8.0
"""After this long without an answer from the provider the outcome counts as unknown."""
OVERLAP_SECONDS = 120.0
"""How much of the provider's balance is read again: its times are whole seconds, and may be told late."""
WHOLE_RECONCILIATION_SECONDS = 86_400.0
"""How often everything is compared, and not only what changed since the comparison before."""
RECONCILIATION_PATIENCE_SECONDS = 7.0
"""How long a request waits for a reconciliation: less than the sidecar waits for the request."""


class PaymentSettings(Settings):
    """The environment of the payment service."""

    sidecart_stripe_api: str | None = None
    """The address of the stand-in; unset means Stripe itself."""
    sidecart_payment_return_url: str | None = None
    """Where customers come back to after they have authenticated."""
    sidecart_reconciliation_seconds: float = 300
    """How often orders, ledger and provider are compared."""
    sidecart_reconciliation_grace_seconds: float = 300
    """For so long a difference may still come right by itself: it is late, not wrong."""
    sidecart_reconciliation_page: int = Field(default=100, ge=1, le=100)
    """How many movements of the provider's balance are read at once; it gives a hundred at most."""
