"""Defects of the payment service."""

from services.local.proofs.defects import breakdowns, journeys
from services.local.proofs.defects.defect import Defect
from services.local.proofs.defects.edit import Edit

_CLOSING = "services/payment/operations/closing.py"
_HEARING = "services/payment/operations/hearing.py"
_LEDGER = "services/payment/store/ledger.py"
_PAYING = "services/payment/operations/paying.py"
_RECORDING = "services/payment/operations/recording.py"
_RETURNING = "services/payment/operations/returning.py"

_GUESS_THAT_IT_FAILED = (
    Edit(
        file=_PAYING,
        old="    except OutcomeUnknown:\n"
        "        return await _leave_open(till, begun)\n"
        "    except CallInvalid as invalid:",
        new="    except OutcomeUnknown:\n"
        "        intent = Intent(id=intent_id, status=IntentStatus.REQUIRES_PAYMENT_METHOD)\n"
        "    except CallInvalid as invalid:",
    ),
    Edit(
        file=_PAYING,
        old="from services.payment.domain.payment import Payment, payment_id_of\n",
        new="from services.payment.domain.intents import Intent, IntentStatus\n"
        "from services.payment.domain.payment import Payment, payment_id_of\n",
    ),
)
KEEP_A_LATE_SUCCESS = Edit(
    file=_RECORDING,
    old="    if not is_payable:\n        await debts",
    new="    if payment.captured_minor < 0:\n        await debts",
)

PAYMENTS = (
    Defect(
        name="silence-is-taken-for-a-decline",
        harm="A customer was charged and is told that it failed; the shop never learns of the money.",
        edits=(
            *_GUESS_THAT_IT_FAILED,
            Edit(file=_HEARING, old="    if due.type == _SUCCEEDED:\n", new="    if due.type == _INTENT:\n"),
        ),
        journey=breakdowns.LOSE_THE_ANSWER,
        breaks=frozenset({"I4", "I5"}),
    ),
    Defect(
        name="every-attempt-has-an-intent-of-its-own",
        harm="A customer who tries again after an answer was lost is charged twice.",
        edits=(
            *_GUESS_THAT_IT_FAILED,
            Edit(file=_PAYING, old="outlook.intent_id or await _open_intent(", new="await _open_intent("),
            Edit(
                file="services/payment/store/attempts.py",
                old="intent_id = COALESCE(payment.intent_id, EXCLUDED.intent_id)",
                new="intent_id = EXCLUDED.intent_id",
            ),
        ),
        journey=breakdowns.PAY_AGAIN_WITHOUT_NEWS,
        breaks=frozenset({"I4", "I5"}),
    ),
    Defect(
        name="nobody-looks-after-a-lost-answer",
        harm="Money was taken and the order stays unpaid for ever.",
        edits=(
            Edit(
                file="services/payment/operations/settling.py",
                old="    with suppress(OutcomeUnknown):\n        await settle(till, due.payment_id, at=at)\n",
                new="",
            ),
            Edit(file=_HEARING, old="    if due.type.startswith(_INTENT):\n", new="    if due.type == _INTENT:\n"),
        ),
        journey=breakdowns.LOSE_THE_ANSWER,
        breaks=frozenset({"I4", "I5"}),
    ),
    Defect(
        name="a-late-success-is-kept",
        harm="The shop keeps the money of an order that was cancelled while it was being paid.",
        edits=(KEEP_A_LATE_SUCCESS,),
        journey=breakdowns.GIVE_UP_WHILE_PAYING,
        breaks=frozenset({"I6"}),
    ),
    Defect(
        name="a-cancellation-keeps-the-money",
        harm="A paid order is cancelled and its customer never gets the money back.",
        edits=(
            Edit(
                file=_CLOSING,
                old="    if payment.is_captured:\n        await debts.add_automatic(session, payment, at=at)\n",
                new="    if payment.is_captured:\n        return\n",
            ),
        ),
        journey=journeys.CANCEL_PAID,
        breaks=frozenset({"I6"}),
    ),
    Defect(
        name="a-part-refund-names-no-amount",
        harm="Five euros were promised back, and the provider sends all forty.",
        edits=(
            Edit(
                file="services/payment/clients/stripe_provider.py",
                old='"payment_intent": intent_id, "amount": amount_minor,',
                new='"payment_intent": intent_id,',
            ),
        ),
        journey=journeys.COMPLAIN,
        breaks=frozenset({"I5"}),
    ),
    Defect(
        name="a-refund-has-a-new-key-each-time",
        harm="A refund whose answer was lost is made twice.",
        edits=(Edit(file=_RETURNING, old='f"refund:{found.id}", str', new='f"refund:{found.id}:{found.tries}", str'),),
        journey=breakdowns.LOSE_THE_ANSWER_TO_A_REFUND,
        breaks=frozenset({"I5"}),
    ),
    Defect(
        name="refunds-are-not-booked",
        harm="Money went back and the ledger still counts it as revenue.",
        edits=(
            Edit(
                file=_RETURNING,
                old='await ledger.book(session, "refund", payment, of=found.id, minor=found.amount_minor, at=at)',
                new="pass",
            ),
        ),
        journey=journeys.CANCEL_PAID,
        breaks=frozenset({"I5"}),
    ),
    Defect(
        name="refunds-are-booked-the-wrong-way-round",
        harm="Every refund that goes out is counted as money that came in.",
        edits=(
            Edit(
                file=_LEDGER,
                old='"refund": _Posting(debit="refunds_payable", credit=_CLEARING)',
                new='"refund": _Posting(debit=_CLEARING, credit="refunds_payable")',
            ),
        ),
        journey=journeys.COMPLAIN,
        breaks=frozenset({"I5"}),
    ),
    Defect(
        name="the-whole-capture-is-booked-back",
        harm="A refund of five euros takes forty out of the books.",
        edits=(
            Edit(
                file=_RETURNING,
                old='"refund", payment, of=found.id, minor=found.amount_minor, at=at)',
                new='"refund", payment, of=found.id, minor=payment.captured_minor, at=at)',
            ),
        ),
        journey=journeys.COMPLAIN,
        breaks=frozenset({"I5"}),
    ),
    Defect(
        name="cents-are-taken-for-euros",
        harm="The customer is charged a hundred times the price.",
        edits=(
            Edit(
                file=_PAYING,
                old="key=key, amount_minor=payable.amount_minor, currency",
                new="key=key, amount_minor=payable.amount_minor * 100, currency",
            ),
        ),
        journey=journeys.BUY,
        breaks=frozenset({"I4", "I5"}),
    ),
    Defect(
        name="a-success-tells-nobody",
        harm="The money is there, and the order waits for it until it expires.",
        edits=(
            Edit(
                file=_RECORDING,
                old="tried.payment\n"
                "    outbox.add(session, payment.succeed(captured_minor=intent.received_minor, at=at))",
                new="tried.payment\n    payment.succeed(captured_minor=intent.received_minor, at=at)",
            ),
        ),
        journey=journeys.BUY,
        breaks=frozenset({"I4", "I7", "I9"}),
    ),
    Defect(
        name="a-decline-tells-nobody",
        harm="The customer never hears why the order is not on its way.",
        edits=(
            Edit(
                file=_RECORDING,
                old="outbox.add(session, tried.payment.decline(attempt=tried.attempt.n, code=code, at=at))",
                new="tried.payment.decline(attempt=tried.attempt.n, code=code, at=at)",
            ),
        ),
        journey=journeys.BE_DECLINED,
        breaks=frozenset({"I9"}),
    ),
)
