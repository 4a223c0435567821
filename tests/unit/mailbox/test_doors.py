import json
import os
import smtplib
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from services.local.mailbox import app, settings
from services.local.mailbox.settings import Settings


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


@contextmanager
def running(folder: Path) -> Iterator[Settings]:
    smtp_port, http_port = free_ports()
    chosen = Settings(smtp_port=smtp_port, http_port=http_port, state=folder)
    servers: list[uvicorn.Server] = []

    def serve() -> None:
        servers.append(
            uvicorn.Server(uvicorn.Config(app.create_app(chosen), "127.0.0.1", http_port, log_level="error"))
        )
        servers[0].run()

    thread = threading.Thread(target=serve)
    thread.start()
    until, pause = time.monotonic() + 20, threading.Event()
    while not (servers and servers[0].started):
        assert time.monotonic() < until
        pause.wait(0.01)
    yield chosen
    servers[0].should_exit = True
    thread.join()


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Settings]:
    with running(tmp_path) as started:
        yield started


def send(mailbox: Settings, *to: str, subject: str = "Hello", html: bool = False) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "shop@example.com", ", ".join(to)
    message.set_content(f"<p>{subject}</p>", subtype="html" if html else "plain")
    with smtplib.SMTP("127.0.0.1", mailbox.smtp_port) as connection:
        connection.send_message(message)


def get(mailbox: Settings, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{mailbox.http_port}{path}") as answer:
        return answer.read().decode(), answer.headers


def messages(mailbox: Settings, query: str = "") -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = json.loads(get(mailbox, f"/messages{query}")[0])
    return read


def test_what_is_sent_is_read_oldest_first(mailbox: Settings) -> None:
    send(mailbox, "ada@example.com", subject="first")
    send(mailbox, "ben@example.com", subject="second")

    read = messages(mailbox)

    assert [(letter["subject"], letter["to"]) for letter in read] == [
        ("first", "ada@example.com"),
        ("second", "ben@example.com"),
    ]


def test_letters_are_found_by_any_recipient_whatever_the_case(mailbox: Settings) -> None:
    send(mailbox, "Ada@example.com", "ben@example.com", subject="both")
    send(mailbox, "eve@example.com", subject="other")

    assert [letter["subject"] for letter in messages(mailbox, "?to=ada@EXAMPLE.com")] == ["both"]
    assert [letter["subject"] for letter in messages(mailbox, "?to=ben@example.com")] == ["both"]
    assert messages(mailbox, "?to=nobody@example.com") == []


def test_the_page_lists_letters_and_html_is_served_with_nothing_allowed(mailbox: Settings) -> None:
    send(mailbox, "ada@example.com", subject="rich", html=True)
    letter = messages(mailbox)[0]

    overview, _ = get(mailbox, "/")
    shown, headers = get(mailbox, f"/messages/{letter['id']}/html")

    assert "rich" in overview
    assert "<p>rich</p>" in shown
    assert headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


def test_a_letter_without_html_or_without_existence_is_not_shown(mailbox: Settings) -> None:
    send(mailbox, "ada@example.com")
    letter = messages(mailbox)[0]

    for letter_id in (letter["id"], "unknown"):
        with pytest.raises(OSError, match="404"):
            get(mailbox, f"/messages/{letter_id}/html")


def test_mail_survives_the_process_being_killed(tmp_path: Path) -> None:
    smtp_port, http_port = free_ports()
    chosen = Settings(smtp_port=smtp_port, http_port=http_port, state=tmp_path)
    arguments = ("--smtp-port", str(smtp_port), "--http-port", str(http_port), "--state", str(tmp_path))
    command = (sys.executable, "-m", "services.local.mailbox", *arguments)
    process = subprocess.Popen(command, env=dict(os.environ))
    until, pause = time.monotonic() + 30, threading.Event()
    while not healthy(chosen):
        assert time.monotonic() < until
        pause.wait(0.02)

    send(chosen, "ada@example.com", subject="kept")
    process.kill()
    process.wait()

    with running(tmp_path) as again:
        assert [letter["subject"] for letter in messages(again)] == ["kept"]


def healthy(mailbox: Settings) -> bool:
    try:
        return bool(get(mailbox, "/healthz"))
    except OSError:
        return False


def test_settings_come_from_the_command_line() -> None:
    read = settings.read(["--smtp-port", "8630", "--http-port", "8631", "--state", "here"])

    assert (read.smtp_port, read.http_port, read.state) == (8630, 8631, Path("here"))
