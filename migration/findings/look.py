"""All looks at a source: what blocks the phase, what to mind, what is good to know. Nobody is kept waiting for a remark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import botocore.exceptions

from controlplane.aws import DENIED, Aws, code_of
from controlplane.surroundings import Surroundings
from foundation.errors import MigrationError
from migration.findings import of_account, of_caller, of_instance, of_key
from migration.findings.finding import Finding
from migration.findings.of_mysql import of_mysql
from migration.findings.scene import Look, Scene
from migration.needs import Need
from migration.preflight import Plan
from replication.session import Session

__all__ = ["findings", "scene_of"]

_THREADS = 4


def scene_of(
    aws: Aws, plan: Plan, around: Surroundings | None = None, fleet: tuple[Need, ...] = ()
) -> Scene | None:
    """Return what there is to look at, or ``None`` if the source has been replaced, or a swap is under way."""
    survey = plan.survey
    ahead = plan.phase in {"replicate", "cutover"} and not survey.swap_begun and not survey.returning
    if survey.source is None or not ahead:
        return None
    return Scene(aws, around or Surroundings(aws), plan, survey.source, fleet)


def findings(scene: Scene, session: Session | None, *, remarks: bool) -> list[Finding]:
    """Look at everything, at AWS and MySQL at the same time.

    Args:
        scene: where to look.
        session: one on the source, if MySQL is to be asked as well.
        remarks: whether to look for more than what stands in the way.
    """
    looks: list[Look] = []
    if scene.fresh:
        looks += (*of_instance.OBSTACLES, *of_account.OBSTACLES)
    if scene.fresh and remarks:
        looks += (*of_instance.REMARKS, *of_account.REMARKS, of_caller.permissions, of_key.key_policy)
    if remarks and (scene.fresh or scene.plan.phase == "cutover"):
        looks += (*of_instance.REMINDERS, *of_account.REMINDERS)
    with ThreadPoolExecutor(_THREADS) as pool:
        asked = [pool.submit(_carefully, look, scene) for look in looks]
        told = of_mysql(scene, session) if remarks and scene.fresh and session is not None else []
        found: list[Finding] = []
        unseen: list[str] = []
        for answer in asked:
            seen, refused = answer.result()
            found += seen
            unseen += refused
    return [*found, *told, *_not_looked(scene, unseen)]


def _carefully(look: Look, scene: Scene) -> tuple[list[Finding], list[str]]:
    """Look; return what was found, and what could not be looked at."""
    try:
        return list(look(scene)), []
    except MigrationError as error:
        cause = error.__cause__
        if isinstance(cause, botocore.exceptions.ClientError) and code_of(cause) in DENIED:
            return [], [f"{look.__name__.replace('_', ' ')} (not allowed: {cause.operation_name})"]
        return [], [f"{look.__name__.replace('_', ' ')} ({error.what})"]


def _not_looked(scene: Scene, unseen: Iterable[str]) -> Iterator[Finding]:
    if missed := ", ".join(unseen):
        yield scene.note(
            f"not looked at: {missed}",
            fix="The statement LookAroundAtPreview of docs/iam-policy.json allows it; a migration does without",
        )
