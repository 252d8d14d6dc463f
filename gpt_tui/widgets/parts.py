"""The parts of a screen, which stand one below the other where it is narrow."""

from __future__ import annotations

from textual.containers import Container


class Parts(Container):
    """When it scrolls, the part that gets the focus is shown from its top, as far as that shows the focus itself."""

    DEFAULT_CSS = """
    Parts { height: 1fr; }
    """

    def on_descendant_focus(self) -> None:
        if self.allow_vertical_scroll:
            self.call_after_refresh(self._show_part)

    def _show_part(self) -> None:
        focused = self.screen.focused
        part = next((part for part in self.children if focused is not None and part in focused.ancestors), None)
        if part is not None and focused is not None:
            top = part.virtual_region.y
            bottom = focused.region.bottom - self.region.y + self.scroll_offset.y
            self.scroll_to(y=max(top, bottom - self.size.height), animate=False, force=True)
