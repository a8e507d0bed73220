"""Checks of the embedder and the language model: usable, working, and not changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...embedders import languages_of
from ...errors import BackendError, SettingsError
from ...memories.audit import Auditor
from ...memories.word_index import language_of
from ...model.counting import counted
from ...model.records import Scope
from ...model.user_id import PROBE_DOMAIN, UserId
from ..context import Context, spread
from ..findings import Check, Evidence, Finding, finding, listed

if TYPE_CHECKING:
    from ...memories.mem0_adapter import Engine

_TEXT = "The doctor asks whether texts can be embedded."
_SAMPLE = 8
_LANGUAGE_SAMPLE = 60
_LEAST_FOREIGN = 3
_FOREIGN_SHARE = 0.2


def usable(context: Context) -> Iterator[Finding]:
    try:
        # The provider may have to be asked for the length of vectors.
        _ = context.embedder.dimensions
    except (SettingsError, BackendError) as exc:
        yield finding("embedder.E001", f"{exc}.")


def embeds(context: Context) -> Iterator[Finding]:
    try:
        context.embedder.embed([_TEXT])
    except (BackendError, SettingsError) as exc:
        bedrock = context.settings.embedder.startswith("bedrock:")
        address = (
            context.settings.endpoint_bedrock or "Amazon's own"
            if bedrock
            else context.settings.openai_base_url or "OpenAI's own"
        )
        yield finding(
            "embedder.E002",
            f"{exc}.",
            Evidence("embedder", context.embedder.name, "MEMORY_EMBEDDER"),
            Evidence(
                "address",
                address,
                "AWS_ENDPOINT_URL_BEDROCK_RUNTIME" if bedrock else "OPENAI_BASE_URL",
            ),
        )


def same_model(context: Context) -> Iterator[Finding]:
    """Embed a few stored texts again: the vectors must match the stored ones."""
    pairs = [(view.user_id, memory_id) for view in context.views for memory_id in view.live]
    sample = spread(pairs, _SAMPLE)
    differences = Auditor(context.ledger, context.store, context.embedder).compare(sample)
    unlike = sum(difference.kind == "unlike" for difference in differences)
    if 2 * unlike > len(sample):
        yield finding(
            "embedder.E003",
            f"Of {counted(len(sample), 'memory')} embedded again, {unlike} had another vector.",
            Evidence("embedder", context.embedder.name, "MEMORY_EMBEDDER"),
            Evidence("index", context.index_name, "MEMORY_INDEX or the embedder's own"),
        )


def language(context: Context) -> Iterator[Finding]:
    """Recognize the languages of a sample of memories."""
    known = languages_of(context.embedder)
    if known is None:
        return
    ids = [memory_id for view in context.views for memory_id in view.live]
    sample = context.store.get(spread(ids, _LANGUAGE_SAMPLE)).values()
    texts = (str((vector.payload or {}).get("data") or "") for vector in sample)
    foreign = Counter(name for text in texts if (name := language_of(text)) and name not in known)
    unknown = foreign.total()
    if unknown >= _LEAST_FOREIGN and unknown >= _FOREIGN_SHARE * len(sample):
        yield finding(
            "embedder.W001",
            f"In a sample of {counted(len(sample), 'memory')}, {unknown} are in "
            f"{listed([*foreign])}; "
            f"{context.embedder.name} was made for {listed(sorted(known), 20)}.",
            Evidence("embedder", context.embedder.name, "MEMORY_EMBEDDER"),
        )


def llm_usable(context: Context) -> Iterator[Finding]:
    # Loading mem0 takes seconds, so it is loaded only for a language model.
    if context.settings.llm is None:
        return
    try:
        _engine(context)
    except SettingsError as exc:
        model = Evidence("MEMORY_LLM", context.settings.llm, "environment")
        yield finding("llm.E001", f"{exc}.", model)


def llm_answers(context: Context) -> Iterator[Finding]:
    if context.settings.llm is None:
        return
    scope = Scope(UserId(f"doctor@{PROBE_DOMAIN}"))
    messages = [{"role": "user", "content": "I like green tea."}]
    try:
        _engine(context).extract(scope, messages, {}, lambda text, values: ())
    except BackendError as exc:
        model = Evidence("MEMORY_LLM", context.settings.llm, "environment")
        yield finding("llm.E002", f"{exc}.", model)


CHECKS = (
    Check("embedder.chosen", "The embedder can be used", usable, "embedder.E001",
          needs=("settings.values",)),
    Check("embedder.works", "The embedder works", embeds, "embedder.E002",
          needs=("embedder.chosen",), limit_s=60.0),
    Check("embedder.language", "The embedder knows the languages of the memories", language,
          "embedder.W001", needs=("embedder.chosen", "index.fits", "vectors.readable"),
          tags=("data",), of_index=True),
    Check("llm.chosen", "The language model can be used", llm_usable, "llm.E001",
          needs=("embedder.chosen",), limit_s=60.0),
    Check("llm.answers", "The language model answers", llm_answers, "llm.E002",
          needs=("llm.chosen", "embedder.works"), tags=("live",), limit_s=120.0),
    Check("embedder.same", "The stored vectors were made by this model", same_model,
          "embedder.E003", needs=("embedder.works", "index.fits", "vectors.readable"),
          tags=("data",), of_index=True, limit_s=60.0),
)  # fmt: skip


def _engine(context: Context) -> Engine:
    from ...memories.mem0_adapter import Engine

    return Engine(context.settings, context.embedder)
