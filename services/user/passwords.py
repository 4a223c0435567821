"""Passwords, hashed with argon2id in threads of their own, so that the event loop never waits for one."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from services.shared.errors import Unavailable

_THREADS = 2
_MOST_WAITING = 100

Result = TypeVar("Result")


class TooManyLogins(Unavailable):
    """More people are logging in than can be served at the moment; try again."""


class Passwords:
    """Hashes and checks passwords with the parameters of OWASP's Password Storage Cheat Sheet (19 MiB, 2 passes)."""

    def __init__(self) -> None:
        """Start with a hash that belongs to nobody, so that an unknown address costs what a wrong password does."""
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="passwords")
        self._waiting = 0
        self._nobody = self._hasher.hash("nobody's")

    async def hash(self, password: str) -> str:
        """The hash of a password, with its salt and parameters.

        :raises TooManyLogins: too many wait already.
        """
        return await self._in_thread(lambda: self._hasher.hash(password))

    async def fits(self, password: str, password_hash: str | None) -> bool:
        """Whether the password belongs to the hash; with None it takes as long and is False.

        :raises TooManyLogins: too many wait already.
        """
        return await self._in_thread(lambda: self._check(password, password_hash or self._nobody)) and bool(
            password_hash
        )

    def is_dated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _check(self, password: str, password_hash: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        if self._waiting >= _MOST_WAITING:
            raise TooManyLogins
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
