"""The names that a migration uses, all derived from the source's identifier."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rds_encrypt.core.errors import PreconditionFailed

__all__ = ["LONGEST", "Names"]

LONGEST = 63
"""Characters of an identifier ("Quotas and constraints for Amazon RDS", RDS User Guide)."""
_IDENTIFIER = re.compile(r"[a-z](?:-?[a-z0-9])*")


@dataclass(frozen=True)
class Names:
    """Names of the instances, snapshots and parameter groups of one migration."""

    source: str

    @property
    def replica(self) -> str:
        """The RDS-managed replica, and the snapshot taken of it."""
        return f"{self.source}-not-encrypted"

    @property
    def encrypted(self) -> str:
        """The encrypted snapshot copy, the instance restored from it until it takes the source's name, and its group."""
        return f"{self.source}-encrypted"

    @property
    def old(self) -> str:
        """The source after the cutover."""
        return f"{self.source}-old"

    @property
    def fence(self) -> str:
        """The parameter group that keeps the old instance read-only."""
        return f"{self.source}-fence"

    @property
    def group_purpose(self) -> str:
        """The end of the description of each of the migration's parameter groups, which identifies them."""
        return f"read-only while {self.source} is being encrypted"

    @property
    def all(self) -> tuple[str, ...]:
        """Every name that an instance of this migration may have."""
        return self.source, self.replica, self.encrypted, self.old

    @classmethod
    def of(cls, identifier: str) -> Names:
        """Return the names for a source.

        Raises:
            PreconditionFailed: the identifier is not one that RDS allows, or a derived one would be too long.
        """
        if not _IDENTIFIER.fullmatch(identifier):
            raise PreconditionFailed(
                "this is not a DB instance identifier",
                where=f"identifier {identifier!r}",
                fix="Use 1 to 63 lower-case letters, digits and single hyphens, beginning with a letter",
            )
        names = cls(identifier)
        longest = max(names.all, key=len)
        if len(longest) > LONGEST:
            raise PreconditionFailed(
                f"`{longest}` would have {len(longest)} characters, but RDS allows {LONGEST}",
                where=f"identifier {identifier!r}",
                fix=f"Rename the instance to at most {LONGEST - len(longest) + len(identifier)} characters first",
            )
        return names
