"""E-mails: templates filled in. The binding sends one body, as HTML, so there is no text beside it."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from services.contracts.events import Event
from services.notification.domain import SHOP, Notice, order_number, order_of


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("services.notification"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def html_of(notice: Notice, event: Event, *, first_name: str) -> str:
    """The body of the e-mail about an event; everything that came from outside is escaped."""
    template = _templates().get_template(f"{notice.template}.html")
    number = order_number(order_of(event))
    return template.render(shop=SHOP, title=notice.title, first_name=first_name, event=event, number=number)
