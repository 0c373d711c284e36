"""Formats exceptions for messages."""

from __future__ import annotations

MAX_LENGTH = 300


def reason(error: BaseException) -> str:
    """Returns the message of an exception on one line.

    The type is added except for ``OSError`` and ``ValueError``, whose messages are
    complete sentences.

    Args:
        error: Any exception; its message may have several lines or be empty.
    """
    text = ' '.join(str(error).split())
    if len(text) > MAX_LENGTH:
        text = f'{text[:MAX_LENGTH]} ...'
    if isinstance(error, OSError | ValueError) and text:
        return text
    return f'{type(error).__name__}: {text}' if text else type(error).__name__
