"""The objects that tell where the money is: balance transactions, disputes and payouts."""

from dataclasses import dataclass

from services.local.stripe_server.objects import StripeObject, new_id

DAY = 86_400
_SETTLES_AFTER = 2 * DAY
_ANSWER_WITHIN = 7 * DAY
EVIDENCE = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)
"""What a shop may say in a dispute."""


@dataclass(frozen=True, kw_only=True)
class Movement:
    """A movement of the balance, in minor units: positive into it, negative out of it; a fee is always taken."""

    type: str
    amount: int
    fee: int = 0
    description: str | None = None
    fee_description: str = "Stripe processing fees"
    reporting_category: str | None = None
    """What reports count it under, where that is not the type."""
    at_once: bool = False
    """Whether it counts at once; other movements settle in two days."""


def balance_transaction(source: StripeObject, movement: Movement, *, now: int) -> StripeObject:
    """A movement of the balance, on record."""
    fee = {
        "amount": movement.fee,
        "currency": source["currency"],
        "type": "stripe_fee",
        "application": None,
        "description": movement.fee_description,
    }
    return {
        "id": new_id("txn"),
        "object": "balance_transaction",
        "amount": movement.amount,
        "available_on": now if movement.at_once else midnight(now + _SETTLES_AFTER),
        "balance_type": "payments",
        "created": now,
        "currency": source["currency"],
        "description": movement.description,
        "exchange_rate": None,
        "fee": movement.fee,
        "fee_details": [fee] if movement.fee else [],
        "net": movement.amount - movement.fee,
        "reporting_category": movement.reporting_category or movement.type,
        "source": source["id"],
        "status": "available" if movement.at_once else "pending",
        "type": movement.type,
    }


def midnight(moment: float) -> int:
    """When the day of a moment began (UTC)."""
    return int(moment - moment % DAY)


def dispute(of: StripeObject, *, amount: int, reason: str, inquiry: bool, now: int) -> StripeObject:
    """A complaint about a charge that the shop has yet to answer."""
    card = of["payment_method_details"]["card"]
    case = {"brand": card["brand"], "case_type": "inquiry" if inquiry else "chargeback", "network": card["network"]}
    return {
        "id": new_id("du"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": of["id"],
        "created": now,
        "currency": of["currency"],
        "enhanced_eligibility_types": [],
        "evidence": dict.fromkeys(EVIDENCE) | {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": now + _ANSWER_WITHIN,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": of["payment_intent"],
        "payment_method_details": {"type": "card", "card": case | {"network_reason_code": "10"}},
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
    }


def payout(*, amount: int, currency: str, now: int) -> StripeObject:
    """What was available, on its way to the bank."""
    return {
        "id": new_id("po"),
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": midnight(now),
        "automatic": True,
        "balance_transaction": None,
        "created": now,
        "currency": currency,
        "description": "STRIPE PAYOUT",
        "destination": f"ba_of_the_shop_{currency}",
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "completed",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "in_transit",
        "trace_id": None,
        "type": "bank_account",
    }
