"""The first hour: what is shown of an output, and what counts as a different one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dev.demo.first_hour import CHAPTERS, PAGE, Chapter, differences, rendered
from dev.demo.shell import Typed, opened

REFUSED = """\
Previewing update (dev):

@ previewing update....
 +  pulumi:pulumi:Stack rds-encrypt-dev create
 +  rds-encrypt:index:Migration orders create
    pulumi-python:dynamic/rds:Preflight orders  error: orders: no.
Diagnostics:
  pulumi:pulumi:Stack (rds-encrypt-dev):
    error: Resource monitor has terminated, shutting down

  pulumi-python:dynamic/rds:Preflight (orders):
    warning: orders: mind this.
    error: orders: the second sentence
      goes on. Do that.

Outputs:
    orders: {
        phase: "replicate"
    }

Resources:
    + 2 to create
    2 errored
"""


def page(output: str, *, whole: bool = False) -> str:
    chapter = Chapter("A title", "Words.", ("pulumi preview",), whole=whole)
    return rendered([(chapter, [Typed("pulumi preview", output, 1)])], Path("/somewhere"))


def test_what_is_wrong_is_shown_and_the_rest_left_out() -> None:
    shown = page(REFUSED).partition("```console\n")[2]

    assert shown.splitlines() == [
        "$ pulumi preview",
        "Previewing update (dev):",
        "Diagnostics:",
        "  pulumi-python:dynamic/rds:Preflight (orders):",
        "    error: orders: the second sentence",
        "      goes on. Do that.",
        "Resources:",
        "    + 2 to create",
        "    2 errored",
        "```",
    ]


def test_a_whole_chapter_has_warnings_too() -> None:
    assert "    warning: orders: mind this." in page(REFUSED, whole=True)


@pytest.mark.parametrize(
    ("now", "differing"),
    [
        (REFUSED.replace("127.0.0.1", "127.0.0.9").replace("mind this", "mind that"), 0),
        (REFUSED.replace("the second sentence", "another sentence"), 2),
    ],
)
def test_another_error_is_a_difference_and_another_warning_is_none(now: str, differing: int) -> None:
    assert len(differences(page(REFUSED), page(now))) == differing


def test_each_mistake_is_told_with_where_and_what_to_do() -> None:
    """A reader of the page sees an error, in the words of the program, for each command that is to fail."""
    text = PAGE.read_text(encoding="utf-8")
    broken = text.partition("## Break it\n")[2].partition("\n## ")[0]
    parts = dict(re.findall(r"^### (.*?)\n(.*?)(?=^### |\Z)", broken, re.DOTALL | re.MULTILINE))

    assert set(parts) == {
        chapter.title for chapter in CHAPTERS if chapter.level == 3 and chapter.commands[-1].startswith(SET)
    } - {"The cutover", "Cleaning up"}
    for title, part in parts.items():
        errors = re.findall(r"^ +error: (.*)$", part, re.MULTILINE)
        assert len(errors) == part.count("$ pulumi preview"), title
        for error in errors:
            assert re.search(r"[a-zA-Z]: .*\. \S.*\.$|: .*`\.$", error), (
                f"{title}: where, what, what to do? {error}"
            )


SET = ("pulumi config set", "pulumi config rm")


def test_a_shell_keeps_what_was_exported_and_nothing_of_ours_reaches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_HOME", "/nowhere")
    with opened(tmp_path, tmp_path / "home") as shell:
        assert shell.type("export GREETING=hello").code == 0
        assert shell.type('echo "$GREETING $HOME $PULUMI_HOME"').output == f"hello {tmp_path / 'home'} \n"
        failed = shell.type("printf 'no newline'; false")
    assert (failed.output, failed.code) == ("no newline", 1)
