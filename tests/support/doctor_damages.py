"""What a damage is, and those of settings, credentials and places."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from memory_core import Settings
from memory_core.doctor import Tag
from memory_core.embedders.local import LocalEmbedder
from memory_core.model.server_card import Capability, ServerCard, ServerManners
from memory_core.storage.backend import select_backend
from memory_core.storage.server_cards import CardKeeper
from standin.httpd import App, HttpServer, Request, Response
from tests.support.doctor_system import System
from tests.support.s3_front import for_both, s3_error

Do = Callable[[System], object]
ACCOUNT = "210987654321"
NOWHERE = "http://127.0.0.1:1"


@dataclass(frozen=True)
class Damage:
    """Something done to a healthy system, and exactly what the doctor must say of it."""

    name: str
    expected: tuple[str, ...]
    kind: str
    do: Do
    tags: tuple[Tag, ...] = ()
    filled: bool = True
    not_said: tuple[str, ...] = ()
    """What is said of a healthy system and not any more."""


def sets(**environ: str) -> Do:
    return lambda system: system.set(**environ)


def denies(*actions: str) -> Do:
    return lambda system: system.cloud.set_switches(deny_actions=list(actions))


def answers(watch: Callable[[Request, App], Response | None]) -> Do:
    return lambda system: system.watch(watch)


def nothing(system: System) -> None:
    """Leave the system as it is."""


def on_plain_disk(system: System) -> None:
    system.monkeypatch.undo()
    system.monkeypatch.setattr("memory_core.storage.backend._mount_point", lambda path: Path("/"))
    system.monkeypatch.setattr("memory_core.storage.backend._filesystem", lambda mount: "ext4")


def on_another_server(system: System) -> None:
    """Keep a card which says that the server cannot do all that Amazon can."""
    backend = select_backend(Settings.from_env(system.environ), LocalEmbedder())
    assert backend.cards is not None
    lacking = Capability("segments", "A listing can be split", "no", "refused", "in one piece")
    endpoint = system.environ["AWS_ENDPOINT_URL_S3VECTORS"]
    now = datetime.now(UTC)
    card = ServerCard("an S3 Vectors server", endpoint, now, 1.0, ServerManners(), (lacking,))
    CardKeeper(backend.objects, endpoint, lambda: card).renew()


def spaced_key(system: System) -> None:
    system.set(AWS_SECRET_ACCESS_KEY=system.environ["AWS_SECRET_ACCESS_KEY"] + "\n")


def without_region(system: System) -> None:
    system.drop("AWS_REGION", "AWS_DEFAULT_REGION")


def spaced_bucket(system: System) -> None:
    system.set(AWS_S3_BUCKET=f" {system.environ['AWS_S3_BUCKET']}\n")


def without_profile(system: System) -> None:
    system.drop("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    system.set(AWS_PROFILE="gone")


def expiring(system: System) -> None:
    """Let a credential process, as single sign-on tools are, issue keys for five minutes."""
    keys = {
        "Version": 1,
        "AccessKeyId": system.environ["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": system.environ["AWS_SECRET_ACCESS_KEY"],
        "SessionToken": "token-of-the-credential-process",
        "Expiration": (datetime.now(UTC) + timedelta(minutes=5)).isoformat(),
    }
    issuer = system.folder / "issue.json"
    issuer.write_text(json.dumps(keys))
    system.drop("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    (system.folder / "aws-config").write_text(f"[default]\ncredential_process = cat {issuer}\n")


def of_another_account(system: System) -> None:
    """Let the credentials be of an account that does not own the bucket."""

    def identity(request: Request) -> Response:
        body = (
            '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            f"<GetCallerIdentityResult><Account>{ACCOUNT}</Account><UserId>U</UserId>"
            f"<Arn>arn:aws:iam::{ACCOUNT}:user/staff</Arn></GetCallerIdentityResult>"
            "</GetCallerIdentityResponse>"
        )
        headers = (("Content-Type", "text/xml"), ("x-amzn-RequestId", "sts"))
        return Response(200, headers, body.encode())

    server = HttpServer(identity)
    server.start()
    system.stack.callback(server.stop)
    system.set(AWS_ENDPOINT_URL_STS=server.url)

    def watch(request: Request, app: App) -> Response | None:
        owner = request.headers.get("x-amz-expected-bucket-owner")
        return s3_error(403, "AccessDenied") if owner == ACCOUNT else None

    system.watch(watch)


def clock_behind(request: Request, app: App) -> Response | None:
    """Answer with the time of seven minutes from now: our clock seems behind."""
    answer = app(request)
    kept = tuple(one for one in answer.headers if one[0].lower() != "date")
    later = format_datetime(datetime.now(UTC) + timedelta(minutes=7), usegmt=True)
    return replace(answer, headers=(*kept, ("Date", later)))


def in_another_region(system: System) -> None:
    system.set(AWS_REGION="eu-west-1", AWS_DEFAULT_REGION="eu-west-1")


def saved_without_s3(system: System) -> None:
    local = {"AWS_S3_BUCKET": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": ""}
    with system.open(**local, AWS_ACCESS_KEY_ID="") as service:
        service.add_text_memory("cy@example.com", "Sings in a choir")


def page(request: Request, app: App) -> Response | None:
    return Response(200, (("Content-Type", "text/html"),), b"<html>Sign in to the network</html>")


def page_of_s3(request: Request, app: App) -> Response | None:
    vectors = "/s3vectors/aws4_request" in request.headers["authorization"]
    return None if vectors else page(request, app)


def out_of_quota(system: System) -> None:
    system.cloud.add_fault("quota402", operation="GetIndex", nth="every")


def hanging(system: System) -> None:
    system.monkeypatch.setattr("memory_core.doctor.run.CHECKS", tuple(map(_impatient, _checks())))
    # Far longer than the check may take, however late the doctor looks at the clock.
    system.cloud.add_fault("hang", operation="GetIndex", nth="every", seconds=20.0)


def _checks() -> Any:
    from memory_core.doctor import CHECKS

    return CHECKS


def _impatient(check: Any) -> Any:
    return replace(check, limit_s=0.3) if check.name == "vectors.there" else check


SETUP = [
    Damage("another word", ("settings.E001",), "chroma", sets(MEMORY_BACKEND="s4"),
           not_said=("environment.I001", "backend.I001")),
    Damage("no address", ("settings.E001",), "chroma", sets(OPENAI_BASE_URL="localhost"),
           not_said=("environment.I001", "backend.I001")),
    Damage("quotation marks", ("settings.E002",), "s3", sets(AWS_S3_BUCKET='"mine"'),
           not_said=("environment.I001", "backend.I001", "credentials.I001")),
    Damage("a line end after the secret", ("settings.E003",), "s3", spaced_key,
           not_said=("environment.I001", "backend.I001", "credentials.I001")),
    Damage("no region", ("settings.E004",), "s3", without_region,
           not_said=("backend.I001", "credentials.I001")),
    Damage("S3 without anything", ("settings.E005",), "chroma", sets(MEMORY_BACKEND="s3_vectors"),
           not_said=("backend.I001",)),
    Damage("an impossible index", ("settings.E005",), "s3", sets(MEMORY_INDEX="mem0_default"),
           not_said=("backend.I001",)),
    Damage("spaces around the bucket", ("settings.W001",), "s3", spaced_bucket),
    Damage("another name", ("settings.W002",), "chroma", sets(AWS_BUCKET="mine")),
    Damage("small letters", ("settings.W002",), "chroma", sets(aws_s3_bucket="mine")),
    Damage("a typing error", ("settings.W002",), "chroma", sets(MEMORY_INDX="mine")),
    Damage("set but empty", ("settings.I001",), "chroma", sets(MEMORY_INDEX=" ")),
    Damage("a region alone", ("settings.I002",), "chroma", sets(AWS_REGION="us-east-1")),
    Damage("a profile that is gone", ("credentials.E001",), "s3", without_profile,
           not_said=("backend.I001", "credentials.I001")),
    Damage("an unknown key", ("credentials.E002",), "s3",
           answers(for_both(403, "InvalidAccessKeyId", "UnrecognizedClientException"))),
    Damage("expired", ("credentials.E003",), "s3",
           answers(for_both(400, "ExpiredToken", "ExpiredTokenException"))),
    Damage("a wrong clock", ("credentials.E004",), "s3",
           answers(for_both(403, "RequestTimeTooSkewed", "RequestExpired"))),
    Damage("expiring", ("credentials.W001",), "s3", expiring),
    Damage("another account", ("credentials.W002",), "s3", of_another_account),
    Damage("a clock behind", ("credentials.W003",), "s3", answers(clock_behind)),
    Damage("no region of AWS", ("region.E001",), "s3", sets(AWS_REGION="Frankfurt"),
           not_said=("backend.I001",)),
    Damage("another region", ("region.E002",), "s3", in_another_region),
    Damage("a region that signs wrongly", ("region.E002",), "s3",
           answers(for_both(400, "AuthorizationHeaderMalformed", "AccessDeniedException"))),
    Damage("two regions", ("region.W001",), "s3", sets(AWS_DEFAULT_REGION="eu-west-1")),
    Damage("saved without S3", ("backend.W001",), "s3", saved_without_s3),
    Damage("no such bucket", ("bucket.E001",), "s3", sets(AWS_S3_BUCKET="no-such-bucket-at-all")),
    Damage("a closed bucket", ("bucket.E002",), "s3", denies("s3:ListBucket")),
    Damage("nobody there", ("bucket.E003",), "s3", sets(AWS_ENDPOINT_URL_S3=NOWHERE)),
    Damage("too many requests", ("bucket.E006",), "s3",
           answers(for_both(429, "SlowDown", "TooManyRequestsException"))),
    Damage("a login page", ("bucket.E004",), "s3", answers(page_of_s3)),
    Damage("no reading", ("bucket.E005",), "s3", denies("s3:GetObject")),
    Damage("another prefix", ("bucket.W001", "index.I001"), "s3", sets(MEMORY_PREFIX="memories")),
    Damage("s3 but not s3vectors", ("vectors.E001",), "s3",
           denies("s3vectors:GetIndex", "s3vectors:GetVectors", "s3vectors:ListVectors",
                  "s3vectors:QueryVectors", "s3vectors:ListIndexes")),
    Damage("no vectors there", ("vectors.E002",), "s3", sets(AWS_ENDPOINT_URL_S3VECTORS=NOWHERE)),
    Damage("no GetVectors", ("vectors.E003",), "s3", denies("s3vectors:GetVectors"),
           tags=("data",)),
    Damage("no QueryVectors", ("vectors.E003",), "s3", denies("s3vectors:QueryVectors")),
    Damage("another server", ("vectors.I001",), "s3", on_another_server),
    Damage("a quota", ("doctor.E001",), "s3", out_of_quota),
    Damage("an answer that never comes", ("doctor.W001",), "s3", hanging),
]  # fmt: skip
