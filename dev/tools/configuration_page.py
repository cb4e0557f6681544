"""Write docs/configuration.md: `python dev/tools/configuration_page.py`, or `make docs-configuration`.

The stack's keys are what Pulumi.yaml declares; what is inside of `sources` and `connection` Pulumi.yaml cannot say, so it
comes from rds_encrypt/settings.py: types and limits from the annotations, the meaning from what stands below each field.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped] # comes with pulumi, without types
from pydantic import TypeAdapter

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # run as a script, it finds its own directory only

from rds_encrypt.settings import Settings  # noqa: E402

__all__ = ["EXAMPLE", "PAGE", "declared", "main", "page"]

PAGE = ROOT / "docs" / "configuration.md"

EXAMPLE = """\
config:
  aws:region: eu-central-1
  rds-encrypt:phase: replicate
  rds-encrypt:sources:
    - identifier: orders
      kmsKey: alias/databases
      credentials:
        secretId: orders/master
      binlogRetentionHours: 96
      cutover:
        maxWriteOutage: 30
        hooks:
          before: [./may-we.sh, orders]
      accept:
        maintenance-window: agreed with the DBAs, CHG-4711
    - identifier: invoices
      phase: cutover
      credentials:
        environment: INVOICES_PASSWORD
        username: migration
      verify:
        level: sample
        sample: 0.25
      cutover:
        strategy: dns
        dns:
          hostedZoneId: Z0123456789ABCDEFGHIJ
          record: invoices.db.example.com
      cleanup:
        old: keep
"""

_INTRODUCTION = f"""\
# Configuration

All keys of a stack, as `Pulumi.STACK.yaml` holds them. This page is generated (`make docs-configuration`) from
[Pulumi.yaml](../Pulumi.yaml) and [rds_encrypt/settings.py](../rds_encrypt/settings.py), and a test fails when it is not up
to date.

`pulumi preview` reports the first error in the config in one sentence: the key, what it must be, and what it is
([the first hour](first-hour.md) has many). A key that nobody reads is refused, too. No value in the config is a secret:
passwords are in Secrets Manager, or in the environment.

```yaml
{EXAMPLE}```

A key is set with its path: `pulumi config set --path 'rds-encrypt:sources[0].kmsKey' alias/databases`, an entry of a list
as `…hooks.before[0]`, and taken out with `pulumi config rm --path`. Without `--path` Pulumi makes a key of that name, which the
program refuses.

`aws:region` and `aws:profile` are those of Pulumi's AWS provider; without them, AWS's own environment variables and
files count. `RDS_ENCRYPT_REPORTS` in the environment names the directory for [what it writes](report.md), instead of
`build/`.
"""

_HEAD = "| key | type | default | meaning |\n| --- | --- | --- | --- |"


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    return 0


def page() -> str:
    """Return the page.

    Raises:
        ValueError: Pulumi.yaml and the settings do not agree, or a field says nothing of itself.
    """
    # Here alone: pydantic parses the settings' source for them, which costs every program 0.1 s at its start.
    Settings.__pydantic_config__["use_attribute_docstrings"] = True
    schema = TypeAdapter(Settings).json_schema(by_alias=True)
    stack = declared()
    if set(stack) != set(schema["properties"]):
        raise ValueError(
            f"Pulumi.yaml declares {sorted(stack)}, settings.py reads {sorted(schema['properties'])}"
        )
    parts = [_INTRODUCTION, "## The stack\n", _HEAD, *_stack_rows(stack, schema), ""]
    source = schema["$defs"]["SourceSettings"]
    parts += ["## A source\n", "The keys of each entry of `sources`.\n", _HEAD, *_rows(source, schema), ""]
    seen: set[str] = set()
    for key, group in (*_groups(source, schema), *_groups(schema, schema)):
        if str(group.get("title")) in seen:
            continue
        seen.add(str(group.get("title")))
        parts += [
            f"## {key}\n",
            f"{_sentence(group['description'])}\n",
            _HEAD,
            *_rows(group, schema, f"{key}."),
            "",
        ]
    return "\n".join(parts)


def declared() -> dict[str, dict[str, Any]]:
    """Return the config keys of Pulumi.yaml."""
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
    config: dict[str, dict[str, Any]] = project["config"]
    return config


def _stack_rows(stack: Mapping[str, Mapping[str, Any]], schema: Mapping[str, Any]) -> Iterator[str]:
    for key, spec in stack.items():
        part = schema["properties"][key]
        if not isinstance(part.get("default"), dict) and spec.get("default") != part.get("default"):
            raise ValueError(f"the default of {key} is another in Pulumi.yaml than in settings.py")
        kind = _type(part, schema) if spec["type"] == "string" else f"{spec['type']}"
        kind = "list of [sources](#a-source)" if key == "sources" else kind
        kind = f"[keys](#{key})" if spec["type"] == "object" else kind
        yield _row(f"rds-encrypt:{key}", kind, _default(part, key in schema["required"]), spec["description"])


def _rows(group: Mapping[str, Any], schema: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, part in group["properties"].items():
        name = f"{prefix}{key}"
        inner = _inner(part, schema)
        if inner is not None:
            anchor = name.lower().replace(".", "")
            meaning = part.get("description") or _sentence(inner["description"])
            yield _row(name, f"[keys](#{anchor})", _default(part, key in group.get("required", ())), meaning)
            continue
        if not part.get("description"):
            raise ValueError(
                f"`{name}` says nothing of itself: write a sentence below the field in settings.py"
            )
        yield _row(
            name, _type(part, schema), _default(part, key in group.get("required", ())), part["description"]
        )


def _groups(
    group: Mapping[str, Any], schema: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what has keys of its own, by its path, depth first."""
    for key, part in group["properties"].items():
        inner = _inner(part, schema)
        if inner is not None:
            yield f"{prefix}{key}", inner
            yield from _groups(inner, schema, f"{prefix}{key}.")


def _inner(part: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the object that a part refers to, if it has keys of its own."""
    reference = part.get("$ref") or next(
        (option["$ref"] for option in part.get("anyOf", ()) if "$ref" in option), None
    )
    if reference is None:
        return None
    definition: Mapping[str, Any] = schema["$defs"][reference.rpartition("/")[2]]
    return definition if "properties" in definition else None


_WORDS = {"boolean": "`true`, `false`", "string": "text", "date": "date"}
_NUMBERS = {"integer": "whole number", "number": "number"}


def _type(part: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    part = next((option for option in part.get("anyOf", ()) if option.get("type") != "null"), part)
    if part.get("$ref") == "#/$defs/DnsSettings":
        return "[keys](#cutoverdns)"
    if "enum" in part:
        return ", ".join(f"`{choice}`" for choice in part["enum"])
    if part["type"] == "array":
        return f"list of {_type(part['items'], schema)}"
    if part["type"] == "object":
        return f"{_type(part['additionalProperties'], schema)}, by name"
    if part["type"] in _NUMBERS:
        return f"{_NUMBERS[part['type']]}{_limits(part)}"
    return _WORDS[part.get("format", part["type"])]


def _limits(part: Mapping[str, Any]) -> str:
    least = part.get("minimum", part.get("exclusiveMinimum"))
    if least is None:
        return ""
    return f", {'above ' if 'exclusiveMinimum' in part else ''}{least} to {part['maximum']}"


def _default(part: Mapping[str, Any], required: bool) -> str:  # noqa: FBT001 - private
    if required:
        return "required"
    default = part.get("default")
    if default is None or default == [] or isinstance(default, dict):
        return "none" if not isinstance(default, dict) else "see there"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _row(*cells: str) -> str:
    first, *rest = cells
    escaped = [" ".join(cell.replace("|", "\\|").split()) for cell in rest]
    return f"| `{first}` | {' | '.join(escaped)} |"


def _sentence(docstring: str) -> str:
    return docstring.strip().partition("\n\n")[0].replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
