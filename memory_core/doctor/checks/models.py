"""Checks of the embedder and the language model: usable, working, and the one used before."""

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
from ..findings import Check, Evidence, Finding, FindingKind, Fix, listed
from .settings import NO_START

if TYPE_CHECKING:
    from ...memories.mem0_adapter import Engine

_TEXT = "The doctor asks whether texts can be embedded."
_SAMPLE = 8
_LANGUAGE_SAMPLE = 60
_LEAST_FOREIGN = 3
_FOREIGN_SHARE = 0.2

# fmt: off
UNUSABLE = FindingKind("embedder.E001", "The embedder cannot be used with these settings", NO_START,
    (Fix("Set the variable that the message names", variable="MEMORY_EMBEDDER",
         link="docs/configuration.md"),),
    log_pattern=r"MEMORY_EMBED\w{1,40} is ")
NOT_EMBEDDING = FindingKind("embedder.E002", "The embedder does not work",
    "New memories cannot be saved and questions cannot be answered; saved memories are safe.",
    (Fix("Check the key and the address of the provider", variable="OPENAI_API_KEY"),),
    log_pattern=r"openai\.\w{1,60}Error.{0,400}embed|the embedder (?!makes)"
    r"|embeddings? .{0,80}fail")
OTHER_MODEL = FindingKind("embedder.E003", "The stored vectors were made by another model",
    "The assistant finds the wrong memories, and no error shows it.",
    (Fix("Set the model that was used before", variable="MEMORY_EMBEDDING_MODEL"),
     Fix("Or choose a name for a new index", variable="MEMORY_INDEX"),
     Fix("Then fill it from the record", command="python -m memory_core rebuild")))
OTHER_LANGUAGE = FindingKind("embedder.W001",
    "Memories are in languages that the embedder was not made for",
    "Questions in another language than the memory, or in other words, do not find it.",
    (Fix("Choose an embedder for these languages", variable="MEMORY_EMBEDDER=multilingual"),
     Fix("Then fill its index from the record", command="python -m memory_core rebuild")))
LLM_UNUSABLE = FindingKind("llm.E001", "The language model cannot be used with these settings",
    "Memories cannot be extracted from conversations; texts can be saved as they are.",
    (Fix("Set it to openai:MODEL, and set the key as well", variable="MEMORY_LLM"),),
    log_pattern=r"MEMORY_LLM is |extraction needs a language model")
LLM_SILENT = FindingKind("llm.E002", "The language model does not answer",
    "Memories cannot be extracted from conversations; texts can be saved as they are.",
    (Fix("Check the key, the model and the address", variable="MEMORY_LLM"),),
    log_pattern=r"openai\.\w{1,60}Error|Incorrect API key provided|insufficient_quota")
# fmt: on


def usable(context: Context) -> Iterator[Finding]:
    try:
        # The length of vectors may have to be asked for.
        _ = context.embedder.dimensions
    except (SettingsError, BackendError) as exc:
        yield UNUSABLE.finding(f"{exc}.")


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
        yield NOT_EMBEDDING.finding(
            f"{exc}.",
            Evidence("embedder", context.embedder.name, "MEMORY_EMBEDDER"),
            Evidence(
                "address",
                address,
                "AWS_ENDPOINT_URL_BEDROCK_RUNTIME" if bedrock else "OPENAI_BASE_URL",
            ),
        )


def same_model(context: Context) -> Iterator[Finding]:
    """Embed a few stored texts again: the vectors must come out as they are stored."""
    pairs = [(view.user_id, memory_id) for view in context.views for memory_id in view.live]
    sample = spread(pairs, _SAMPLE)
    differences = Auditor(context.ledger, context.store, context.embedder).compare(sample)
    unlike = sum(difference.kind == "unlike" for difference in differences)
    if 2 * unlike > len(sample):
        yield OTHER_MODEL.finding(
            f"Embedded again: {counted(len(sample), 'memory')}. Of {unlike} the vector is not that "
            "of the text.",
            Evidence("embedder", context.embedder.name, "MEMORY_EMBEDDER"),
            Evidence("index", context.index_name, "MEMORY_INDEX or the embedder's own"),
        )


def language(context: Context) -> Iterator[Finding]:
    """Look in which languages a few memories are."""
    known = languages_of(context.embedder)
    if known is None:
        return
    ids = [memory_id for view in context.views for memory_id in view.live]
    sample = context.store.get(spread(ids, _LANGUAGE_SAMPLE)).values()
    texts = (str((vector.payload or {}).get("data") or "") for vector in sample)
    foreign = Counter(name for text in texts if (name := language_of(text)) and name not in known)
    unknown = foreign.total()
    if unknown >= _LEAST_FOREIGN and unknown >= _FOREIGN_SHARE * len(sample):
        yield OTHER_LANGUAGE.finding(
            f"In a sample of {counted(len(sample), 'memory')}, {unknown} are in "
            f"{listed([*foreign])}; "
            f"{context.embedder.name} was made for {listed(sorted(known), 20)}.",
            Evidence("embedder", context.embedder.name, "MEMORY_EMBEDDER"),
        )


def llm_usable(context: Context) -> Iterator[Finding]:
    # mem0 takes seconds to load: not without a language model.
    if context.settings.llm is None:
        return
    try:
        _engine(context)
    except SettingsError as exc:
        model = Evidence("MEMORY_LLM", context.settings.llm, "environment")
        yield LLM_UNUSABLE.finding(f"{exc}.", model)


def llm_answers(context: Context) -> Iterator[Finding]:
    if context.settings.llm is None:
        return
    scope = Scope(UserId(f"doctor@{PROBE_DOMAIN}"))
    messages = [{"role": "user", "content": "I like green tea."}]
    try:
        _engine(context).extract(scope, messages, {}, lambda text, values: ())
    except BackendError as exc:
        model = Evidence("MEMORY_LLM", context.settings.llm, "environment")
        yield LLM_SILENT.finding(f"{exc}.", model)


CHECKS = (
    Check("embedder.chosen", "The embedder can be used", usable, (UNUSABLE,),
          needs=("settings.values",)),
    Check("embedder.works", "The embedder works", embeds, (NOT_EMBEDDING,),
          needs=("embedder.chosen",), limit_s=60.0),
    Check("embedder.language", "The embedder knows the languages of the memories", language,
          (OTHER_LANGUAGE,), needs=("embedder.chosen", "index.fits", "vectors.readable"),
          tags=("data",), of_index=True),
    Check("llm.chosen", "The language model can be used", llm_usable, (LLM_UNUSABLE,),
          needs=("embedder.chosen",), limit_s=60.0),
    Check("llm.answers", "The language model answers", llm_answers, (LLM_SILENT,),
          needs=("llm.chosen", "embedder.works"), tags=("live",), limit_s=120.0),
    Check("embedder.same", "The stored vectors were made by this model", same_model, (OTHER_MODEL,),
          needs=("embedder.works", "index.fits", "vectors.readable"), tags=("data",),
          of_index=True, limit_s=60.0),
)  # fmt: skip


def _engine(context: Context) -> Engine:
    from ...memories.mem0_adapter import Engine

    return Engine(context.settings, context.embedder)
