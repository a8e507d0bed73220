"""The stand-in itself: both services, the control surface and the state directory."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.config import Config

from .control import Control
from .gate import Gate
from .httpd import BODY_CAP_BYTES, HttpServer
from .manners import MannerlyVectors
from .moto_app import S3_HOST, MotoApp
from .profiles import Profile, profile_of
from .s3 import S3Service
from .s3manners import MannerlyS3
from .s3state import S3State
from .service import S3VectorsService
from .state import Store
from .switches import Switches
from .world import World

REGION = "us-east-1"
ACCESS_KEY = "AKIASTANDIN000000000"
SECRET_KEY = "standin-secret"


class StandIn(Control):
    """Amazon S3 and S3 Vectors on this machine, as a context manager.

    With a state directory everything stored outlives the process, even killed; faults,
    switches and the request log do not. One process at a time may use a directory. It behaves
    as the server of its profile (`profiles.PROFILES`), Amazon's own unless another is named.
    """

    def __init__(
        self,
        state_dir: Path | str | None = None,
        *,
        port: int = 0,
        s3_port: int = 0,
        region: str = REGION,
        profile: str | Profile = "aws",
    ):
        self.profile = profile_of(profile) if isinstance(profile, str) else profile
        super().__init__(Switches(classic_only=self.profile.manners.classic))
        server = self.profile.manners.server
        self.headers = (
            *((("Server", server),) if server else ()),
            ("X-Holdfast-Stand-In", self.profile.name),
        )
        self.region = region
        self._state_dir = Path(state_dir) if state_dir is not None else None
        self._ports = port, s3_port
        self._stopping = threading.Event()

    def start(self) -> Self:
        """Load the state and serve; `with` does this."""
        self._store = Store(self._state_dir)
        self._s3_state = S3State(self._store)
        moto = MotoApp(S3_HOST, self._s3_state.account)
        objects = MannerlyS3(S3Service(moto, self._s3_state, self), self.profile, self)
        self._world = World(self._store)
        service = S3VectorsService(self._world, self)
        vectors = MannerlyVectors(service, self.profile, self._s3_state.has_bucket, self)
        self._stopping.clear()
        self._vectors_server = HttpServer(
            Gate(vectors, self, self._stopping), self._ports[0], BODY_CAP_BYTES
        )
        self._s3_server = HttpServer(Gate(objects, self, self._stopping), self._ports[1])
        self._vectors_server.start()
        self._s3_server.start()
        return self

    def stop(self) -> None:
        """Stop serving and release ports and files; `with` does this."""
        self._stopping.set()
        self._vectors_server.stop()
        self._s3_server.stop()
        self._s3_state.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url_s3vectors(self) -> str:
        """Return the S3 Vectors endpoint."""
        return self._vectors_server.url

    @property
    def url_s3(self) -> str:
        """Return the S3 endpoint."""
        return self._s3_server.url

    def environ(self) -> dict[str, str]:
        """Return the variables that send a process's boto3 here."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url_s3,
            "AWS_ENDPOINT_URL_S3VECTORS": self.url_s3vectors,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
        }

    def client(self, service: str, **config: Any) -> Any:
        """Return a boto3 client for `s3` or `s3vectors`; `config` goes to botocore's Config."""
        return boto3.client(
            service,
            endpoint_url=self.url_s3 if service == "s3" else self.url_s3vectors,
            region_name=self.region,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(**config),
        )
