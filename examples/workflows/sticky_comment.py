"""Keep one comment with plans and findings on a pull request: written the first time, changed from then on.

Needs nothing but the standard library; GITHUB_TOKEN and GITHUB_REPOSITORY come from the workflow.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

__all__ = ["body", "main"]

_PLAN, _FINDINGS = "plan.md", "findings.md"
_LONGEST = 65_000
"""GitHub takes 65,536 characters."""
_SECONDS = 30


def main(arguments: list[str] | None = None) -> int:
    """Write the comment; return 1 if GitHub refuses it."""
    options = _parser().parse_args(arguments)
    text = body(options.stack, sources(options.plans), options.outcome, options.run)
    try:
        _keep(options.number, _marker(options.stack), text)
    except (urllib.error.URLError, KeyError) as error:
        print(f"the comment could not be written: {error!r}", file=sys.stderr)
        return 1
    return 0


def sources(directory: Path) -> dict[str, tuple[str, str]]:
    """Return the plan of each source, and what preflight found; either may be missing, and is empty then."""
    found: dict[str, tuple[str, str]] = {}
    names = {
        file.name.rpartition("-")[0] for kind in (_PLAN, _FINDINGS) for file in directory.glob(f"*-{kind}")
    }
    for name in sorted(names):
        plan, findings = (directory / f"{name}-{kind}" for kind in (_PLAN, _FINDINGS))
        found[name] = _text(plan), _text(findings)
    return found


def body(stack: str, found: dict[str, tuple[str, str]], outcome: str, run: str) -> str:
    """Return the comment's text: what was found and is planned for each source, or where to look if the preview failed."""
    lines = [f"{_marker(stack)}\n## rds-encrypt, stack `{stack}`\n"]
    foot = f"[The whole preview]({run}). Merging carries this out after approval.\n"
    if outcome != "success":
        # A plan, if there is one, belongs to an earlier preview, or will not be carried out.
        lines += [f"### `{name}`\n\n{findings}" for name, (_, findings) in found.items() if findings]
        foot = f"**The preview failed**: [its log]({run}) says why and what to do. Nothing was touched.\n"
    elif found:
        lines += [f"{plan}\n{findings}" for plan, findings in found.values()]
    else:
        lines += ["There is no plan.\n"]
    text = "\n".join([*lines, foot])
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n\n… and more: {foot}"


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Keep one comment with the plans on a pull request.")
    parser.add_argument("--stack", required=True)
    parser.add_argument("--number", required=True, type=int, help="of the pull request")
    parser.add_argument("--outcome", required=True, help="of the preview: success or failure")
    parser.add_argument("--run", required=True, help="address of the workflow's run")
    parser.add_argument("--plans", type=Path, default=Path("build"), help="where the preview wrote them")
    return parser


def _marker(stack: str) -> str:
    return f"<!-- rds-encrypt plan of {stack} -->"


def _keep(number: int, marker: str, text: str) -> None:
    issues = f"/repos/{os.environ['GITHUB_REPOSITORY']}/issues"
    page: str | None = f"{_root()}{issues}/{number}/comments?per_page=100"
    while page:
        comments, page = _ask("GET", page)
        for comment in comments:
            if str(comment["body"]).startswith(marker):
                _ask("PATCH", f"{_root()}{issues}/comments/{comment['id']}", {"body": text})
                return
    _ask("POST", f"{_root()}{issues}/{number}/comments", {"body": text})


def _root() -> str:
    return os.environ.get("GITHUB_API_URL", "https://api.github.com")


def _ask(method: str, url: str, content: dict[str, str] | None = None) -> tuple[Any, str | None]:
    """Return the answer, and the address of the next page if there is one."""
    request = urllib.request.Request(  # noqa: S310 - the address is GitHub's own
        url,
        method=method,
        data=json.dumps(content).encode() if content is not None else None,
        headers={
            "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}",
            "Accept": "application/vnd.github+json",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - the same
        following = re.search(r'<([^>]+)>; rel="next"', answer.headers.get("Link") or "")
        return json.load(answer), following[1] if following else None


if __name__ == "__main__":
    sys.exit(main())
