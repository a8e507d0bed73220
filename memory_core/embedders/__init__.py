"""Embedders: the choice of one; each is loaded when it is chosen."""

from ..errors import SettingsError
from ..settings import Settings, split_model
from .base import Embedder, embed_question, languages_of

__all__ = ["Embedder", "embed_question", "languages_of", "open_embedder"]


def open_embedder(settings: Settings) -> Embedder:
    """Return the embedder in the settings; `auto` is OpenAI if its key is set, else local.

    Raises:
        SettingsError: a key or a package is missing, or the model is not known.
    """
    choice, model, dimensions = split_model(settings.embedder)
    if choice == "auto":
        choice = "openai" if settings.openai_api_key else "local"
    if choice == "local":
        from .local import LocalEmbedder

        return LocalEmbedder()
    if choice == "multilingual":
        from .multilingual import MultilingualEmbedder

        return MultilingualEmbedder()
    if choice == "bedrock":
        from .bedrock import BedrockEmbedder

        return BedrockEmbedder(model, settings, dimensions)
    from .openai import DIMENSIONS, OpenAIEmbedder

    key, address = settings.openai_api_key, settings.openai_base_url
    # A server other than OpenAI's may need none.
    if not key and not (model and address):
        raise SettingsError(
            f"MEMORY_EMBEDDER is {settings.embedder!r} but OPENAI_API_KEY is not set; set it"
        )
    if not model and settings.embedding_model not in DIMENSIONS:
        raise SettingsError(
            f"MEMORY_EMBEDDING_MODEL is {settings.embedding_model!r}; set it to one of "
            f"{', '.join(DIMENSIONS)}, or MEMORY_EMBEDDER to openai:MODEL for any other"
        )
    return OpenAIEmbedder(model or settings.embedding_model, key or "none", address, dimensions)
