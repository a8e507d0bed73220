"""Standing probes: twelve memories of reserved users, their receipt, and how each is read back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from ulid import ULID

from ..embedders import embed_question
from ..errors import LedgerCorrupt
from ..ledger import Ledger, UserView
from ..memories.reader import is_current
from ..memories.repository import Repository, Service
from ..model.payload import differing
from ..model.records import Kind, Receipt, SavedMemories
from ..model.user_id import PROBE_DOMAIN, UserId
from ..storage.vectors import Vector

if TYPE_CHECKING:
    from ..storage.vectors.base import Values

_PREFIX: Final = "standing."
_FOUND_AMONG: Final = 3
# A text and a question in other words: only the meaning of the vectors leads from one to the other.
_SENTENCES: Final = tuple(
    tuple(line.strip().split(" | "))
    for line in """
    The doctor prescribed antibiotics for her sore throat. | Which medicine does the patient take?
    Their wedding will be held in a small church in June. | When are the two getting married?
    He plays the violin in the city orchestra. | What musical instrument can he perform on?
    The train to Berlin leaves at seven in the morning. | At what time is the rail departure?
    She is allergic to peanuts and shellfish. | What food must she avoid eating?
    The cat sleeps on the sofa all afternoon. | Where does their pet rest?
    The mortgage on the house costs 900 euros a month. | How expensive is the home loan?
    Our football team won the championship final. | Which sports match ended in victory?
    The volcano erupted and covered the village in ash. | What natural disaster happened?
    He speaks Spanish and is learning Japanese. | Which foreign languages does he know?
    The server crashed because the disk was full. | Why did the computer stop working?
    She grows tomatoes and roses behind the house. | What plants are in her garden?
    """.strip().splitlines()
)

ProbeOutcome = Literal["ok", "missed", "removed", "lost"]
"""Read back in every way; stored, and not found by its question; deleted by a call; lost."""


class WatchedService(Service, Protocol):
    """A service, as far as the standing proof uses it."""

    def add_messages(
        self, user_id: str, messages: Sequence[Mapping[str, Any]], *, infer: bool, verify: bool
    ) -> SavedMemories: ...

    def forget_user(self, user_id: str) -> Receipt: ...


@dataclass(frozen=True, slots=True)
class StandingProbe:
    """One memory that has to exist as it was acknowledged."""

    user_id: UserId
    id: str
    text: str
    question: str


@dataclass(frozen=True, slots=True)
class ReadBack:
    """The state of one probe, numbered from 1, with the reason unless it is "ok"."""

    number: int
    outcome: ProbeOutcome
    detail: str = ""


def is_standing(user_id: str) -> bool:
    """Return whether a canonical id is that of a reserved user of the standing proof."""
    return user_id.startswith(_PREFIX) and user_id.endswith("@" + PROBE_DOMAIN)


def store_probes(service: WatchedService) -> tuple[StandingProbe, ...]:
    """Store twelve probes under two new users, read each back by its id, and return the receipt.

    Raises:
        BackendError, NotIndexed: the storage cannot be written.
    """
    run, probes = str(ULID()).lower(), []
    for name, sentences in (("a", _SENTENCES[:6]), ("b", _SENTENCES[6:])):
        user = UserId(f"{_PREFIX}{run}.{name}@{PROBE_DOMAIN}")
        messages = [{"role": "user", "content": text} for text, _ in sentences]
        saved = service.add_messages(user, messages, infer=False, verify=True)
        pairs = zip(saved, sentences, strict=True)
        probes += [
            StandingProbe(user, record.id, text, question) for record, (text, question) in pairs
        ]
    return tuple(probes)


class ProbeReader:
    """Reads probes back from the storage itself, bypassing every cache of the service.

    The questions of a receipt are embedded once.
    """

    def __init__(self, parts: Repository) -> None:
        self._parts = parts
        self._questions: dict[str, Values] = {}

    def read(self, probes: Sequence[StandingProbe], asked: int | None) -> list[ReadBack]:
        """Return the state of each: by listing, by id, and by the meaning of its question.

        The probe at the place `asked`, if any, is also asked for by the index. On S3 this takes
        five requests, and one more for the index.

        Raises:
            BackendError: the storage cannot be read, so the states are unknown.
        """
        for probe in probes:
            if probe.question not in self._questions:
                values = embed_question(self._parts.embedder, probe.question)
                self._questions[probe.question] = values
        ledger = Ledger(self._parts.backend.objects, frugal=True)
        vectors = self._parts.store.get([probe.id for probe in probes], with_values=True)
        outcomes: dict[StandingProbe, tuple[ProbeOutcome, str]] = {}
        for user in dict.fromkeys(probe.user_id for probe in probes):
            own = [probe for probe in probes if probe.user_id == user]
            outcomes.update(zip(own, self._of_user(ledger, user, own, vectors), strict=True))
        if asked is not None and outcomes[probes[asked]][0] == "ok":
            probe = probes[asked]
            values = self._questions[probe.question]
            near = self._parts.store.query(probe.user_id, values, _FOUND_AMONG)
            if probe.id not in dict(near):
                outcomes[probe] = "missed", "the index does not find it by its question"
        return [ReadBack(number, *outcomes[probe]) for number, probe in enumerate(probes, 1)]

    def _of_user(
        self,
        ledger: Ledger,
        user: UserId,
        probes: Sequence[StandingProbe],
        vectors: Mapping[str, Vector],
    ) -> Iterator[tuple[ProbeOutcome, str]]:
        try:
            view = ledger.view(user)
            live = {
                probe.id: view.live[probe.id].latest for probe in probes if probe.id in view.live
            }
            payloads = ledger.payloads(live.values())
        except LedgerCorrupt:
            yield from (("lost", "the record of its user is damaged") for _ in probes)
            return
        stored = [vectors[probe.id] for probe in probes if probe.id in vectors]
        for probe in probes:
            entry, vector = live.get(probe.id), vectors.get(probe.id)
            recorded = payloads.get(entry) if entry else None
            if recorded is None:
                yield _gone(view)
            elif recorded.get("data") != probe.text:
                yield "lost", "its text on record differs"
            elif vector is None or vector.values is None:
                yield "lost", "its vector is gone"
            elif not is_current(vector, view, probe.id) or differing(
                {**recorded, "revision": vector.payload["revision"]}, vector.payload
            ):
                yield "lost", "its vector holds something else"
            else:
                yield self._by_meaning(probe, stored)

    def _by_meaning(
        self, probe: StandingProbe, stored: Sequence[Vector]
    ) -> tuple[ProbeOutcome, str]:
        question = self._questions[probe.question]
        cosines = {
            vector.key: float(vector.values @ question)
            for vector in stored
            if vector.values is not None and vector.values.shape == question.shape
        }
        if max(cosines, key=cosines.__getitem__, default="") == probe.id:
            return "ok", ""
        return "missed", "its question, in other words, finds another memory or none"


def _gone(view: UserView) -> tuple[ProbeOutcome, str]:
    if view.forgotten or any(entry.kind is Kind.DELETE for entry in view.entries):
        return "removed", "it was deleted on purpose"
    return "lost", "there is no record of it"
