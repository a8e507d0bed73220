"""Verifying a migration: every memory of the source compared with the service; the receipt.

A receipt has counts and digests of every user, chained, and signed if there is a key. Each
user's link is the SHA-256 of the link before it and of the user's part, as JSON with sorted keys.
Changing a user changes every link after it and the last, which is signed with `MEMORY_RECEIPT_KEY`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from ..ledger import UserView
from ..memories.reader import MemoryReader
from ..memories.repository import Service
from ..model.counting import Progress
from ..model.encoder import encode, pick
from ..model.payload import differing, time_of
from ..model.signature import Key
from ..model.user_id import UserId
from ..settings import Settings
from .conflict_resolver import Decision
from .incoming_memory import Accepted, Digest
from .incoming_writer import LISTED
from .migrate import open_intake, read_source
from .migration_source import address_of
from .reports import COPIED, MigrationDifference, Outcome, Verdicts, Verification, VerifiedUser

_VERSION = 1
_INCIDENTAL = {"hash", "revision"}
_LEFT_OUT = (Outcome.DELETED, Outcome.FORGOTTEN, Outcome.KEPT)


def verify(
    service: Service,
    source: str,
    *,
    user: str | None = None,
    history: Path | None = None,
    verdicts: Verdicts | None = None,
    on_progress: Progress | None = None,
) -> Verification:
    """Compare every memory of the source with the target; arguments as for `apply`.

    Text, metadata, times, agent, run and role have to be the same. A memory that was changed or
    deleted here since it was copied is no difference. Nothing is written.

    Raises:
        MigrationError: there is no such source.
        BackendError: something did not answer.
    """
    parts = service.parts
    comparison = _Comparison()
    decided: list[Decision] = []
    with (
        read_source(service, source, user, history) as (staging, survey),
        open_intake(parts, source, verdicts, decided.append, dry_run=True) as intake,
    ):
        # Its caches are empty: what was written does not vouch for itself.
        ledger = intake.ledger
        memories = MemoryReader(ledger, parts.store, parts.embedder)

        def compare(done: int, total: int) -> None:
            for user_id, group in groupby(decided, key=lambda decision: decision.accepted.user_id):
                comparison.add(ledger.view(user_id), memories, list(group))
            decided.clear()
            if on_progress:
                on_progress(done, total)

        intake.take_all(staging.memories(), compare, survey.rows)
        report = intake.finish()
    return Verification(
        source=source,
        target=address_of(parts.backend),
        as_of=datetime.now(UTC),
        survey=survey,
        intake=report,
        users=comparison.result(),
        differences=tuple(comparison.differences),
        differing=comparison.differing,
    )


def make_receipt(proof: Verification, settings: Settings) -> dict[str, Any]:
    """Return the receipt of a verification, as JSON has it."""
    head = {
        "holdfast_migration_receipt": _VERSION,
        **pick(proof, "source", "target", "as_of"),
        "source_digest": proof.survey.digest,
        **pick(proof, "verified", "expected", "found", "differing", "failed"),
        "left_out": sum(user.left_out for user in proof.users),
        "duplicates": proof.intake.counts[Outcome.DUPLICATE],
    }
    return _signed(head, encode(proof.users), settings)


def check_receipt(receipt: Mapping[str, Any], settings: Settings) -> bool:
    """Return whether a receipt is unchanged and was signed with the key of the settings."""
    try:
        users = [{key: user[key] for key in user if key != "link"} for user in receipt["users"]]
        own = ("users", "chain", "signature", "signed")
        head = {key: value for key, value in receipt.items() if key not in own}
        signed = _key(settings).verify(str(receipt["chain"]).encode(), str(receipt["signature"]))
        return signed and _signed(head, users, settings) == dict(receipt)
    except (KeyError, TypeError, ValueError):
        return False


@dataclass
class _User:
    expected: Digest = field(default_factory=Digest)
    actual: Digest = field(default_factory=Digest)
    left_out: int = 0


class _Comparison:
    """A comparison in progress."""

    def __init__(self) -> None:
        self.differences: list[MigrationDifference] = []
        self.differing = 0
        self._users: dict[UserId, _User] = {}

    def add(self, view: UserView, memories: MemoryReader, decided: list[Decision]) -> None:
        """Compare memories of one user with the store and the record."""
        user = self._users.setdefault(view.user_id, _User())
        kept = {each.kept for each in decided if each.outcome is Outcome.ALREADY and each.kept}
        read, missing = memories.read(view, [key for key in kept if key in view.live])
        for decision in decided:
            accepted, kept_id = decision.accepted, decision.kept
            memory_id = accepted.incoming.id
            problem = ""
            if decision.outcome in _LEFT_OUT:
                user.left_out += 1
            elif decision.outcome in COPIED:
                user.expected.add(kept_id or memory_id or "", accepted.text)
                problem = "it is not there"
            elif decision.outcome is Outcome.ALREADY and kept_id:
                user.expected.add(kept_id, accepted.text)
                if kept_id in read:
                    payload = read[kept_id].payload
                    user.actual.add(kept_id, payload["data"])
                    changed = view.live[kept_id].updated or memory_id not in (None, kept_id)
                    keys = _differing(accepted, payload, text_only=changed)
                    if kept_id in missing:
                        problem = "it is on record, but not searchable"
                    elif keys:
                        problem = f"{', '.join(sorted(keys))} differ"
                else:
                    problem = "it was forgotten in between"
            if problem:
                self.differing += 1
                if len(self.differences) < LISTED:
                    difference = MigrationDifference(memory_id, view.user_id, problem)
                    self.differences.append(difference)

    def result(self) -> tuple[VerifiedUser, ...]:
        return tuple(
            VerifiedUser(
                user_id,
                user.expected.count,
                user.actual.count,
                str(user.expected),
                str(user.actual),
                user.left_out,
            )
            for user_id, user in sorted(self._users.items())
        )


def _differing(accepted: Accepted, ours: Mapping[str, Any], *, text_only: bool) -> set[str]:
    keys = set(differing(accepted.payload, ours)) - _INCIDENTAL
    if text_only:
        return keys & {"data"}
    for name in {"created_at", "updated_at"} & keys:
        # One moment may be written in several time zones; where there was none, one was added here.
        moment = time_of(accepted.incoming.payload, name)
        if moment == time_of(ours, name) or (moment is None and name == "created_at"):
            keys.discard(name)
    # A memory without an id may have been saved here before.
    return keys - {"created_at", "updated_at"} if accepted.incoming.id is None else keys


def _signed(
    head: Mapping[str, Any], users: list[dict[str, Any]], settings: Settings
) -> dict[str, Any]:
    link = _digest("", head)
    chained = []
    for user in users:
        link = _digest(link, user)
        chained.append({**user, "link": link})
    signature = _key(settings).sign(link.encode()).hex()
    signed = {"chain": link, "signed": bool(settings.receipt_key), "signature": signature}
    return {**head, "users": chained, **signed}


def _key(settings: Settings) -> Key:
    return Key((settings.receipt_key or "holdfast").encode())


def _digest(link: str, part: Mapping[str, Any]) -> str:
    text = json.dumps(part, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(f"{link}{text}".encode()).hexdigest()
