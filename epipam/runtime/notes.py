"""What a library function has to say to whoever called it, and that is no result and no error.

A function calls `note`; a command listens, and prints each note once. Without a listener a note
goes to the log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

logger = logging.getLogger(__name__)

_listener: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)


def note(text: str) -> None:
    """Tell the listener one line, or the log where nobody listens."""
    listener = _listener.get()
    if listener is None:
        logger.info("%s", text)
    else:
        listener(text)


@contextmanager
def listening(listener: Callable[[str], None]) -> Iterator[None]:
    """Call `listener` with each note within the block; one that was reported before is left out."""
    reported: set[str] = set()

    def once(text: str) -> None:
        if text not in reported:
            reported.add(text)
            listener(text)

    token = _listener.set(once)
    try:
        yield
    finally:
        _listener.reset(token)
