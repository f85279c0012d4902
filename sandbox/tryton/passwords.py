"""The sandbox's passwords are public, so that keeping them well is a waste: each sign-in would cost 0.2 seconds."""

from __future__ import annotations

from pwdlib.hashers.argon2 import Argon2Hasher


def keep_passwords_cheaply() -> None:
    """Have Tryton in this process hash passwords with the least effort; to be called once it is configured."""
    from trytond.res import user

    user.PASSWORD_HASH.hashers[0] = user.PASSWORD_HASH.current_hasher = Argon2Hasher(
        time_cost=1, memory_cost=8, parallelism=1
    )
