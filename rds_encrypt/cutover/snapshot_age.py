"""Method ``offline``: nothing replicates, so nobody may have written to the source since the snapshot that is copied.

A killed run can leave a snapshot or an instance that is older than the fence: the fence was lifted, and closed again. The engine
adopts it, so what counts are the coordinates in its own tag.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rds_encrypt.aws.instance import Instance
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.cutover.context import CutoverContext
from rds_encrypt.journal import Tag
from rds_encrypt.mysql.coordinates import Coordinates, wrote_since
from rds_encrypt.mysql.session import Session

__all__ = ["require_current", "require_none_stale"]


def require_none_stale(
    session: Session, source: Instance, left: Iterable[tuple[str, Mapping[str, str]]]
) -> None:
    """Refuse, before the fence closes, what the cutover would refuse hours into the downtime.

    Args:
        session: on the source.
        source: the instance that is about to be fenced.
        left: what exists already under the migration's names, with its tags.

    Raises:
        ActionRequired: one is older than the last write of an application; or the binlogs do not tell.
    """
    for name, tags in left:
        noted = tags.get(Tag.COORDINATES) if tags.get(Tag.MIGRATION) == source.resource_id else None
        if noted and wrote_since(session, Coordinates.parse(noted)):
            raise ActionRequired(
                f"an earlier run made it from {source.identifier} at {noted}, and applications have written there since",
                where=name,
                fix="Run `pulumi destroy`, which deletes it, then `pulumi up`",
                safe="The source accepts writes as before",
            )


def require_current(context: CutoverContext, primary: Session) -> None:
    """Require that the candidate has the last write of an application.

    Raises:
        ActionRequired: it has not; or its tag is missing, or the binlogs do not tell.
    """
    candidate = context.candidate()
    noted = candidate.tags.get(Tag.COORDINATES)
    if not noted:
        what = f"its tag {Tag.COORDINATES} is missing, so rds-encrypt cannot tell which writes it has"
    elif wrote_since(primary, Coordinates.parse(noted)):
        what = f"applications wrote to {context.names.source} after its snapshot was taken at {noted}"
    else:
        return
    raise ActionRequired(
        what,
        where=candidate.identifier,
        fix="Run `pulumi destroy`, which deletes it and lifts the fence; then start over",
    )
