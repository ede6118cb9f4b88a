"""Ctrl-C and SIGTERM: a command that is stopped clears away, says so in a line, and exits as such.

It exits with 130 or 143, which is what a shell makes of a process that such a signal has ended.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import click

_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


class Stops:
    """Which signal has stopped a command.

    Attributes
    ----------
    signal
        None where none has come.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def interrupt(self, number: int, _frame: FrameType | None) -> NoReturn:
        """Take a signal: note which, and interrupt what the command is doing."""
        self.signal = signal.Signals(number)
        raise KeyboardInterrupt

    def report(self, ctx: click.Context, text: str | None = None) -> NoReturn:
        """Print a line and exit; without a signal it was a KeyboardInterrupt of another origin."""
        by = self.signal or signal.SIGINT
        click.echo(f"{ctx.command_path}: {text or f'stopped by {_NAMES[by]}'}", err=True)
        ctx.exit(128 + by)


@contextmanager
def stop_signals() -> Iterator[Stops]:
    """Have SIGINT and SIGTERM interrupt the block; one that is ignored so far stays ignored."""
    stops = Stops()
    if threading.current_thread() is not threading.main_thread():
        yield stops
        return
    before = {number: signal.getsignal(number) for number in _NAMES}
    taken = {number: old for number, old in before.items() if old != signal.SIG_IGN}
    for number in taken:
        signal.signal(number, stops.interrupt)
    try:
        yield stops
    finally:
        for number, old in taken.items():
            signal.signal(number, old)
