"""The blocked users are in a set: it knows at once who is one of them."""

from __future__ import annotations

from feed import Message, main


def visible(messages: list[Message], blocked: list[str]) -> list[Message]:
    names = set(blocked)
    shown = []
    for message in messages:
        if message.author not in names:
            shown.append(message)
    return shown


if __name__ == "__main__":
    main(visible)
