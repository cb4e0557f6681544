"""The recording of the demo: which lines its picture has, and that text and picture in docs/terminal are of one run."""

from __future__ import annotations

import html
import re

from rich.text import Text

from dev.demo.recording import essential
from dev.workload.workspace import ROOT

_SCREEN = """\
$ make demo
Tool chain

1/3 replicate ───────
  A sentence.
  $ pulumi preview
   +  aws:rds:Instance orders create
  Diagnostics:
    rds-encrypt:index:Migration (orders):
      Moves, in this order:
      + 1 to create
  ✓ replicate took 23 s

2/3 cutover ───────
  $ pulumi preview
    rds-encrypt:index:Migration (orders):
      Checks, as they are now:
      Moves, in this order:
        ── from here on, running again rolls forward ──
      Undo: phase `rollback`
      + 1 to create
  ✓ cutover took 13 s

Summary ───────
  kept   orders-old: stopped; to be kept until
                2026-12-04
"""
_ROW = re.compile(r'<text class="demo-r\d" x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>')


def test_of_pulumi_s_output_the_picture_shows_the_moves_of_the_cutover() -> None:
    assert (
        "\n".join(line.plain for line in essential(Text(_SCREEN).split("\n")))
        == """\
$ make demo
Tool chain

1/3 replicate ───────
  A sentence.
  $ pulumi preview
  …
  ✓ replicate took 23 s

2/3 cutover ───────
  $ pulumi preview
  …
      Moves, in this order:
        ── from here on, running again rolls forward ──
      Undo: phase `rollback`
  …
  ✓ cutover took 13 s

Summary ───────
  kept   orders-old: stopped; to be kept until
                2026-12-04"""
    )


def test_the_text_and_the_picture_are_of_one_run() -> None:
    recorded = Text((ROOT / "docs" / "terminal" / "demo.txt").read_text("utf-8").rstrip())
    picture = (ROOT / "docs" / "terminal" / "demo.svg").read_text("utf-8")
    rows: dict[float, str] = {}
    for _, y, words in _ROW.findall(picture):
        rows[float(y)] = rows.get(float(y), "") + html.unescape(words)
    drawn = ["".join(rows[y].split()) for y in sorted(rows)]
    expected = ["".join(line.plain.split()) for line in essential(recorded.split("\n"))]
    assert drawn == [line for line in expected if line]
