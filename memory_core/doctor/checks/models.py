"""The embedder and the language model: chosen, answering, and the one that made the vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...errors import BackendError, SettingsError
from ...model.records import Scope
from ...model.user_id import PROBE_DOMAIN, UserId
from ..context import Context
from ..findings import Check, Evidence, Finding, FindingKind, Fix

if TYPE_CHECKING:
    from ...memories.mem0_adapter import Engine

_TEXT = "The doctor asks whether texts can be embedded."
_SAMPLE = 8
_SAME = 0.98

NOT_CHOSEN = FindingKind(
    "embedder.E001",
    "The embedder cannot be used with these settings",
    "The assistant does not start, so nobody's memories can be read or saved.",
    (Fix("Set what the sentence names", variable="MEMORY_EMBEDDER", link="docs/configuration.md"),),
)
NOT_EMBEDDING = FindingKind(
    "embedder.E002",
    "The embedder does not work",
    "New memories cannot be saved and questions cannot be asked; what is saved is safe.",
    (Fix("Check the key and the address of the provider", variable="OPENAI_API_KEY"),),
)
OTHER_MODEL = FindingKind(
    "embedder.E003",
    "The stored vectors were made by another model",
    "The assistant finds the wrong memories, and nothing says so.",
    (
        Fix("Set the model that was used before", variable="MEMORY_EMBEDDING_MODEL"),
        Fix("Or embed all memories again under another index name", variable="MEMORY_INDEX"),
        Fix("Then fill it from the record", command="python -m memory_core rebuild"),
    ),
)
LLM_NOT_CHOSEN = FindingKind(
    "llm.E001",
    "The language model cannot be used with these settings",
    "Nothing can be saved with extraction; texts can be saved as they are.",
    (Fix("Set it to openai:MODEL, and the key as well", variable="MEMORY_LLM"),),
)
LLM_SILENT = FindingKind(
    "llm.E002",
    "The language model does not answer",
    "Conversations are not turned into memories; texts can be saved as they are.",
    (Fix("Check the key, the model and the address", variable="MEMORY_LLM"),),
)


def chosen(context: Context) -> Iterator[Finding]:
    try:
        _ = context.embedder
    except SettingsError as exc:
        yield NOT_CHOSEN.found(f"{exc}.")


def embeds(context: Context) -> Iterator[Finding]:
    try:
        context.embedder.embed([_TEXT])
    except BackendError as exc:
        base_url = context.settings.openai_base_url or "OpenAI's own"
        yield NOT_EMBEDDING.found(
            f"{exc}.",
            Evidence("embedder", context.embedder.name, "MEMORY_EMBEDDER"),
            Evidence("address", base_url, "OPENAI_BASE_URL"),
        )


def same_model(context: Context) -> Iterator[Finding]:
    """Embed a few stored texts again: the vectors must come out as they are stored."""
    import numpy as np

    ids = [one for view in context.views for one in view.live]
    sample = ids[:: max(1, len(ids) // _SAMPLE)][:_SAMPLE]
    stored = [
        one
        for one in context.store.get(sample, with_values=True).values()
        if one.values is not None and isinstance((one.payload or {}).get("data"), str)
    ]
    if not stored:
        return
    fresh = context.embedder.embed([str(one.payload["data"]) for one in stored])
    before = np.asarray([one.values for one in stored])
    likeness = (fresh * before).sum(axis=1) / np.linalg.norm(before, axis=1)
    middle = float(np.median(likeness))
    if middle < _SAME:
        yield OTHER_MODEL.found(
            f"Of {len(stored)} memories embedded again, the middle one is alike to "
            f"{max(middle, 0.0):.0%}; it should be 100%.",
            Evidence("embedder", context.embedder.name, "MEMORY_EMBEDDER"),
            Evidence("index", context.index_name, "MEMORY_INDEX or the embedder's own"),
        )


def llm_chosen(context: Context) -> Iterator[Finding]:
    # mem0 takes seconds to load, which whoever has no language model need not wait for.
    if context.settings.llm is None:
        return
    try:
        _engine(context)
    except SettingsError as exc:
        yield LLM_NOT_CHOSEN.found(
            f"{exc}.", Evidence("MEMORY_LLM", context.settings.llm, "environment")
        )


def llm_answers(context: Context) -> Iterator[Finding]:
    if context.settings.llm is None:
        return
    scope = Scope(UserId(f"doctor@{PROBE_DOMAIN}"))
    messages = [{"role": "user", "content": "I like green tea."}]
    try:
        _engine(context).extract(scope, messages, {}, lambda text, values: ())
    except BackendError as exc:
        yield LLM_SILENT.found(
            f"{exc}.", Evidence("MEMORY_LLM", context.settings.llm, "environment")
        )


CHECKS = (
    Check("embedder.chosen", "The embedder can be chosen", chosen, (NOT_CHOSEN,),
          needs=("settings.values",)),
    Check("embedder.works", "The embedder embeds", embeds, (NOT_EMBEDDING,),
          needs=("embedder.chosen",), limit_s=60.0),
    Check("llm.chosen", "The language model can be chosen", llm_chosen, (LLM_NOT_CHOSEN,),
          needs=("embedder.chosen",), limit_s=60.0),
    Check("llm.answers", "The language model answers", llm_answers, (LLM_SILENT,),
          needs=("llm.chosen", "embedder.works"), tags=("live",), limit_s=120.0),
    Check("embedder.same", "The stored vectors are of this model", same_model, (OTHER_MODEL,),
          needs=("embedder.works", "index.fits", "vectors.readable"), tags=("data",),
          of_index=True, limit_s=60.0),
)  # fmt: skip


def _engine(context: Context) -> Engine:
    from ...memories.mem0_adapter import Engine

    return Engine(context.settings, context.embedder)
