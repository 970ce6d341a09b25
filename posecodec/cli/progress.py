"""How far long work is: a bar on a terminal, and nothing in pipes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

FEWEST = 2  # Files that a bar is shown for


class Bar:
    """A bar that moves out of the way of lines. bar: tqdm's, or None where nothing is shown."""

    def __init__(self, bar: Any = None) -> None:
        self.bar = bar

    def advance(self) -> None:
        """One more is done."""
        if self.bar is not None:
            self.bar.update()

    def move(self, done: int) -> None:
        """So many are done."""
        if self.bar is not None:
            self.bar.update(done - self.bar.n)

    def tell(self, text: str) -> None:
        """Show a text behind the bar."""
        if self.bar is not None:
            self.bar.set_postfix_str(text, refresh=False)

    def make_way(self) -> contextlib.AbstractContextManager[Any]:
        """While lines are written, which would run into the bar."""
        if self.bar is None:
            return contextlib.nullcontext()
        shown: contextlib.AbstractContextManager[Any] = type(self.bar).external_write_mode(file=sys.stderr)
        return shown


@contextlib.contextmanager
def open_bar(total: int, unit: str = "file") -> Iterator[Bar]:
    """A bar of so many files, or what else they are: count, rate and the time that is left, on
    standard error if that is a terminal."""
    if total < FEWEST or not sys.stderr.isatty():
        yield Bar()
        return
    from tqdm import tqdm

    with tqdm(total=total, unit=unit, file=sys.stderr, dynamic_ncols=True, leave=False) as bar:
        yield Bar(bar)
