"""Hashing and checking passwords by argon2id, away from the event loop.

Source: RFC 9106 4, the second recommended option (64 MiB, three passes, four lanes), which is argon2-cffi's
default.
"""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from api.errors import AccountError

MAX_CHARS = 1024
MIN_CHARS = 8
"""Of a new password. Source: NIST SP 800-63B 5.1.1.2, which advises against any rule of composition."""
MIN_DIFFERENT = 4
GENERATED_BYTES = 15
"""20 characters of base64: 120 bits."""
NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$mB+ZDeRmK/TVK9RqzihTtQ$IJ8CzRT+oD2oNr1AOGq/XMzsb7ODc7JWh0CbWBpMe9A"
"""Checked in place of an unknown user's hash, so that both take the same time; it fits no known password."""

_hasher = PasswordHasher()


def generate_password() -> str:
    """A random password that can be typed and pasted."""
    return secrets.token_urlsafe(GENERATED_BYTES)


def check_new_password(password: str, username: str) -> None:
    """AccountError in words for a password that anybody would guess first, or that cannot be."""
    if len(password) < MIN_CHARS:
        raise AccountError(f"the password is shorter than {MIN_CHARS} characters")
    if len(set(password)) < MIN_DIFFERENT:
        raise AccountError(f"the password has fewer than {MIN_DIFFERENT} different characters")
    if username and password.lower() == username.lower():
        raise AccountError("the password is the name of the user")


def hash_password(password: str) -> str:
    """The PHC string of a new password; AccountError when there is none or it is too long."""
    if not password:
        raise AccountError("the password is empty")
    if len(password) > MAX_CHARS:
        raise AccountError(f"the password is longer than {MAX_CHARS} characters")
    return _hasher.hash(password)


def matches(hash_: str, password: str) -> bool:
    """Whether `password` is the one; False too for a hash that is not argon2's."""
    try:
        _hasher.verify(hash_, password[:MAX_CHARS])
    except (VerificationError, InvalidHashError):
        return False
    return len(password) <= MAX_CHARS


class PasswordChecker:
    """Checks and hashes in threads of its own: two, as each takes 64 MiB and every core it can get."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="password")

    async def matches(self, hash_: str | None, password: str) -> bool:
        """As `matches`; None, for no such user, takes as long and is False."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, matches, hash_ or NOBODY, password)
        return found and hash_ is not None

    async def hash(self, password: str) -> str:
        """As `hash_password`."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, hash_password, password)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
