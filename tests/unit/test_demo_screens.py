"""The pictures of a terminal: what it showed, in colour, without anything from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from dev.demo.screens import draw

SCREEN = (
    "\x1b[1m\x1b[32m +\x1b[0m   CatchUp  orders  \x1b[32mcreating (7s)\x1b[0m  lag 36 s, 383.5 MB, 10 %\n\n"
)


def test_a_screen_becomes_a_picture_and_a_text(tmp_path: Path) -> None:
    draw(SCREEN, 80, tmp_path / "screen-80")
    assert (tmp_path / "screen-80.txt").read_text(encoding="utf-8").splitlines() == [
        " +   CatchUp  orders  creating (7s)  lag 36 s, 383.5 MB, 10 %"
    ]
    picture = (tmp_path / "screen-80.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(picture)  # noqa: S314 - we wrote it
    assert "383.5" in picture
    assert "#3fb950" in picture
    assert set(re.findall(r"https?://[^\"' )]+", picture)) == {"http://www.w3.org/2000/svg"}
