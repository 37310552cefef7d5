"""A feed of messages, and users who are blocked: what all three programs share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Message:
    author: str
    text: str


def blocked_users(count: int) -> list[str]:
    """As a database gives them: a list."""
    return [f"user{number * 7}" for number in range(count)]


def messages(count: int) -> list[Message]:
    return [Message(f"user{number * 31 % 100003}", f"message {number}") for number in range(count)]


def main(visible: Callable[[list[Message], list[str]], list[Message]]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=20000)
    parser.add_argument("--blocked", type=int, default=3000)
    options = parser.parse_args()
    feed, blocked = messages(options.messages), blocked_users(options.blocked)
    print(f"{len(visible(feed, blocked))} of {len(feed)} messages are shown")
