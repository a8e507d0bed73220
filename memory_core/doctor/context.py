"""The installation as checks see it: each part is opened once, by the first check that needs it."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

from ..embedders import Embedder, open_embedder
from ..errors import IndexMismatch
from ..ledger import Ledger, UserView
from ..model.records import IndexInfo
from ..model.server_card import ServerManners
from ..model.user_id import is_probe
from ..settings import Settings, SettingsSurvey
from ..storage.aws import Aws, Retries
from ..storage.aws.client import Credentials, Transport, read_credentials
from ..storage.backend import Backend, select_backend
from ..storage.objects import ObjectStore, S3Objects
from ..storage.vectors import VectorStore
from ..storage.vectors.s3_index import IndexName, describe_index
from .findings import Evidence
from .redact import Masker

S3 = "s3_vectors"
CHROMA = "chroma"

# A person waits for the answer, and long retries would hide a passing failure.
_BUDGET_S = 2.0
_TRANSPORT = Transport(connect_timeout_s=3.0, read_timeout_s=8.0, attempts=1)

_Item = TypeVar("_Item")


def spread(items: Sequence[_Item], most: int) -> Sequence[_Item]:
    """Return at most `most` items, spread evenly over all of them."""
    return items[:: max(1, len(items) // most)][:most]


class Context:
    """The parts of the installation. A property raises the errors of opening its part.

    A check that uses a part needs the check that opens it.
    """

    def __init__(self, survey: SettingsSurvey, tags: Collection[str] = ()) -> None:
        self.survey = survey
        self.tags = frozenset(tags)
        self.masker = Masker(survey.given)

    @property
    def settings(self) -> Settings:
        return self.survey.settings

    @property
    def given(self) -> Mapping[str, str]:
        """The whole environment, secrets included."""
        return self.survey.given

    @cached_property
    def credentials(self) -> Credentials | None:
        credentials = read_credentials(self.settings)
        if credentials:
            self.masker.add([credentials.access_key_id, *credentials.secrets])
        return credentials

    @cached_property
    def embedder(self) -> Embedder:
        return open_embedder(self.settings)

    @cached_property
    def backend(self) -> Backend:
        return select_backend(self.settings, self.embedder, self.aws)

    @property
    def place(self) -> list[Evidence]:
        """The location of the memories, as evidence."""
        location = self.backend.location
        return [Evidence(name, value, "decision") for name, value in location.items()]

    @cached_property
    def aws(self) -> Aws:
        return Aws(self.settings, retries=Retries(budget_s=_BUDGET_S), transport=_TRANSPORT)

    @cached_property
    def objects(self) -> ObjectStore:
        if self.backend.name == S3:
            location = self.backend.location
            return S3Objects(self.aws, location["bucket"], location["prefix"])
        return self.backend.objects

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.objects)

    @cached_property
    def views(self) -> tuple[UserView, ...]:
        """Every real user, with memories or without."""
        return tuple(view for view in self.ledger.users() if not is_probe(view.user_id))

    @property
    def index(self) -> IndexName:
        """The index on S3 Vectors."""
        location = self.backend.location
        return IndexName(location["vector bucket"], location["index"])

    @cached_property
    def manners(self) -> ServerManners:
        """How the server behaves, by its card; like Amazon's if it has none."""
        cards = self.backend.cards if self.aws.on_own_server else None
        return cards.known() if cards else ServerManners()

    @cached_property
    def store(self) -> VectorStore:
        """The store, which must exist: checks create nothing."""
        if self.backend.name == S3:
            from ..storage.vectors.s3 import open_s3_vectors

            dimensions = self.embedder.dimensions
            return open_s3_vectors(self.aws, self.index, dimensions, self.manners, create=False)
        return self.backend.open_store(False)

    @cached_property
    def info(self) -> IndexInfo:
        """The description of the index, even of one that does not fit."""
        if self.backend.name == S3:
            return describe_index(self.aws, self.index)
        from ..storage.vectors.chroma import ChromaStore, open_folder

        folder = open_folder(self.settings.chroma_path)
        name = self.backend.location["collection"]
        return ChromaStore(folder, name).describe()

    @property
    def index_name(self) -> str:
        """The name of the index or collection."""
        location = self.backend.location
        return location["index"] if self.backend.name == S3 else location["collection"]

    @cached_property
    def has_index(self) -> bool:
        """True where the index exists; the first memory creates it."""
        if self.backend.name == S3:
            try:
                return self.info is not None
            except IndexMismatch:
                return False
        from ..storage.vectors.chroma import collections

        return self.index_name in collections(self.settings.chroma_path)

    def close(self) -> None:
        """Close the files and connections that were opened."""
        for name in ("store", "aws"):
            if name in self.__dict__:
                self.__dict__[name].close()
