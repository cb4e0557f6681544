"""Pictures of a terminal, as SVG that needs neither a network nor a font of its own."""

from __future__ import annotations

import os
import re
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

__all__ = ["draw"]

_WEB_FONT = re.compile(r"\s*(@font-face \{[^}]*\}|<!--.*?-->)", re.DOTALL)
_FONT = 'ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", monospace'


def draw(screen: Text, columns: int, file: Path, *, title: str) -> None:
    """Write what a terminal of so many columns shows as a picture."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(
            record=True, width=columns, file=nowhere, force_terminal=True, color_system="truecolor"
        )
        console.print(screen, no_wrap=True, crop=True)
        picture = console.export_svg(title=title, theme=DIMMED_MONOKAI, unique_id=file.stem)
    # People look at it without a network too, and nobody else should learn that they do.
    picture = _WEB_FONT.sub("", picture.replace("Fira Code, monospace", _FONT))
    file.write_text(picture, encoding="utf-8")
