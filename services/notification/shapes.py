"""What the notification service takes and answers over HTTP."""

from datetime import datetime
from typing import Annotated
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from services.shared.bodies import Body


class Notification(BaseModel):
    """An item of the inbox."""

    id: UUID
    type: str = Field(examples=["order-paid"])
    title: str
    body: str
    at: datetime
    read: bool


class Channels(Body):
    """Which ways a kind of message may go; the inbox in the application always has it."""

    email: StrictBool
    sms: StrictBool = False
    push: StrictBool = False


def _known(timezone: str) -> str:
    if timezone not in available_timezones():
        message = "not a time zone of the IANA database"
        raise ValueError(message)
    return timezone


TimeOfDay = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["22:00"])]


class QuietHours(Body):
    """When a telephone should stay silent."""

    model_config = ConfigDict(populate_by_name=True)

    from_: TimeOfDay = Field(alias="from")
    to: TimeOfDay
    timezone: Annotated[str, Field(max_length=64, examples=["Europe/Berlin"]), AfterValidator(_known)]


class Preferences(Body):
    """What a customer wishes to get."""

    order_updates: Channels = Channels(email=True)
    promotions: Channels = Channels(email=False)
    quiet_hours: QuietHours | None = None
