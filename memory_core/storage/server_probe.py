"""The trial of a server of S3 and S3 Vectors, in seconds and on reserved keys, for its card.

Everything is created below `probe/` and in a separate index, and removed at the end.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from typing import Any, Final
from uuid import uuid4

from ..errors import BackendError, EntryExists, MemoryCoreError
from ..model.limits import NON_FILTERABLE_KEYS
from ..model.server_card import Capability, ServerCard, ServerManners
from ..settings import Settings
from .aws import Aws, Retries
from .aws.client import Transport
from .objects import S3Objects
from .vectors.s3_index import SEARCHED, IndexName, make_index
from .vectors.s3_payload import ATTACHED

INDEX_PREFIX: Final = "holdfast-probe-"
FOLDER: Final = "probe/v1/"

_DIMENSIONS: Final = 4
_RACERS: Final = 8
_ROUNDS: Final = 8
"""On NooBaa three rounds of ten had one winner."""
_MIB: Final = 1024 * 1024
_TEXT_BYTES: Final = 36_000
_ROWS_OF_8_MIB: Final = 225
_MANY_ROWS: Final = 40
_SCORE_ERROR: Final = 0.005
_QUICK: Final = Retries(budget_s=1.0)
_TRANSPORT: Final = Transport(connect_timeout_s=3.0, read_timeout_s=15.0, attempts=1)

Found = tuple[bool | None, str]
"""Whether the server has a capability, None if that is not known, and what it did."""
_LISTED: Final = tuple(f"list/{name}" for name in "a/1 a/2 a/3 a-b/1 a.b/1 b/1".split())


_CAPABILITIES: Final = [
    Capability(name, answer="unknown", detail="not tried", **texts)
    for name, texts in tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8")).items()
]
_MANNERS: Final[dict[str, dict[str, Any]]] = {
    "atomic puts": {"atomic_puts": False},
    "listings": {"lists_all": False},
    "described keys": {"describes_keys": False},
    "empty index": {"needs_rows": True},
    "new keys": {"fixed_schema": True},
    "odd keys": {"odd_keys": False},
    "segments": {"segments": 1},
    "filter": {"filters_after": True},
    "topK": {"top_k": 100},
    "body of 8 MiB": {"body_bytes": 4 * _MIB - 64 * 1024},
    "body of 4 MiB": {"body_bytes": _MIB},
}
"""The manners of a server that lacks a capability."""


def probe_server(settings: Settings, bucket: str, vector_bucket: str) -> ServerCard:
    """Try all capabilities on the server in the settings.

    Raises:
        BackendError: no index can be created there, so nothing else can be tried.
    """
    aws = Aws(settings, retries=_QUICK, transport=_TRANSPORT)
    run = uuid4().hex[:12]
    objects = S3Objects(aws, bucket, f"{settings.prefix}{FOLDER}{run}/")
    probe = _Probe(aws, objects, IndexName(vector_bucket, INDEX_PREFIX + run))
    try:
        return probe.card()
    finally:
        aws.close()


@dataclass
class _Probe:
    aws: Aws
    objects: S3Objects
    index: IndexName
    manners: ServerManners = field(default_factory=ServerManners)
    found: dict[str, Found] = field(default_factory=dict)

    def card(self) -> ServerCard:
        started = time.monotonic()
        try:
            self._try("atomic puts", self._race)
            self._try("listings", self._list)
            self._on_vectors()
        finally:
            self._clean()
        endpoint = self.aws.endpoint("s3vectors")
        server = endpoint.place
        if not endpoint.server and not endpoint.stand_in and self.manners.fixed_schema:
            # Its answers do not name it; no other server has these manners.
            server = f"NooBaa, by its manners, at {endpoint.url}"
        return ServerCard(
            server=server,
            endpoint=endpoint.url or self.aws.endpoint("s3").url or "",
            taken_at=datetime.now(UTC),
            seconds=round(time.monotonic() - started, 1),
            manners=self.manners,
            capabilities=tuple(map(self._answered, _CAPABILITIES)),
        )

    def _answered(self, capability: Capability) -> Capability:
        can, detail = self.found.get(capability.name, (None, capability.detail))
        if can:
            return replace(capability, answer="yes", detail=detail, instead="", lost="")
        return replace(capability, answer="unknown" if can is None else "no", detail=detail)

    def _try(self, name: str, trial: Callable[[], Found]) -> None:
        try:
            self.found[name] = trial()
        except MemoryCoreError as exc:
            self.found[name] = None, str(exc)
        if self.found[name][0] is False:
            self.manners = replace(self.manners, **_MANNERS.get(name, {}))

    def _race(self) -> Found:
        barrier = Barrier(_RACERS)

        def put(turn: tuple[int, int]) -> bool:
            barrier.wait(timeout=30.0)
            try:
                self.objects.put_if_absent(f"race/{turn[0]}", str(turn[1]).encode())
            except EntryExists:
                return False
            return True

        with ThreadPoolExecutor(_RACERS) as threads:
            wins: list[int] = []
            while len(wins) < _ROUNDS and max(wins, default=1) == 1:
                turns = [(len(wins), racer) for racer in range(_RACERS)]
                wins.append(sum(threads.map(put, turns)))
        return max(wins) == 1, f"winners by round: {', '.join(map(str, wins))}"

    def _list(self) -> Found:
        for key in _LISTED:
            self.objects.put_if_absent(key, b"{}")
        lost = set(_LISTED) - set(self.objects.names_in_pages("list/", 2))
        return not lost, f"{len(lost)} of {len(_LISTED)} left out" if lost else "none left out"

    def _on_vectors(self) -> None:
        make_index(self.aws, self.index, _DIMENSIONS, [*NON_FILTERABLE_KEYS, ATTACHED])
        described = self._ask("GetIndex")["index"]
        configuration = described.get("metadataConfiguration") or {}
        keys = configuration.get("nonFilterableMetadataKeys") or ()
        mode = described.get("indexMode")
        enhanced = mode == "ENHANCED"
        for name, trial in (
            ("described keys", lambda: (ATTACHED in keys, f"keys described: {len(keys)}")),
            ("modes", lambda: (enhanced, mode or "no mode returned")),
            ("second create", self._create_again),
            ("empty index", lambda: self._accepts("ListVectors")),
            ("new keys", self._put_new_key),
            ("odd keys", lambda: self._keeps("odd", {"a.b": "y", "_c": "z"})),
            ("lists", lambda: self._keeps("list", {"labels": ["y", "z"]})),
            ("nulls", self._read_nulls),
            ("unknown keys", self._get_unknown),
            ("segments", self._list_segments),
            ("filter", self._filter),
            ("scores", self._score),
            ("topK", lambda: self._accepts("QueryVectors", **_question(10_000))),
            ("body of 8 MiB", lambda: self._put_large(8)),
            ("body of 4 MiB", lambda: self._put_large(4)),
            ("many vectors", self._put_many),
            ("tags", lambda: self._tag(described.get("indexArn"))),
            ("text search", lambda: self._search_words(enhanced)),
        ):
            self._try(name, trial)

    def _create_again(self) -> Found:
        same = {"dataType": "float32", "dimension": _DIMENSIONS, "distanceMetric": "cosine"}
        _, refusal = self._accepts("CreateIndex", **same)
        return refusal.endswith("ConflictException"), refusal or "answered with success"

    def _put_new_key(self) -> Found:
        self._put("first", user_id="a", data="x")
        return self._keeps("second", {"mine": "y"})

    def _keeps(self, key: str, metadata: dict[str, Any]) -> Found:
        row = _row(key, user_id="a", data="x", **metadata)
        accepted, refusal = self._accepts("PutVectors", vectors=[row])
        if not accepted:
            return accepted, refusal
        kept = metadata.items() <= self._get(key).items()
        return kept, "kept" if kept else "accepted, but not kept"

    def _accepts(self, operation: str, **members: Any) -> Found:
        try:
            self._ask(operation, **members)
        except BackendError as exc:
            return False, f"refused with {exc.code}"
        return True, ""

    def _read_nulls(self) -> Found:
        self._put("few", user_id="a")
        nulls = [name for name, value in self._get("few").items() if value is None]
        return not nulls, f"null: {', '.join(nulls)}" if nulls else ""

    def _get_unknown(self) -> Found:
        rows = self._ask("GetVectors", keys=["first", "unknown"], returnMetadata=True)["vectors"]
        keys = sorted(row["key"] for row in rows)
        return keys == ["first"], f"returned: {', '.join(keys)}"

    def _list_segments(self) -> Found:
        parts = []
        for segment in range(8):
            members = {"segmentCount": 8, "segmentIndex": segment}
            try:
                parts += self._ask("ListVectors", **members)["vectors"]
            except BackendError as exc:
                return False, f"refused with {exc.code}"
        keys = [row["key"] for row in parts]
        whole = {row["key"] for row in self._ask("ListVectors")["vectors"]}
        if len(keys) != len(set(keys)) or set(keys) != whole:
            return False, f"keys in 8 segments: {len(keys)}, of {len(whole)}"
        return True, ""

    def _filter(self) -> Found:
        self._put("far", (0.0, 0.0, 1.0, 0.0), user_id="b", data="x")
        hits = self._query(1, filter={"user_id": "b"})
        return bool(hits), f"{len(hits)} of 1 found"

    def _score(self) -> Found:
        self._put("askew", (0.572, 0.8202536, 0.0, 0.0), user_id="c", data="x")
        hits = self._query(1, filter={"user_id": "c"}) or self._query(50)
        gaps = [hit.get("distance") for hit in hits if hit["key"] == "askew"]
        if not gaps or gaps[0] is None:
            return None, "no distance returned"
        return abs(1.0 - gaps[0] - 0.572) < _SCORE_ERROR, f"{1.0 - gaps[0]:.3f} for 0.572"

    def _put_large(self, mib: int) -> Found:
        if mib == 4 and self.found["body of 8 MiB"][0]:
            return True, ""
        count = _ROWS_OF_8_MIB * mib // 8
        rows = [_row(f"large-{at}", user_id="a", data="x" * _TEXT_BYTES) for at in range(count)]
        return self._accepts("PutVectors", vectors=rows)

    def _put_many(self) -> Found:
        rows = [_row(f"many-{at}", user_id="a", data="x") for at in range(256 + _MANY_ROWS)]
        for part in (rows[:256], rows[256:]):
            try:
                self._ask("PutVectors", vectors=part)
            except BackendError as exc:
                keys = [row["key"] for row in part[:100]]
                kept = len(self._ask("GetVectors", keys=keys)["vectors"]) == len(keys)
                return False, f"answered with {exc.code}, {'but kept' if kept else 'and lost'} them"
        return True, ""

    def _tag(self, arn: str | None) -> Found:
        if not arn:
            return False, "no ARN returned"
        return self._accepts("TagResource", resourceArn=arn, tags={"probe": "1"})

    def _search_words(self, enhanced: bool) -> Found:
        if not enhanced or not self.aws.offers("s3vectors", "QueryVectors", "queryTexts"):
            return False, "no ENHANCED index" if not enhanced else "boto3 cannot ask for it"
        texts = [{"metadataKey": SEARCHED, "text": "x"}]
        return self._accepts("QueryVectors", **_question(1), queryTexts=texts)

    def _put(
        self, key: str, values: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0), **metadata: Any
    ) -> None:
        self._ask("PutVectors", vectors=[_row(key, values, **metadata)])

    def _get(self, key: str) -> dict[str, Any]:
        rows = self._ask("GetVectors", keys=[key], returnMetadata=True)["vectors"]
        metadata: dict[str, Any] = (rows[0].get("metadata") or {}) if rows else {}
        return metadata

    def _query(self, top_k: int, **members: Any) -> list[dict[str, Any]]:
        matches: list[dict[str, Any]] = self._ask("QueryVectors", **_question(top_k), **members)[
            "vectors"
        ]
        return matches

    def _ask(self, operation: str, **members: Any) -> dict[str, Any]:
        named = members if "resourceArn" in members else {**self.index.address, **members}
        # Once: a refusal here is final. Some servers leave out what is empty.
        answer = self.aws.ask("s3vectors", operation, str(self.index), 0.0, **named)
        return {"index": {}, "vectors": [], **answer}

    def _clean(self) -> None:
        with suppress(MemoryCoreError):
            self.objects.delete([*(f"race/{turn}" for turn in range(_ROUNDS)), *_LISTED])
        with suppress(MemoryCoreError):
            self._ask("DeleteIndex")


def _question(top_k: int) -> dict[str, Any]:
    return {
        "queryVector": {"float32": [1.0, 0.0, 0.0, 0.0]},
        "topK": top_k,
        "returnDistance": True,
    }


def _row(
    key: str, values: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0), **metadata: Any
) -> dict[str, Any]:
    return {"key": key, "data": {"float32": [*values]}, "metadata": metadata}
