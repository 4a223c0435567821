"""The pages that a customer sees, as small as can be."""

from html import escape

from starlette.responses import HTMLResponse

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui;max-width:28rem;margin:4rem auto;padding:0 1rem}}
form{{display:inline}}button,select{{font:inherit;padding:.5rem 1rem;margin-right:.5rem}}</style>
<h1>{title}</h1>{body}</html>"""
_BUTTON = '<form method="post" action="{action}">{fields}<button>{label}</button></form>'


def page(title: str, *parts: str) -> HTMLResponse:
    """A page; its parts are HTML."""
    return HTMLResponse(_PAGE.format(title=escape(title), body="".join(parts)))


def words(text: str) -> str:
    """A paragraph."""
    return f"<p>{escape(text)}</p>"


def button(action: str, label: str, *, fields: str = "") -> str:
    """A button that posts; the fields are HTML."""
    return _BUTTON.format(action=escape(action, quote=True), label=escape(label), fields=fields)
