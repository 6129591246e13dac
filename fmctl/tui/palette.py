"""ctrl+p: everything that can be done here, as `area: verb`."""

from __future__ import annotations

from collections.abc import Callable

from textual.command import DiscoveryHit, Hit, Hits, Provider

from fmctl.tui.view import View

_COMMON = (
    ("view: export", "write this view to a file (x)", "export"),
    ("view: refresh", "ask the same again (r)", "again"),
    ("view: jump", "go to a screen, a model or a saved plan by name (:)", "jump"),
    ("command: copy", "copy the command that prints the same (y)", "copy_command"),
    ("help: keys", "keys and a word for the focused widget (?)", "help"),
)


class PaletteProvider(Provider):
    """Entries of the screen in front, then those that every screen has."""

    def _entries(self) -> list[tuple[str, str, Callable[[], object]]]:
        view = self.screen
        if not isinstance(view, View):
            return []
        found = list(view.entries())
        found += [(title, about, getattr(view, f"action_{action}")) for title, about, action in _COMMON]
        found += [(title, about, run) for title, about, run in view.session.palette_entries()]
        return found

    async def discover(self) -> Hits:
        """All of it, before anything is typed; themes are many and wait until they are looked for."""
        for title, about, run in self._entries():
            if not title.startswith("theme:"):
                yield DiscoveryHit(title, run, help=about)

    async def search(self, query: str) -> Hits:
        """What matches."""
        matcher = self.matcher(query)
        for title, about, run in self._entries():
            score = max(matcher.match(title), matcher.match(about) * 0.5)
            if score > 0:
                yield Hit(score, matcher.highlight(title), run, help=about)
