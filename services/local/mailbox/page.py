"""The page on which a person reads the mail; HTML is shown in a sandbox that runs nothing and loads nothing."""

from collections.abc import Sequence
from html import escape
from typing import Any

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Mailbox</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem }}
details {{ border: 1px solid #8884; border-radius: .5rem; margin: .5rem 0; padding: .5rem 1rem }}
summary {{ cursor: pointer; display: flex; gap: 1rem; align-items: baseline }}
summary b {{ flex: 1 }}
small {{ opacity: .7 }}
iframe {{ width: 100%; height: 28rem; border: 0; background: white; border-radius: .25rem; margin-top: .5rem }}
pre {{ white-space: pre-wrap }}
</style></head>
<body><h1>Mailbox</h1><p><small>{count} — newest first. Nothing here has left this machine.</small></p>
{letters}
</body></html>"""
_LETTER = """<details><summary><b>{subject}</b><small>{to}</small><small>{at}</small></summary>{body}</details>"""


def render(letters: Sequence[dict[str, Any]]) -> str:
    """All letters, newest first."""
    count = "1 letter" if len(letters) == 1 else f"{len(letters)} letters"
    return _PAGE.format(count=count, letters="\n".join(_letter(letter) for letter in reversed(letters)))


def _letter(letter: dict[str, Any]) -> str:
    words = {name: escape(letter[name]) for name in ("subject", "to", "at")}
    return _LETTER.format(body=_body(letter), **words)


def _body(letter: dict[str, Any]) -> str:
    if letter["html"] is None:
        return f"<pre>{escape(letter['text'])}</pre>"
    address = f"/messages/{escape(letter['id'])}/html"
    return f'<iframe sandbox loading="lazy" title="{escape(letter["subject"])}" src="{address}"></iframe>'
