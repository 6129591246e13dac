"""The line of keys at the foot of each screen."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Footer


class Keys(Footer):
    """Textual's footer, letting go of the keys that it showed before.

    In Textual 8 every key binds itself to the footer and stays in the footer's list of watchers when the next set
    replaces it: 30 widgets for each change of focus, 190 MiB in an hour of looking at a cluster's pages.
    """

    def compose(self) -> ComposeResult:
        """The keys of the focused widget."""
        for known in getattr(self, "__watchers", {}).values():
            known[:] = [(widget, told) for widget, told in known if not widget._closing]
        yield from super().compose()
