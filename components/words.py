"""Values of the config that go to another program: none may look like an option there, or mean something to its configuration."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from rds_encrypt.mysql.bastion import HOST

__all__ = ["FileForSsh", "HostForSsh", "ManagedInstance", "UserForSsh"]


def _fits(pattern: str, kind: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"this is not {kind} (it is {value!r})")
        return value

    return AfterValidator(check)


HostForSsh = Annotated[str, _fits(HOST, "a host name or address")]
UserForSsh = Annotated[str, _fits(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,99}", "an account name")]
FileForSsh = Annotated[
    str,
    _fits(
        r"""(~/)?[^-~\x00-\x1f\x7f"\\$][^\x00-\x1f\x7f"\\$]*""",
        "a path for ssh: it must not begin with a dash, or with `~` except `~/`, nor contain double quotes, backslashes, dollar signs or control characters",
    ),
]
ManagedInstance = Annotated[str, _fits(r"m?i-[0-9a-f]{8,17}", "an instance id (`i-…` or `mi-…`)")]
