"""Everything a source has, in a temporary database, user by user: it may be more than memory holds.

A source is read once, in its own order. The ledger takes the memories of one user together, so
they are put in that order here; the file is gone when it is closed, and when the process dies.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..embedders import Embedder
from ..errors import InvalidUserId
from ..ledger import Ledger, LedgerEntry, Live, UserView
from ..model.batches import batches
from ..model.payload import time_of
from ..model.records import Kind
from ..model.user_id import UserId, is_probe, normalize_user_id
from ..storage.vectors.base import PUT_BATCH
from .incoming import Carried, Digest
from .migration_report import SourceSurvey, Vectors
from .source_row import MigrationSource, SourceRow, bounded, split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def recorded(ledger: Ledger, view: UserView) -> Iterator[SourceRow]:
    """Yield the live memories of a user with their history, without vectors."""
    # A twin has an id that no entry names: what added it is no event of the other.
    twins = {live.added for one, live in view.live.items() if live.added.memory_id != one}
    entries: dict[str, list[LedgerEntry]] = {}
    for entry in view.entries:
        if entry.kind in (Kind.ADD, Kind.UPDATE) and entry not in twins:
            entries.setdefault(entry.memory_id, []).append(entry)
    for ids in batches(view.live, PUT_BATCH):
        wanted = {one: _said_of(view.live[one], entries.get(one, [])) for one in ids}
        details = ledger.details(entry for group in wanted.values() for entry in group)
        for one in ids:
            latest = details.get(view.live[one].latest)
            if latest is not None:
                said = [details[entry] for entry in wanted[one] if entry in details]
                earlier = tuple(event for each in said for event in _events(each))
                yield SourceRow(one, latest["raw_user_id"], latest["payload"], earlier=earlier)


def _said_of(live: Live, entries: list[LedgerEntry]) -> list[LedgerEntry]:
    return entries if live.updated and entries else [live.latest]


def _events(details: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from details.get("earlier") or ()
    source = (details.get("moved") or {}).get("from")
    yield {
        "kind": details["kind"],
        "at": details["at"],
        "memory": details["payload"]["data"],
        **({"from": source} if source else {}),
    }


_SAMPLE = 16
_ALIKE = 0.999
"""The cosine above which two vectors of one text are of one model."""
_TOLD_EVERY = 500
_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE rows (seq INTEGER PRIMARY KEY, id TEXT, user TEXT, raw TEXT, created TEXT,
                   bare INTEGER, payload TEXT, vec BLOB, earlier TEXT, number INTEGER,
                   problem TEXT);
CREATE INDEX of_id ON rows (id);
CREATE TABLE known (id TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_ORDER = "CREATE INDEX by_user ON rows (user, created, bare, seq)"

Told = Callable[[int], None]


class Spool:
    """Use it from one thread, as a context manager. `user` owns what names nobody."""

    def __init__(self, embedder: Embedder, user: str | None) -> None:
        self._embedder = embedder
        self._user = user
        self._rows = sqlite3.connect("", isolation_level=None)
        self._rows.executescript(_TABLES)
        self._rows.execute("BEGIN")
        self._split = 0
        self._count = 0
        self._digest = Digest()
        self._forgotten: dict[str, str] = {}
        self._kept = False

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *exc: object) -> None:
        self._rows.close()

    def fill(
        self, source: MigrationSource, told: Told | None = None, *, sample: bool = True
    ) -> SourceSurvey:
        """Read everything, and look whether its vectors are those of the embedder in use.

        Without the `sample` they are not looked at, and nothing is embedded.
        """
        if source.ledger is not None:
            for view in source.ledger.users():
                self._rows.executemany(
                    "INSERT OR IGNORE INTO known VALUES (?)", [(one,) for one in view.all_ids]
                )
                if view.forgotten:
                    self._forgotten[view.user_id] = view.forgotten
                if not is_probe(view.user_id):
                    for found in recorded(source.ledger, view):
                        self._add(found, told)
        for found in source.stored():
            if source.ledger is None or not self._on_record(found):
                self._add(found, told)
        self._rows.execute(_ORDER)
        return self._survey(source, sample)

    def rows(self) -> Iterator[Carried]:
        """Yield every memory, user by user, oldest first; those with a problem are left out."""
        import numpy as np

        asked = (
            "SELECT id, raw, payload, vec, earlier, number FROM rows WHERE problem IS NULL "
            "ORDER BY user, created, bare, seq"
        )
        for one, raw, payload, vec, earlier, number in self._rows.execute(asked):
            values = np.frombuffer(vec, dtype="<f4") if vec and self._kept else None
            yield Carried(
                id=one,
                user_id=raw,
                payload=json.loads(payload),
                values=values,
                embedder=self._embedder.name if values is not None else None,
                line=number,
                earlier=json.loads(earlier) if earlier else (),
            )

    def problems(self) -> Iterator[tuple[int, str | None, str | None, str]]:
        """Yield place, id, user and reason of what cannot be taken."""
        yield from self._rows.execute(
            "SELECT number, id, raw, problem FROM rows WHERE problem IS NOT NULL ORDER BY seq"
        )

    def forms(self) -> Iterator[tuple[UserId, str, int]]:
        """Yield every user with each form of the id, and how many memories stand under it."""
        yield from self._rows.execute(
            "SELECT user, raw, count(*) FROM rows WHERE problem IS NULL GROUP BY user, raw "
            "ORDER BY user, count(*) DESC"
        )

    def _add(self, found: SourceRow, told: Told | None) -> None:
        self._count += 1
        if told and self._count % _TOLD_EVERY == 0:
            told(self._count)
        parts = list(split(found)) if not found.problem else [found]
        self._split += len(parts) > 1
        for one in parts:
            self._insert(one)

    def _insert(self, found: SourceRow) -> None:
        raw = found.user_id or self._user
        problem, user = found.problem, ""
        if not problem and raw is None:
            problem = "it names no user; say whose it is with --user"
        elif not problem and raw is not None:
            try:
                user = _canonical(raw)
                # Read in temporary tables, which take no broken characters.
                (found.id or "").encode()
            except InvalidUserId as exc:
                problem = str(exc)
            except UnicodeEncodeError:
                problem = "its id has a broken character"
        if problem:
            row = (_plain(found.id), None, _plain(raw), None, None, None, None, None)
            self._put(*row, found.number, problem)
            return
        if is_probe(UserId(user)):
            return
        vec = self._fitting(found.values)
        payload = {key: val for key, val in found.payload.items() if key != "user_id"}
        created = time_of(payload, "created_at")
        text = json.dumps(payload, sort_keys=True)
        self._digest.add(found.id or "", f"{user} {text}")
        earlier = bounded(found.earlier)
        self._put(
            found.id,
            user,
            raw,
            created.astimezone(UTC).isoformat() if created else "",
            vec is None,
            text,
            vec,
            json.dumps([dict(one) for one in earlier]) if earlier else None,
            found.number,
            None,
        )

    def _put(self, *row: Any) -> None:
        self._rows.execute("INSERT INTO rows VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def _on_record(self, found: SourceRow) -> bool:
        """Say whether a row of the store is on record, or was; a live one gives its vector."""
        asked = "SELECT 1 FROM known WHERE id = ?"
        if self._rows.execute(asked, (found.id,)).fetchone() is None:
            # Whoever was forgotten leaves nothing on record that would name what is left over.
            before = self._forgotten.get(_canonical_or_none(found.user_id) or "")
            return before is not None and str(found.payload.get("revision", "")) < before
        if (vec := self._fitting(found.values)) is not None:
            asked = "SELECT seq, payload FROM rows WHERE id = ? AND bare"
            for seq, payload in self._rows.execute(asked, (found.id,)).fetchall():
                if json.loads(payload)["data"] == found.text:
                    self._rows.execute(
                        "UPDATE rows SET vec = ?, bare = 0 WHERE seq = ?", (vec, seq)
                    )
        return True

    def _fitting(self, values: NDArray[np.float32] | None) -> bytes | None:
        """Return a vector of the length that is needed as a unit vector."""
        import numpy as np

        if values is None or values.shape != (self._embedder.dimensions,):
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            length = math.sqrt(float(np.dot(values, values)))
        if not math.isfinite(length) or length == 0.0:
            return None
        return (values / np.float32(length)).astype("<f4").tobytes()

    def _survey(self, source: MigrationSource, sample: bool) -> SourceSurvey:
        total, vectors, earlier = self._rows.execute(
            "SELECT count(*), sum(vec IS NOT NULL), sum(earlier IS NOT NULL) FROM rows"
        ).fetchone()
        sampled, agreed, seconds = self._compare((vectors or 0) if sample else 0)
        said: Vectors = "none there"
        if sampled:
            said = "kept" if agreed == sampled else "made anew"
        self._kept = said == "kept"
        return SourceSurvey(
            parts=tuple(source.parts()),
            rows=total,
            split=self._split,
            with_history=earlier or 0,
            vectors=said,
            sampled=sampled,
            agreed=agreed,
            digest=str(self._digest),
            embed_seconds=seconds,
        )

    def _compare(self, vectors: int) -> tuple[int, int, float]:
        """Embed some of the texts again, from all over the source, and compare."""
        import numpy as np

        if not vectors:
            return 0, 0, 0.0
        step = max(1, vectors // _SAMPLE)
        found = self._rows.execute(
            "SELECT payload, vec FROM (SELECT payload, vec, row_number() OVER (ORDER BY seq) AS at "
            "FROM rows WHERE vec IS NOT NULL) WHERE at % ? = 0 LIMIT ?",
            (step, _SAMPLE),
        ).fetchall()
        texts = [json.loads(payload)["data"] for payload, _ in found]
        self._embedder.embed(texts[:1])
        started = time.monotonic()
        rows = self._embedder.embed(texts)
        seconds = (time.monotonic() - started) / len(texts)
        theirs = np.array([np.frombuffer(vec, dtype="<f4") for _, vec in found])
        return len(texts), int(((rows * theirs).sum(axis=1) > _ALIKE).sum()), seconds


@lru_cache(maxsize=10_000)
def _canonical(raw: str) -> UserId:
    return normalize_user_id(raw)


def _canonical_or_none(raw: str | None) -> UserId | None:
    with suppress(InvalidUserId):
        return _canonical(raw) if raw else None
    return None


def _plain(text: str | None) -> str | None:
    return None if text is None else text.encode(errors="backslashreplace").decode()
