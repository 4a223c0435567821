"""The well-known test cards (https://docs.stripe.com/testing), by their payment method tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from hashlib import sha256


class RefundFate(StrEnum):
    """What becomes of a refund to a card."""

    SUCCEEDS = auto()
    PENDS_THEN_SUCCEEDS = auto()
    SUCCEEDS_THEN_FAILS = auto()


@dataclass(frozen=True)
class DisputeFate:
    """What the holder of a card complains about; an inquiry asks first and takes no money."""

    reason: str = "fraudulent"
    inquiry: bool = False


@dataclass(frozen=True)
class Decline:
    """Why an issuer refuses: Stripe's error code, the issuer's decline code and the words."""

    code: str
    decline_code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """How a test card looks and behaves."""

    name: str
    brand: str = "visa"
    last4: str = "4242"
    decline: Decline | None = None
    country: str = "US"
    funding: str = "credit"
    authentication: bool = False
    refund: RefundFate = RefundFate.SUCCEEDS
    dispute: DisputeFate | None = None
    pays_at_once: bool = False
    """Whether what it pays is available at once."""

    @property
    def fingerprint(self) -> str:
        """What names the card in a payment method and in a charge."""
        return sha256(self.name.encode()).hexdigest()[:16]


def _declined(decline_code: str) -> Decline:
    return Decline("card_declined", decline_code, "Your card was declined.")


_INSUFFICIENT = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
_EXPIRED = Decline("expired_card", "expired_card", "Your card has expired.")
_INCORRECT_CVC = Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.")
_PROCESSING = Decline(
    "processing_error",
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
)
AUTHENTICATION_DECLINE = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)

_BRANDS: Mapping[str, tuple[str, str]] = {
    "visa": ("visa", "4242"),
    "visa_debit": ("visa", "5556"),
    "mastercard": ("mastercard", "4444"),
    "mastercard_debit": ("mastercard", "3222"),
    "mastercard_prepaid": ("mastercard", "5100"),
    "amex": ("amex", "8431"),
    "discover": ("discover", "9424"),
    "diners": ("diners", "0004"),
    "jcb": ("jcb", "0505"),
    "unionpay": ("unionpay", "0005"),
}
_DECLINES: Mapping[str, tuple[str, Decline]] = {
    "chargeDeclined": ("0002", _declined("generic_decline")),
    "chargeDeclinedInsufficientFunds": ("9995", _INSUFFICIENT),
    "chargeDeclinedLostCard": ("9987", _declined("lost_card")),
    "chargeDeclinedStolenCard": ("9979", _declined("stolen_card")),
    "chargeDeclinedExpiredCard": ("0069", _EXPIRED),
    "chargeDeclinedIncorrectCvc": ("0127", _INCORRECT_CVC),
    "chargeDeclinedProcessingError": ("0119", _PROCESSING),
    "chargeDeclinedVelocityLimitExceeded": ("6975", _declined("card_velocity_exceeded")),
    "chargeDeclinedFraudulent": ("0019", _declined("fraudulent")),
    "radarBlock": ("9995", _declined("fraudulent")),
    "chargeCustomerFail": ("0341", _declined("generic_decline")),
}
_COUNTRIES: Mapping[str, str] = {
    "us": "4242",
    "ca": "0000",
    "br": "0002",
    "at": "0008",
    "ch": "0009",
    "de": "0016",
    "es": "0007",
    "fr": "0003",
    "gb": "0000",
    "it": "0008",
    "nl": "0002",
    "au": "0006",
    "jp": "0003",
}
_AUTHENTICATED: Mapping[str, tuple[str, Decline | None]] = {
    "authenticationRequired": ("3184", None),
    "authenticationRequiredOnSetup": ("3155", None),
    "authenticationRequiredSetupForOffSession": ("0446", None),
    "authenticationRequiredChargeDeclinedInsufficientFunds": ("8341", _INSUFFICIENT),
    "threeDSecure2Required": ("3220", None),
    "threeDSecureRequired": ("3063", None),
    "threeDSecureRequiredChargeDeclined": ("1629", _declined("generic_decline")),
    "threeDSecureRequiredProcessingError": ("1308", _PROCESSING),
}
_OTHERS = (
    Card(name="threeDSecureOptional", last4="3055"),
    Card(name="amex_threeDSecureNotSupported", brand="amex", last4="0005"),
    Card(name="bypassPending", last4="0077", pays_at_once=True),
    Card(name="pendingRefund", last4="7726", refund=RefundFate.PENDS_THEN_SUCCEEDS),
    Card(name="refundFail", last4="5126", refund=RefundFate.SUCCEEDS_THEN_FAILS),
    Card(name="createDispute", last4="0259", dispute=DisputeFate()),
    Card(name="createDisputeProductNotReceived", last4="2685", dispute=DisputeFate("product_not_received")),
    Card(name="createDisputeInquiry", last4="1976", dispute=DisputeFate(inquiry=True)),
)


def _funding(name: str) -> str:
    _, _, funding = name.partition("_")
    return funding or "credit"


_CARDS = (
    *(Card(name=name, brand=brand, last4=last4, funding=_funding(name)) for name, (brand, last4) in _BRANDS.items()),
    *(Card(name=name, last4=last4, country=name.upper()) for name, last4 in _COUNTRIES.items()),
    *(
        Card(name=name, last4=last4, authentication=True, decline=decline)
        for name, (last4, decline) in _AUTHENTICATED.items()
    ),
    *(Card(name=name, last4=last4, decline=decline) for name, (last4, decline) in _DECLINES.items()),
    *_OTHERS,
)
# Stripe's documentation writes the declines with and without the brand.
_BY_TOKEN: Mapping[str, Card] = {
    **{f"pm_card_{card.name}": card for card in _CARDS},
    **{f"pm_card_visa_{card.name}": card for card in _CARDS if card.decline},
}
_BY_FINGERPRINT: Mapping[str, Card] = {card.fingerprint: card for card in _CARDS}


def by_token(token: str) -> Card | None:
    """The card that a `pm_card_…` token stands for."""
    return _BY_TOKEN.get(token)


def by_fingerprint(fingerprint: str) -> Card:
    """The card that a payment method or a charge was made with."""
    return _BY_FINGERPRINT[fingerprint]


def tokens() -> tuple[str, ...]:
    """Every `pm_card_…` token."""
    return tuple(_BY_TOKEN)
