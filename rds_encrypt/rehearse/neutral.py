"""Takes out of a text what nobody outside the account should read, so that it can be pasted into a public issue."""

from __future__ import annotations

import re

from rds_encrypt.names import Names
from rds_encrypt.rehearse.config import SUFFIX

__all__ = ["neutral"]

_PRIVATE = (
    (r"arn:aws[\w-]*:\S+", "(ARN)"),
    (r"[\w.%+-]+@(?:[\w-]+\.)+[a-z]{2,}", "(address)"),
    (r"(?<!\w)'[^']*'(?!\w)", "'…'"),
    (r"\b(?:[\w-]+\.)+(?:com|internal|cn|net|org|io|local)\b", "(host)"),
    (r"\bip(?:-\d{1,3}){4}\b", "(host)"),
    (r"\b\d{1,3}(?:\.\d{1,3}){3}\b", "(address)"),
    (r"\b[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){3,}", "(address)"),
    (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "(id)"),
    (r"\b(?:db|cluster)-[A-Z0-9]{6,}\b", "(id)"),
    (r"\b(?:vpc|sg|subnet|eni|i|snap|key|mrk|rtb)-[0-9a-f]{8,}\b", "(id)"),
    (r"\b\d{12}\b", "(account)"),
)


def neutral(text: str, copy: str) -> str:
    """Return a text without ARNs, accounts, hosts, addresses, quoted values and names.

    Args:
        copy: the identifier of the copy that the rehearsal worked on.
    """
    names = Names(copy)
    for pattern, word in _PRIVATE:
        text = re.sub(pattern, word, text)
    words = {
        names.replica: "(the replica)",
        names.encrypted: "(the encrypted instance)",
        names.fence: "(the fence's parameter group)",
        names.old: "(the old instance)",
        copy: "(the copy)",
        copy.removesuffix(SUFFIX): "(the source)",
    }
    for name, word in words.items():
        text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", word, text)
    return text
