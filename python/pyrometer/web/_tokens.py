"""Tokens that `pyrometer token` prints (src/cli/token.c): signed, expiring, good for one path."""

from __future__ import annotations

import hmac
import os
import re

SECRET_MIN, SECRET_MAX = 16, 4095
TOKEN_MAX = 128
GOOD_MAX = 100  # tokens that are remembered
AHEAD_MAX_S = 86_400 + 300  # a token is good for a day at most, and clocks differ
_TOKEN = re.compile(r"1\.([0-9]{1,12})\.([0-9a-f]{64})", re.ASCII)


def read_secret(path: str | os.PathLike[str]) -> bytes:
    """What the file has, without the line break at its end. OSError; ValueError: too short or too long. Both say how to make one."""
    hint = f"make one: head -c 32 /dev/urandom | base64 > {os.fspath(path)}"
    try:
        with open(path, "rb") as file:
            return checked_secret(file.read(SECRET_MAX + 2).rstrip(b"\r\n"))
    except FileNotFoundError as error:
        raise FileNotFoundError(error.errno, f"{error.strerror}; {hint}", error.filename) from None
    except ValueError as error:
        raise ValueError(f"{error}; {hint}") from None


def checked_secret(secret: bytes) -> bytes:
    """SECRET; ValueError if it is no good one."""
    if not SECRET_MIN <= len(secret) <= SECRET_MAX:
        raise ValueError(f"the secret has {len(secret)} bytes, and needs {SECRET_MIN} to {SECRET_MAX}")
    return secret


def refusal(secret: bytes, token: str, path: bytes, now_s: float) -> str | None:
    """Why TOKEN is not good for PATH now; None: it is."""
    if len(token) > TOKEN_MAX:
        return "oversized"
    found = _TOKEN.fullmatch(token)
    if not found:
        return "malformed"
    expires, mac = found.groups()
    message = b"pyrometer profile 1\n%s\n%s" % (expires.encode(), path)
    if not hmac.compare_digest(hmac.digest(secret, message, "sha256").hex(), mac):
        return "forged, or for another path"
    if not now_s < int(expires) <= now_s + AHEAD_MAX_S:
        return "expired"
    return None


class Tokens:
    """Of one secret. Who asks again with a token that was good is not looked at as closely again."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._good: dict[tuple[str, bytes], int] = {}  # token, path -> when it expires

    def refusal(self, token: str, path: bytes, now_s: float) -> str | None:
        """As the function."""
        expires_s = self._good.get((token, path), 0)
        if now_s < expires_s:
            return None
        why = refusal(self._secret, token, path, now_s)
        if why is None:
            if len(self._good) >= GOOD_MAX:
                self._good.clear()
            self._good[token, path] = int(token.split(".")[1])
        return why
