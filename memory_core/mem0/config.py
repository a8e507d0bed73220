"""mem0's configuration as settings of Holdfast, with a sentence on the use of each part."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ..errors import SettingsError
from ..settings import Settings

_logger = logging.getLogger("memory_core")

_MODEL: Final = "gpt-5-mini"
"""The language model of mem0 2.2.1 if none is named."""

_NOT_TAKEN: Final = {
    "history_db_path": "not used; the history of memories is in the ledger",
    "graph_store": "not used; there is no graph of memories",
    "reranker": "not used; all of a user's memories are ranked by meaning and by words",
    "custom_instructions": "not used; extraction has one prompt",
    "version": "not used; results have the form of v1.1",
}
_PROVIDED: Final = ("vector_store", "embedder", "llm")


def read_config(config: object) -> tuple[Settings, tuple[str, ...]]:
    """Return the settings for a configuration of mem0's, and a sentence for each part of it.

    The environment applies unless the configuration says otherwise. `config` is a mapping,
    mem0's `MemoryConfig` or None.

    Raises:
        SettingsError: a part is not in mem0's form; names it.
    """
    settings = Settings.from_env()
    if config is not None and hasattr(config, "model_dump"):
        config = config.model_dump(exclude_unset=True)
    if config is not None and not isinstance(config, Mapping):
        raise SettingsError(f"config is {type(config).__name__}; pass mem0's mapping of parts")
    given = dict(config or {})
    notes = []
    for part, (name, value) in ((part, _provided(part, given)) for part in _PROVIDED):
        if name:
            changes, note = _READERS[part](settings, name, value)
            settings = replace(settings, **changes)
            notes.append(f"{part} {name}: {note}")
    notes += [f"{key}: {_NOT_TAKEN.get(key, 'not known to mem0 2.2')}" for key in given]
    if settings.llm is None and settings.openai_api_key:
        # As mem0 does: whoever has a key expects extraction.
        settings = replace(settings, llm=f"openai:{_MODEL}")
    for note in notes:
        _logger.warning("mem0's configuration, %s", note)
    return settings, tuple(notes)


def _provided(part: str, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    section = given.pop(part, None)
    if section is None:
        return "", {}
    value = section.get("config") or {} if isinstance(section, Mapping) else None
    name = section.get("provider", "") if isinstance(section, Mapping) else None
    if value is not None and hasattr(value, "model_dump"):
        value = value.model_dump()
    if not isinstance(value, Mapping) or not isinstance(name, str) or not name:
        raise SettingsError(
            f'{part} is not in the form of mem0; pass {{"provider": NAME, "config": {{...}}}}'
        )
    return name, dict(value)


def _read_store(settings: Settings, name: str, value: dict[str, Any]) -> tuple[dict[str, Any], str]:
    if name == "s3_vectors":
        taken = {
            "vector_bucket": value.get("vector_bucket_name"),
            "region": value.get("region_name"),
        }
        note = "the vector bucket is taken, with an index of our own; AWS_S3_BUCKET has the ledger"
        changes = {key: text for key, text in taken.items() if text}
        return {"backend": "s3_vectors", **changes}, note
    if name == "chroma":
        folder = value.get("path") or "db"
        return {}, (
            "memories are stored where the environment says; those that mem0 left are copied by "
            f"`holdfast migrate apply --from chroma:{folder}`"
        )
    return {}, (
        "not opened; memories are stored where the environment says, and those that mem0 left are "
        "copied by an export and `holdfast import`"
    )


def _read_embedder(
    settings: Settings, name: str, value: dict[str, Any]
) -> tuple[dict[str, Any], str]:
    if name != "openai":
        return {}, f"not used; the embedder is {settings.embedder} (MEMORY_EMBEDDER)"
    model = value.get("model") or settings.embedding_model
    access, note = _access(settings, value, "model api_key openai_base_url embedding_dims")
    return {"embedder": "openai", "embedding_model": model, **access}, f"taken ({model}){note}"


def _read_llm(settings: Settings, name: str, value: dict[str, Any]) -> tuple[dict[str, Any], str]:
    if name != "openai":
        return {}, "not used; set MEMORY_LLM to openai:MODEL and OPENAI_BASE_URL to its server"
    model = value.get("model") or _MODEL
    access, note = _access(settings, value, "model api_key openai_base_url")
    return {"llm": f"openai:{model}", **access}, f"taken ({model}){note}"


def _access(settings: Settings, value: dict[str, Any], known: str) -> tuple[dict[str, Any], str]:
    """Return the settings of OpenAI's server, and the end of the note: the keys not taken."""
    access = {
        "openai_api_key": value.get("api_key") or settings.openai_api_key,
        "openai_base_url": value.get("openai_base_url") or settings.openai_base_url,
    }
    others = [key for key, given in value.items() if given is not None and key not in known.split()]
    return access, f", without {', '.join(others)}" if others else ""


_READERS: Final = {"vector_store": _read_store, "embedder": _read_embedder, "llm": _read_llm}
