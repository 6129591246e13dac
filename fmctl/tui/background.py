"""Calls that take seconds, in threads that nobody waits for; what they find arrives as messages."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from textual.message import Message

from fmctl.base.errors import FmctlError
from fmctl.usecases.session.items import Trouble

if TYPE_CHECKING:
    from textual.message_pump import MessagePump

T = TypeVar("T")


class Found(Message):
    """What a call came to: `value`, or `trouble`."""

    def __init__(self, what: str, value: object, trouble: Trouble | None) -> None:
        super().__init__()
        self.what, self.value, self.trouble = what, value, trouble


class Heard(Message):
    """Something that a call tells while it goes on."""

    def __init__(self, what: str, value: object) -> None:
        super().__init__()
        self.what, self.value = what, value


class Calls:
    """The calls of one screen. One of a name runs at a time: a second is dropped while the first is under way."""

    def __init__(self, screen: MessagePump) -> None:
        self._screen = screen
        self._running: set[str] = set()
        self._lock = threading.Lock()

    def start(self, what: str, call: Callable[[], object]) -> bool:
        """Make the call; `Found` arrives on the screen. False where one of that name is under way."""
        with self._lock:
            if what in self._running:
                return False
            self._running.add(what)
        threading.Thread(target=self._one, args=(what, call), daemon=True, name=f"fmctl {what}").start()
        return True

    def hear(self, what: str) -> Callable[[object], None]:
        """A function that a call may tell things by: each arrives as `Heard`."""
        return lambda value: self._post(Heard(what, value))

    def is_running(self, what: str) -> bool:
        """Whether such a call is under way."""
        return what in self._running

    def _one(self, what: str, call: Callable[[], object]) -> None:
        value, trouble = attempted(call)
        with self._lock:
            self._running.discard(what)
        self._post(Found(what, value, trouble))

    def _post(self, message: Message) -> None:
        if self._screen.is_attached:
            self._screen.post_message(message)


def attempted(call: Callable[[], T]) -> tuple[T | None, Trouble | None]:
    """(what a call gave, what went wrong); what nobody meant is written to the log."""
    try:
        return call(), None
    except FmctlError as error:
        return None, Trouble.of(error)
    except Exception as error:
        from fmctl.tui.session import log_error

        log_error("".join(traceback.format_exception(error)))
        return None, Trouble.of(error)
