"""The fix that is guessed without looking: a local alias for the method that the loop calls."""

from __future__ import annotations

from feed import Message, main


def visible(messages: list[Message], blocked: list[str]) -> list[Message]:
    shown: list[Message] = []
    append = shown.append
    for message in messages:
        if message.author not in blocked:
            append(message)
    return shown


if __name__ == "__main__":
    main(visible)
