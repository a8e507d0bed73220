"""Clients of Amazon S3 and S3 Vectors: the only file that imports boto3."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache, partial
from threading import Lock
from typing import Any, Final, Literal, TypeVar

from ...errors import MemoryCoreError, SettingsError
from ...model.call_counts import RequestCounts
from ...settings import Settings
from .endpoint import Endpoint, is_marked
from .errors import (
    INVALID_PAGE_TOKEN,
    MISSING,
    TOO_LARGE,
    Call,
    Failure,
    rule_for,
    translate,
)
from .parsing import read_faster
from .retry import Attempts, Retries

REQUESTS: Final = RequestCounts()
"""The requests that this process sent to AWS, or to a server in its place."""

ServiceName = Literal["s3", "s3vectors", "sts", "bedrock-runtime"]

_CONNECTIONS = 16
_JSON = "application/json"
_THREADS = 8
# The share of the budget for a 500 of a server that was set by hand, which may always answer so.
_PATIENCE_OF_OWN = 0.2
_LATEST_S = 1e11
_OPENING = frozenset({"GetIndex", "GetVectorBucket"})

_Result = TypeVar("_Result")
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Transport:
    """Limits of one request; `attempts` are boto3's own, within a fraction of a second."""

    connect_timeout_s: float = 5.0
    read_timeout_s: float = 20.0
    attempts: int = 2


@dataclass(frozen=True, slots=True)
class Credentials:
    """Credentials of boto3's chain. `secrets` must never be shown; `expires_at` is aware."""

    source: str
    access_key_id: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    expires_at: datetime | None


class NotFromAws(Exception):
    """A reply did not come from AWS, whatever it says."""


class GatewayFailed(NotFromAws):
    """A gateway or proxy reports a failure of its own."""


class Aws:
    """The clients of one configuration, made on first use; safe to share between threads.

    `retries.budget_s` bounds how long a call is tried again.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        retries: Retries | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.settings = settings
        self.retries = retries or Retries()
        self._transport = transport or Transport()
        self._session: Any = None
        self._clients: dict[ServiceName, Any] = {}
        self._lock = Lock()
        self._lasting: set[tuple[str, str]] = set()
        self._endpoints = {
            "s3": Endpoint("s3", settings.endpoint_s3),
            "s3vectors": Endpoint("s3vectors", settings.endpoint_s3vectors),
            "sts": Endpoint("sts", None),
            "bedrock-runtime": Endpoint("bedrock-runtime", settings.endpoint_bedrock),
        }

    def endpoint(self, service: ServiceName) -> Endpoint:
        """Return the address of a service, and what is known of the server there."""
        return self._endpoints[service]

    @property
    def on_own_server(self) -> bool:
        """A service is on a server that was set by hand, with manners of its own."""
        places = [self._endpoints["s3"], self._endpoints["s3vectors"]]
        imitated = any(place.stand_in and not place.own for place in places)
        return not imitated and any(place.own for place in places)

    def run(
        self,
        service: ServiceName,
        operation: str,
        resource: str,
        send: Callable[[Any], _Result],
        *,
        patience: float = 1.0,
    ) -> _Result:
        """Call `send` with the service's client until it succeeds; it must be safe to repeat.

        Throttling, failures of the service and dropped connections are tried again within the
        budget. Credentials that AWS refuses are read again once, so that rotated ones are found.
        A 500 of a server that was set by hand is tried again for a fifth of the budget, and not at
        all once an operation ended so. `patience` is the share of that time for this call.

        Raises:
            BackendUnavailable: the budget is used up.
            AccessDenied: a permission is missing, or the credentials are not accepted.
            BackendError: the service refused for another reason.
            SettingsError: no client can be made with these settings.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        attempts = Attempts(self.retries)
        endpoint, asked = self._endpoints[service], (service, operation)
        renewed, count = False, 0
        while True:
            client = self._client(service)
            count += 1
            try:
                result = send(client)
            except (BotoCoreError, ClientError, NotFromAws) as exc:
                failure = _failure(exc, operation)
                rule = rule_for(failure)
                share = rule.patience
                lasts = endpoint.own and failure.status == 500
                if lasts:
                    share *= 0 if asked in self._lasting else _PATIENCE_OF_OWN * patience
                if rule.renew and not renewed:
                    renewed = True
                    with self._lock:
                        # Unless another thread has done so since.
                        if self._clients.get(service) is client:
                            # Not closed, since other threads may be using it.
                            self._clients, self._session = {}, None
                elif not attempts.wait(share):
                    if lasts and patience == 1.0:
                        self._lasting.add(asked)
                    call = Call(service, operation, resource, attempts.elapsed_s, endpoint, count)
                    raise translate(failure, call) from exc
            else:
                self._lasting.discard(asked)
                return result

    def ask(
        self,
        service: ServiceName,
        operation: str,
        resource: str,
        patience: float = 1.0,
        /,
        **members: Any,
    ) -> dict[str, Any]:
        """Return the answer to one operation; see `run`."""
        from botocore import xform_name

        method = xform_name(operation)

        def send(client: Any) -> dict[str, Any]:
            answer: dict[str, Any] = getattr(client, method)(**members)
            return answer

        return self.run(service, operation, resource, send, patience=patience)

    def pages(
        self,
        service: ServiceName,
        operation: str,
        resource: str,
        paging: Mapping[str, str],
        **members: Any,
    ) -> Iterator[dict[str, Any]]:
        """Yield the pages of a listing; see `run`.

        `paging` maps members of the next request to those of the answer before it.
        """
        token: dict[str, str] = {}
        while True:
            page = self.ask(service, operation, resource, **members, **token)
            yield page
            # A short page, even an empty one, is not the end.
            token = {ours: page[theirs] for ours, theirs in paging.items() if page.get(theirs)}
            if not token or page.get("IsTruncated") is False:
                return

    def error(
        self, service: ServiceName, operation: str, resource: str, code: str, message: str
    ) -> Exception:
        """Return our error for a failure reported in a successful answer."""
        call = Call(service, operation, resource, endpoint=self._endpoints[service])
        return translate(Failure((code,), 0, message), call)

    def offers(self, service: ServiceName, operation: str, *members: str) -> bool:
        """Return whether the installed boto3 knows a member, given as a path, of an operation."""
        shape = self._client(service).meta.service_model.operation_model(operation).input_shape
        for member in members:
            if member not in shape.members:
                return False
            shape = shape.members[member]
        return True

    def close(self) -> None:
        """Close the connections; a later call opens them again."""
        with self._lock:
            clients, self._clients, self._session = self._clients, {}, None
        for client in clients.values():
            client.close()

    def _client(self, service: ServiceName) -> Any:
        from botocore.exceptions import BotoCoreError

        with self._lock:
            if service not in self._clients:
                try:
                    self._clients[service] = self._make(service)
                except (BotoCoreError, ValueError) as exc:
                    call = Call(service, "open", "a client", endpoint=self._endpoints[service])
                    raise translate(_failure(exc), call) from exc
            return self._clients[service]

    def _make(self, service: ServiceName) -> Any:
        import boto3
        from botocore.config import Config

        settings, transport = self.settings, self._transport
        endpoint = self._endpoints[service].url
        config = Config(
            connect_timeout=transport.connect_timeout_s,
            read_timeout=transport.read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": transport.attempts},
            max_pool_connections=_CONNECTIONS,
            # boto3 would compose its own for every request, in 0.2 ms.
            user_agent=f"memory_core Boto3/{boto3.__version__}",
            # At another address the bucket cannot be part of the host name.
            s3={"addressing_style": "path"} if endpoint else None,
        )
        self._session = self._session or _session(settings)
        client = self._session.client(
            service, region_name=settings.region, endpoint_url=endpoint, config=config
        )
        client.meta.events.register(
            "before-parse", partial(_check_sender, self._endpoints[service])
        )
        client.meta.events.register("before-send", _count_request)
        read_faster(client, service)
        return client


def model_invoker(settings: Settings) -> Callable[[str, bytes], bytes]:
    """Return a function that sends a request to a Bedrock model and returns the answer's body."""
    aws = Aws(settings)

    def invoke(model: str, body: bytes) -> bytes:
        def send(client: Any) -> bytes:
            answer = client.invoke_model(modelId=model, body=body, contentType=_JSON, accept=_JSON)
            return bytes(answer["body"].read())

        return aws.run("bedrock-runtime", "InvokeModel", f"model {model!r}", send)

    return invoke


def each(read: Callable[[_Item], _Result], items: Sequence[_Item]) -> Iterator[_Result]:
    """Yield the result for each item in order, reading several at once."""
    if len(items) < 2:
        yield from map(read, items)
        return
    with ThreadPoolExecutor(min(_THREADS, len(items))) as threads:
        yield from threads.map(read, items)


def check_sender(status: int, headers: Mapping[str, str]) -> None:
    """Reject replies that did not come from AWS (gateways, login pages, captive portals).

    boto3 takes most of them for an empty successful answer, and those of S3 that it cannot read for
    a failure (seen in 1.44.5). A refusal counts as foreign only if it is a web page.

    Raises:
        NotFromAws: with the status and the type of the content.
    """
    if is_marked(headers):
        return
    kind = _content_type(headers)
    if status >= 500:
        raise GatewayFailed(f"{status}, {kind}")
    if status < 400 or kind.startswith("text/html"):
        raise NotFromAws(f"{status}, {kind}")


def credentials_source(settings: Settings) -> str | None:
    """Name the source of the credentials in boto3's chain ("env", "iam-role", ...), if any.

    Outside AWS the chain ends with two requests to the machine's metadata address, which take a
    second each to fail; ask only if the rest of the configuration is complete. If there is no
    role, AWS_EC2_METADATA_DISABLED=true avoids them.

    Raises:
        SettingsError: half of a key, or a profile that does not exist or cannot be used.
    """
    chained = _chained_credentials(settings)
    return str(chained.method) if chained else None


def read_credentials(settings: Settings) -> Credentials | None:
    """Return the credentials in use, None if there are none; see `credentials_source`.

    Raises:
        SettingsError: as `credentials_source`.
        AccessDenied: their source exists, but gives none.
    """
    from botocore.exceptions import BotoCoreError

    chained = _chained_credentials(settings)
    if chained is None:
        return None
    try:
        frozen = chained.get_frozen_credentials()
    except BotoCoreError as exc:
        raise translate(_failure(exc), Call("sts", "open", "the credentials")) from exc
    secrets = tuple(filter(None, (frozen.secret_key, frozen.token)))
    # Only credentials that boto3 renews have it, under no public name (1.44.5).
    expires_at = getattr(chained, "_expiry_time", None)
    return Credentials(chained.method, frozen.access_key, secrets, expires_at)


def status_of(exc: MemoryCoreError) -> int:
    """Return the HTTP status of the answer behind an error, 0 if there was none."""
    cause = exc.__cause__
    return _failure(cause).status if isinstance(cause, Exception) else 0


def cause_of(exc: MemoryCoreError) -> str:
    """Name the cause of an AWS failure in a word or two; empty for an unknown one."""
    cause = exc.__cause__
    return rule_for(_failure(cause)).cause if isinstance(cause, Exception) else ""


def _chained_credentials(settings: Settings) -> Any:
    from botocore.exceptions import BotoCoreError, PartialCredentialsError

    try:
        return _session(settings).get_credentials()
    except PartialCredentialsError as exc:
        raise SettingsError(
            "AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is set without the other; set both"
        ) from exc
    except BotoCoreError as exc:
        reason = " ".join(str(exc).split()).rstrip(".")
        raise SettingsError(
            f"AWS_PROFILE is {settings.aws_profile or 'not set'!r} and gives no credentials "
            f"({reason}); correct it or the AWS configuration files"
        ) from exc


def _session(settings: Settings) -> Any:
    import boto3
    import botocore.session

    # The profile is given as a default: given by name, it would override the access key of the
    # environment. Nor may boto3 read AWS_PROFILE itself: it takes an empty one for a name (seen in
    # 1.44.5).
    variables = {"profile": (None, None, settings.aws_profile, None)}
    handlers, descriptions = _shared()
    session = botocore.session.Session(
        session_vars=variables, event_hooks=copy(handlers), include_builtin_handlers=False
    )
    session.register_component("data_loader", descriptions)
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
    return boto3.Session(botocore_session=session)


@lru_cache(maxsize=1)
def _shared() -> tuple[Any, Any]:
    """Return the handlers and descriptions of all sessions, which take long to make."""
    import botocore.session
    from botocore.hooks import HierarchicalEmitter
    from botocore.loaders import create_loader

    emitter = HierarchicalEmitter()
    botocore.session.Session(event_hooks=emitter)
    return emitter, create_loader()


def _content_type(headers: Mapping[str, str]) -> str:
    return next((headers[name] for name in headers if name.lower() == "content-type"), "no type")


def _check_sender(
    endpoint: Endpoint,
    operation_model: Any,
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    **_: Any,
) -> None:
    status, headers = response_dict["status_code"], response_dict["headers"]
    # A proxy before the service found a body too large: as good an answer as its own.
    believed = status == 413 and endpoint.service == "s3vectors"
    if endpoint.own and endpoint.service == "bedrock-runtime":
        # The vectors in an answer are checked by the embedder.
        believed = status == 200 and not _content_type(headers).startswith("text/html")
    elif not believed and not is_marked(headers) and endpoint.own:
        # A fast parser may have read the answer already.
        answer: object = customized_response_dict or None
        if answer is None:
            # An object of S3 is a stream, left to its reader.
            with suppress(ValueError, TypeError):
                answer = json.loads(response_dict["body"] or b"{}")
        output = operation_model.output_shape if status == 200 else None
        believed = (status == 200 or status >= 400) and endpoint.fits(answer, output)
    if not believed:
        try:
            check_sender(status, headers)
        except NotFromAws:
            # Nobody will read that stream, and until then it would keep its connection.
            if hasattr(body := response_dict["body"], "close"):
                body.close()
            raise
    endpoint.hear(headers)


def _count_request(event_name: str, **_: Any) -> None:
    """Count a request of an event like `before-send.s3.PutObject`; None lets boto3 send it."""
    service, operation = event_name.split(".")[1:]
    REQUESTS.add(service, operation)


def _moment(value: Any) -> datetime:
    """Parse a time: boto3's own parser takes most of a listing, and a tenth of a read."""
    if isinstance(value, str) and value.endswith(("Z", " GMT")):
        with suppress(ValueError):
            return (parsedate_to_datetime if value[-1] == "T" else datetime.fromisoformat)(value)
    from botocore.utils import parse_timestamp

    # In milliseconds, as JavaScript has them.
    late = isinstance(value, int | float) and value > _LATEST_S
    moment: datetime = parse_timestamp(value / 1000 if late else value)
    return moment


def _failure(exc: Exception, operation: str = "") -> Failure:
    response = getattr(exc, "response", None)
    if not isinstance(response, dict):
        return Failure(tuple(base.__name__ for base in type(exc).__mro__), 0, str(exc))
    error = response.get("Error", {})
    message = str(error.get("Message", ""))
    code = str(error.get("Code", "")) or "no code"
    if code == "ValidationException" and message.startswith("Invalid page token"):
        code = INVALID_PAGE_TOKEN
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if status == 413:
        code = TOO_LARGE
    if status == 404 and operation in _OPENING and code != "UnknownOperationException":
        # Other servers return other codes.
        code = MISSING
    return Failure((code,), status, message)
