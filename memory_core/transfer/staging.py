"""Staging of a source in a temporary database, user by user: it may be more than memory holds.

A source is read once, in its own order. The ledger takes the memories of one user together, so
they are sorted here; the file is gone when it is closed, and when the process dies.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

from ..embedders import Embedder
from ..errors import InvalidMemory, InvalidUserId
from ..ledger import Ledger, LedgerEntry, UserView
from ..model.counting import Progress, batches
from ..model.payload import time_of
from ..model.records import Kind
from ..model.user_id import UserId, is_probe, normalize_user_id
from ..storage.vectors.base import PUT_BATCH
from .incoming_memory import Digest, Incoming, newest, split
from .reports import MigrationSource, SourceSurvey, Vectors

if TYPE_CHECKING:
    from ..storage.vectors.base import Values

_SAMPLE = 16
_ALIKE = 0.999
"""The cosine above which two vectors of one text are of one model."""
_REPORT_EVERY = 500
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


class Staging:
    """Use it from one thread, as a context manager. `user` owns the memories that name nobody."""

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._rows.close()

    def fill(
        self, source: MigrationSource, on_progress: Progress | None = None, *, sample: bool = True
    ) -> SourceSurvey:
        """Read everything, and compare a sample of its vectors with those of the embedder in use.

        Without the `sample` no vector is compared, and nothing is embedded. `on_progress` gets the
        number of memories read so far; the total is not known.
        """
        if source.ledger is not None:
            for view in source.ledger.users():
                ids = [(memory_id,) for memory_id in view.all_ids]
                self._rows.executemany("INSERT OR IGNORE INTO known VALUES (?)", ids)
                if view.forgotten:
                    self._forgotten[view.user_id] = view.forgotten
                if not is_probe(view.user_id):
                    for incoming in recorded(source.ledger, view):
                        self._add(incoming, on_progress)
        for incoming in source.stored():
            if source.ledger is None or not self._on_record(incoming):
                self._add(incoming, on_progress)
        self._rows.execute(_ORDER)
        return self._survey(source, sample)

    def memories(self) -> Iterator[Incoming]:
        """Yield those with a problem first, then every memory, user by user, oldest first."""
        import numpy as np

        for memory_id, user, line, problem in self._rows.execute(
            "SELECT id, raw, number, problem FROM rows WHERE problem IS NOT NULL ORDER BY seq"
        ):
            yield Incoming(memory_id, user, {}, line=line, problem=problem)
        query = (
            "SELECT id, raw, payload, vec, earlier, number FROM rows WHERE problem IS NULL "
            "ORDER BY user, created, bare, seq"
        )
        for memory_id, raw, payload, vec, earlier, line in self._rows.execute(query):
            values = np.frombuffer(vec, dtype="<f4") if vec and self._kept else None
            yield Incoming(
                id=memory_id,
                user_id=raw,
                payload=json.loads(payload),
                values=values,
                embedder=self._embedder.name if values is not None else None,
                line=line,
                earlier=json.loads(earlier) if earlier else (),
            )

    def forms(self) -> Iterator[tuple[UserId, str, int]]:
        """Return every user with each form of the id, and its number of memories."""
        return self._rows.execute(
            "SELECT user, raw, count(*) FROM rows WHERE problem IS NULL GROUP BY user, raw "
            "ORDER BY user, count(*) DESC"
        )

    def _add(self, incoming: Incoming, on_progress: Progress | None) -> None:
        self._count += 1
        if on_progress and self._count % _REPORT_EVERY == 0:
            on_progress(0, self._count)
        parts = [incoming] if incoming.problem else split(incoming)
        self._split += len(parts) > 1
        for part in parts:
            self._insert(part)

    def _insert(self, incoming: Incoming) -> None:
        raw = incoming.user_id or self._user
        try:
            if incoming.problem or raw is None:
                unowned = "it names no user; name one with --user"
                raise InvalidMemory(incoming.problem or unowned)
            user = _canonical(raw)
            # Temporary tables take no broken characters.
            (incoming.id or "").encode()
        except (InvalidMemory, InvalidUserId, UnicodeEncodeError) as exc:
            broken = isinstance(exc, UnicodeEncodeError)
            problem = "its id has a broken character" if broken else str(exc)
            row = (_plain(incoming.id), None, _plain(raw), None, None, None, None, None)
            self._put(*row, incoming.line, problem)
            return
        if is_probe(UserId(user)):
            return
        vec = self._fitting(incoming.values)
        payload = {key: val for key, val in incoming.payload.items() if key != "user_id"}
        created = time_of(payload, "created_at")
        text = json.dumps(payload, sort_keys=True)
        self._digest.add(incoming.id or "", f"{user} {text}")
        earlier = newest(incoming.earlier)
        self._put(
            incoming.id,
            user,
            raw,
            created.astimezone(UTC).isoformat() if created else "",
            vec is None,
            text,
            vec,
            json.dumps([dict(event) for event in earlier]) if earlier else None,
            incoming.line,
            None,
        )

    def _put(self, *row: Any) -> None:
        self._rows.execute("INSERT INTO rows VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def _on_record(self, stored: Incoming) -> bool:
        """Return whether a stored memory is or was on record; a live one gets its vector."""
        query = "SELECT 1 FROM known WHERE id = ?"
        if self._rows.execute(query, (stored.id,)).fetchone() is None:
            # A forgotten user leaves no entries that would name the leftovers.
            with suppress(InvalidUserId):
                before = self._forgotten.get(_canonical(stored.user_id or ""), "")
                return str(stored.payload.get("revision", "")) < before
            return False
        if (vec := self._fitting(stored.values)) is not None:
            query = "SELECT seq, payload FROM rows WHERE id = ? AND bare"
            for seq, payload in self._rows.execute(query, (stored.id,)).fetchall():
                if json.loads(payload)["data"] == stored.text:
                    self._rows.execute(
                        "UPDATE rows SET vec = ?, bare = 0 WHERE seq = ?", (vec, seq)
                    )
        return True

    def _fitting(self, values: Values | None) -> bytes | None:
        """Return the unit vector, None if it does not fit the embedder in use."""
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
        use: Vectors = "none there"
        if sampled:
            use = "kept" if agreed == sampled else "made anew"
        self._kept = use == "kept"
        return SourceSurvey(
            parts=tuple(source.parts()),
            rows=total,
            split=self._split,
            with_history=earlier or 0,
            vectors=use,
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
        rows = self._rows.execute(
            "SELECT payload, vec FROM (SELECT payload, vec, row_number() OVER (ORDER BY seq) AS at "
            "FROM rows WHERE vec IS NOT NULL) WHERE at % ? = 0 LIMIT ?",
            (step, _SAMPLE),
        ).fetchall()
        texts = [json.loads(payload)["data"] for payload, _ in rows]
        self._embedder.embed(texts[:1])
        started = time.monotonic()
        ours = self._embedder.embed(texts)
        seconds = (time.monotonic() - started) / len(texts)
        theirs = np.array([np.frombuffer(vec, dtype="<f4") for _, vec in rows])
        return len(texts), int(((ours * theirs).sum(axis=1) > _ALIKE).sum()), seconds


def recorded(ledger: Ledger, view: UserView) -> Iterator[Incoming]:
    """Yield the live memories of a user with their history, oldest first, without vectors."""
    # A twin has an id that no entry names: the entry that added it is no event of the other.
    twins = {live.added for key, live in view.live.items() if live.added.memory_id != key}
    entries: dict[str, list[LedgerEntry]] = {}
    for entry in view.entries:
        if entry.kind in (Kind.ADD, Kind.UPDATE) and entry not in twins:
            entries.setdefault(entry.memory_id, []).append(entry)
    for ids in batches(view.live, PUT_BATCH):
        wanted = {}
        for key in ids:
            live = view.live[key]
            wanted[key] = (live.updated and entries.get(key)) or [live.latest]
        details = ledger.details(entry for group in wanted.values() for entry in group)
        for key in ids:
            latest = details.get(view.live[key].latest)
            if latest is not None:
                known = [details[entry] for entry in wanted[key] if entry in details]
                earlier = tuple(event for each in known for event in _events(each))
                yield Incoming(key, latest["raw_user_id"], latest["payload"], earlier=earlier)


def _events(details: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from details.get("earlier") or ()
    source = (details.get("moved") or {}).get("from")
    yield {
        "kind": details["kind"],
        "at": details["at"],
        "memory": details["payload"]["data"],
        **({"from": source} if source else {}),
    }


@lru_cache(maxsize=10_000)
def _canonical(raw: str) -> UserId:
    return normalize_user_id(raw)


def _plain(text: str | None) -> str | None:
    return None if text is None else text.encode(errors="backslashreplace").decode()
