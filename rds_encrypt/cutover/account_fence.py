"""The account fence, for instances whose parameter group cannot be changed: locks accounts and ends their sessions.

Account statements replicate, so the candidate gets the locks too. When it opens, it unlocks them; that replicates to the
primary, which its fence group keeps read-only by then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from rds_encrypt.access import Access
from rds_encrypt.aws.instance import Instance
from rds_encrypt.aws.instances import Instances
from rds_encrypt.core.errors import ActionRequired
from rds_encrypt.core.waiting import Wait, until
from rds_encrypt.journal import Tag
from rds_encrypt.mysql import accounts, events, writes
from rds_encrypt.mysql.accounts import Account
from rds_encrypt.mysql.connected_clients import application_sessions, logins
from rds_encrypt.mysql.session import Session

__all__ = ["AccountFence", "obstacle"]

_DIGITS = 8
"""Of an account's digest: 32 bits are plenty for the few accounts that are locked already."""
_ROOM = 256 // (_DIGITS + 1)
"""How many digests a tag's value can hold."""


def obstacle(session: Session) -> str | None:
    """Return what would keep writing, or could not be restored, if accounts were locked; ``None`` if nothing."""
    if str(session.value("SELECT @@GLOBAL.event_scheduler")) == "ON" and (
        enabled := [event for event in events.inventory(session) if event.enabled]
    ):
        return f"{len(enabled)} scheduled events would keep writing (such as {enabled[0].schema}.{enabled[0].name})"
    if fellows := writes.sessions_of_our_account(session):
        return f"applications or people use the account of rds-encrypt, which it cannot lock: sessions {', '.join(fellows)}"
    locked = [account for account in accounts.of_applications(session) if account.locked]
    if len(locked) > _ROOM:
        return f"{len(locked)} accounts are already locked, more than the {_ROOM} that a tag can hold"
    return None


@dataclass(frozen=True)
class AccountFence:
    """Locks all accounts but ours and RDS's own, and ends their sessions. Reads pause too."""

    kind: ClassVar[str] = "accounts"

    instances: Instances
    access: Access
    instance_id: str
    locked_before: str | None = None
    """What the other instance's tags say of it, in case this one or its tag is gone."""

    def __str__(self) -> str:
        return "lock all accounts but ours, and end their sessions; reads pause too"

    def apply(self, session: Session, *, deadline: float) -> None:
        """Lock the accounts, end their sessions, wait until they are gone, and prove that locked accounts cannot log in.

        Raises:
            ActionRequired: something would keep writing despite it.
            TimedOut: a session would not end within ``deadline`` seconds.
        """
        self._note_locked_before(session)
        if reason := obstacle(session):
            raise ActionRequired(
                reason, where=f"MySQL at {session.endpoint}", fix="End that, then run `pulumi up` again"
            )
        # An account of ours without privileges, locked too: the attempt to log in with it proves the locks.
        probe = accounts.issue_probe(session)
        for account in accounts.of_applications(session):
            if not account.locked:
                accounts.lock(session, account)
        begun = logins(session)
        until(
            Wait(
                f"the sessions of applications on {session.endpoint} to end",
                deadline=deadline,
                first=0.05,
                longest=0.5,
            ),
            # Logins first: between the two looks, one that succeeds becomes a session.
            lambda: writes.end_logins(session, begun) + writes.end_application_sessions(session),
            done=lambda left: left == 0,
            describe=lambda left: f"{left} are left",
        )
        if not self.holds(session) or not self.access.locks_out(self._instance(), probe):
            raise ActionRequired(
                "applications can still log in although their accounts are locked",
                where=f"MySQL at {session.endpoint}",
                fix="Run `pulumi up` again, or give the instance its own parameter group",
            )

    def holds(self, session: Session) -> bool:
        """Whether no account of an application is open, and no session of one is left."""
        return all(
            account.locked for account in accounts.of_applications(session)
        ) and not application_sessions(session)

    def put_back(self) -> bool:
        """Change nothing, since AWS's API cannot unlock accounts; return whether we locked any."""
        instance = self.instances.find(self.instance_id)
        return instance is not None and Tag.FENCE_BEFORE in instance.tags

    def reopen(self, session: Session, *, deadline: float = 60.0) -> None:
        """Unlock what we locked."""
        writes.wait_until_writable(session, deadline=deadline)
        self.hand_over(session)
        self.instances.untag(self.instance_id, [Tag.FENCE_BEFORE, Tag.LOCKED_BEFORE])

    def hand_over(self, session: Session) -> None:
        """Unlock there what we locked here: the locks replicated."""
        instance = self.instances.find(self.instance_id)
        before = (
            instance.tags.get(Tag.LOCKED_BEFORE) if instance is not None else None
        ) or self.locked_before
        if before is None:
            return  # without the tag we cannot tell which locks are ours
        for account in accounts.of_applications(session):
            if account.locked and digest(account) not in before:
                accounts.unlock(session, account)
        accounts.drop_probe(session)

    def note(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Return which accounts were locked before."""
        before = tags.get(Tag.LOCKED_BEFORE)
        return {} if before is None else {Tag.FENCE_NOTE: self.kind, Tag.LOCKED_BEFORE: before}

    def _note_locked_before(self, session: Session) -> None:
        if Tag.FENCE_BEFORE in self._tags():
            return
        locked = [account for account in accounts.of_applications(session) if account.locked]
        self.instances.tag(
            self.instance_id,
            {Tag.FENCE_BEFORE: self.kind, Tag.LOCKED_BEFORE: digests(locked)},
        )

    def _tags(self) -> dict[str, str]:
        return self._instance().tags

    def _instance(self) -> Instance:
        return self.instances.get(self.instance_id)


def digest(account: Account) -> str:
    """Return a short digest of an account; its name may contain what a tag may not."""
    return hashlib.sha256(str(account).encode()).hexdigest()[:_DIGITS]


def digests(locked: Iterable[Account]) -> str:
    """Return the value of the tag; ``none`` if no account was locked."""
    return " ".join(digest(account) for account in locked) or "none"
