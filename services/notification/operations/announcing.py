"""Writing down what is to be sent. Nothing is sent from here."""

from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.events import OrderEvent, PaymentEvent, UserEvent, UserRegistered
from services.notification import store
from services.notification.domain import Message, message_id, notice_of, order_of
from services.notification.letters import html_of
from services.shared.failpoints import failpoint


async def welcome(session: AsyncSession, event: UserRegistered) -> None:
    """Keep how a new user is reached, and greet them."""
    await store.keep_recipient(session, event)
    await store.add_message(session, _message(event, event.email, event.first_name))


async def keep_recipient(session: AsyncSession, event: UserEvent) -> None:
    """Keep how a user is reached."""
    await store.keep_recipient(session, event)


async def announce(session: AsyncSession, event: OrderEvent | PaymentEvent) -> None:
    """Write the e-mail about an order. One that its customer does not want is written down as that.

    Otherwise the event would be news when it comes again after the customer has changed their mind.

    :raises RecipientUnknown: the customer has not been heard of yet.
    """
    recipient = await store.recipient(session, event.user_id)
    message = _message(event, recipient.email, recipient.first_name)
    await store.add_message(session, message, is_wanted=recipient.wants_order_emails)
    failpoint("message.planned.before_commit")


def _message(event: UserRegistered | OrderEvent | PaymentEvent, address: str, first_name: str) -> Message:
    notice = notice_of(event)
    return Message(
        id=message_id(event, notice.template),
        user_id=event.user_id,
        order_id=order_of(event),
        template=notice.template,
        address=address,
        subject=notice.title,
        html=html_of(notice, event, first_name=first_name),
        written_at=event.at,
    )
