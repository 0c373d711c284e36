"""What does an exception say, in one line?"""

from __future__ import annotations

MOST_LETTERS = 300


def reason(error: BaseException) -> str:
    """The message of an exception on one line, with its type where that says more.

    Args:
        error: Any exception; OpenCV's have several lines, some have no message.
    """
    text = ' '.join(str(error).split())
    if len(text) > MOST_LETTERS:
        text = f'{text[:MOST_LETTERS]} ...'
    if isinstance(error, OSError | ValueError) and text:
        return text
    return f'{type(error).__name__}: {text}' if text else type(error).__name__
