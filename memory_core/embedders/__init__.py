"""Embedders, chosen in one place and loaded late."""

from __future__ import annotations

from ..errors import SettingsError
from ..settings import Settings
from .base import Embedder

__all__ = ["Embedder", "open_embedder"]


def open_embedder(settings: Settings) -> Embedder:
    """Return the embedder the settings name; `auto` is OpenAI where its key is set, else local.

    Raises:
        SettingsError: the key is missing, or the model is not known.
    """
    choice = settings.embedder
    if choice == "auto":
        choice = "openai" if settings.openai_api_key else "local"
    if choice == "local":
        from .local import LocalEmbedder

        return LocalEmbedder()
    if not settings.openai_api_key:
        raise SettingsError("MEMORY_EMBEDDER is 'openai' but OPENAI_API_KEY is not set; set it")
    from .openai import OpenAIEmbedder

    return OpenAIEmbedder(
        settings.embedding_model, settings.openai_api_key, settings.openai_base_url
    )
