from datetime import UTC, datetime
from email.message import EmailMessage

from services.local.mailbox import letters, page
from services.local.mailbox.letters import Letter

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def read(content: bytes) -> Letter:
    return letters.read(content, recipients=["ada@example.com"], letter_id="l-1", at=NOON)


def composed(*, text: str | None = None, html: str | None = None) -> bytes:
    message = EmailMessage()
    message["Subject"] = "Grüße: your order is paid"
    if text is not None:
        message.set_content(text)
    if html is not None and text is not None:
        message.add_alternative(html, subtype="html")
    elif html is not None:
        message.set_content(html, subtype="html")
    return message.as_bytes()


def test_a_letter_with_both_forms_keeps_both() -> None:
    letter = read(composed(text="Thank you", html="<p>Thank <b>you</b></p>"))

    assert letter.as_json() == {
        "id": "l-1",
        "channel": "email",
        "to": "ada@example.com",
        "subject": "Grüße: your order is paid",
        "text": "Thank you\n",
        "html": "<p>Thank <b>you</b></p>\n",
        "at": "2026-05-01T12:00:00Z",
    }


def test_a_letter_in_html_alone_gets_its_words_as_text() -> None:
    html = "<head><title>x</title><style>p {}</style></head><h1>Paid</h1><p>12.50&nbsp;EUR<br>in all</p>"

    assert read(composed(html=html)).text == "Paid\n12.50 EUR\nin all"


def test_a_letter_without_html_has_none() -> None:
    assert read(composed(text="plain")).html is None


def test_a_letter_without_anything_to_read_is_empty() -> None:
    letter = read(b"Subject: a picture\r\nContent-Type: image/png\r\n\r\nxx")

    assert (letter.subject, letter.text, letter.html) == ("a picture", "", None)


def test_an_unknown_character_set_is_read_all_the_same() -> None:
    letter = read(b"Content-Type: text/plain; charset=klingon\r\n\r\ncaf\xe9")

    assert letter.text == "café"


def test_a_stray_end_tag_hides_nothing() -> None:
    assert letters.words("</style>seen") == "seen"


def test_the_page_shows_html_in_a_sandbox_and_escapes_everything_else() -> None:
    plain = {"id": "1", "subject": "<script>", "to": "a@x", "at": "now", "text": "<b>", "html": None}
    rich = {**plain, "id": "2", "subject": "rich", "html": "<b>x</b>"}

    shown = page.render([plain, rich])

    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown
    assert '<iframe sandbox loading="lazy" title="rich" src="/messages/2/html">' in shown
    assert "2 letters" in shown
    assert shown.index("rich") < shown.index("&lt;script&gt;")


def test_the_page_counts_one_letter_in_the_singular() -> None:
    one = {"id": "1", "subject": "s", "to": "a@x", "at": "now", "text": "t", "html": None}

    assert "1 letter " in page.render([one])
