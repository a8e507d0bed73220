"""A small backend that remembers its users; README.md beside it says how to run it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, UploadFile
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from itsdangerous import BadData, URLSafeTimedSerializer
from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from memory_core import (
    AsyncMemoryService,
    MemoryCoreError,
    NotIndexed,
    SavedMemories,
    UserId,
    get_user_id_from_request,
    http_status,
)

MAX_BODY_BYTES = 21 * 1024 * 1024
"""A document may have 20 MB; the rest is for the form around it."""

SESSION_S = 8 * 60 * 60
RETRY_AFTER_S = 5
UNAVAILABLE = "memories cannot be reached; try again later, nothing is stored twice"
UNFINISHED = "recorded and safe, but not all of it yet; send it again to finish"

_logger = logging.getLogger("backend")
_memory = AsyncMemoryService()


class Secrets(BaseSettings):
    """BACKEND_PASSWORD and BACKEND_TOKEN_KEY; random for this process where they are not set."""

    model_config = SettingsConfigDict(env_prefix="BACKEND_", env_ignore_empty=True)
    password: str = Field(default_factory=lambda: secrets.token_urlsafe(12))
    token_key: str = Field(default_factory=lambda: secrets.token_urlsafe(32))


class User(BaseModel):
    """Who is signed in, as the person typed it."""

    email: str = Field(max_length=320)


class Credentials(User):
    """What a person signs in with."""

    password: str


class Post(BaseModel):
    """What a person writes."""

    text: str


class Memory(BaseModel):
    """What callers see of a memory."""

    model_config = ConfigDict(from_attributes=True)
    id: str
    memory: str
    created_at: datetime
    expires: date | None = None


class Stored(BaseModel):
    """Memories, and the id they are kept under."""

    user_id: str
    memories: list[Memory]


class Saved(Stored):
    """The memories of a post or a document, and what of it was left out."""

    left_out: tuple[str, ...]


class Found(BaseModel):
    """A memory that answers a question; higher scores are nearer, 0 to 1."""

    model_config = ConfigDict(from_attributes=True)
    memory: Memory
    score: float


class Health(BaseModel):
    """Where memories go, and whether a deployment keeps them."""

    backend: str
    persistent: bool


class Session(Stored, Health):
    """A bearer token, and everything that is remembered of its user, newest first."""

    token: str
    count: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the memories with the process, and close them with it."""
    given = Secrets()
    if "password" not in given.model_fields_set:
        _logger.warning("BACKEND_PASSWORD is not set; this process takes %s", given.password)
    app.state.password = given.password
    app.state.tokens = URLSafeTimedSerializer(given.token_key, salt="session")
    async with _memory:
        status = await _memory.status()
        app.state.health = Health(backend=status.backend, persistent=status.persistent)
        yield


app = FastAPI(title="A backend with a memory", lifespan=lifespan, max_body_size=MAX_BODY_BYTES)


@app.exception_handler(MemoryCoreError)
async def answer_error(_request: Request, error: MemoryCoreError) -> JSONResponse:
    """Tell the caller what was wrong with the request, and the log what is wrong with us."""
    status = http_status(error)
    if status < 500:
        return JSONResponse({"detail": str(error)}, status)
    # What remains names buckets, permissions and variables: that is for the operator.
    _logger.error("%s", error)
    detail = UNFINISHED if isinstance(error, NotIndexed) else UNAVAILABLE
    later = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else None
    return JSONResponse({"detail": detail}, status, later)


async def get_current_user(
    request: Request, sent: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]
) -> User:
    """Return whom the bearer token belongs to."""
    try:
        email = request.app.state.tokens.loads(sent.credentials, max_age=SESSION_S)
    except BadData as error:
        raise _not_signed_in("the session has ended or its token is wrong; sign in") from error
    return User(email=email)


async def get_user_id(current_user: Annotated[User, Depends(get_current_user)]) -> UserId:
    """Return the one id under which memories of the signed-in user are saved and loaded.

    Where tokens come from an identity provider, return its claims from `get_current_user`, with
    `email_verified` and `sub`: an address that is not verified is never used as the id.
    """
    return get_user_id_from_request(current_user)


CurrentUserId = Annotated[UserId, Depends(get_user_id)]


@app.get("/health")
async def health(request: Request) -> Health:
    """Answer the host's health check; asks the storage nothing, so anybody may call it."""
    opened_with: Health = request.app.state.health
    return opened_with


@app.post("/sign-in")
async def sign_in(request: Request, sent: Credentials) -> Session:
    """Check the password, and load what is remembered of the user."""
    # One password for everybody: put your own accounts here.
    if not secrets.compare_digest(sent.password.encode(), request.app.state.password.encode()):
        raise _not_signed_in("e-mail address or password is wrong; try again")
    user_id = get_user_id_from_request(User(email=sent.email))
    memories = await _memory.list_memories(user_id)
    return Session(
        **request.app.state.health.model_dump(),
        token=request.app.state.tokens.dumps(sent.email),
        user_id=user_id,
        count=len(memories),
        memories=[Memory.model_validate(one) for one in memories],
    )


@app.post("/posts", status_code=201)
async def create_post(post: Post, user_id: CurrentUserId) -> Saved:
    """Remember a post."""
    return _saved(user_id, await _memory.add_text_memory(user_id, post.text, verify=True))


@app.post("/documents", status_code=201)
async def upload_document(file: UploadFile, user_id: CurrentUserId) -> Saved:
    """Cut a document into memories, and remember them."""
    content = await file.read(MAX_BODY_BYTES)
    name = file.filename or "a file without a name"
    return _saved(user_id, await _memory.add_document(user_id, name, content, verify=True))


@app.get("/memories")
async def query_memories(query: str, user_id: CurrentUserId) -> list[Found]:
    """Find the memories that answer a question, best first."""
    return [Found.model_validate(hit) for hit in await _memory.query_memories(user_id, query)]


def _saved(user_id: UserId, saved: SavedMemories) -> Saved:
    memories = [Memory.model_validate(record) for record in saved]
    return Saved(user_id=user_id, memories=memories, left_out=saved.left_out)


def _not_signed_in(detail: str) -> HTTPException:
    return HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})


def main() -> None:
    """Serve until stopped; where the memories cannot be opened, end with one sentence."""
    parser = argparse.ArgumentParser(description="A small backend that remembers its users.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    logging.basicConfig(format="%(levelname)s %(message)s")
    logging.getLogger("memory_core").setLevel(logging.INFO)
    try:
        # Opened here, the service stays open for the server, which would show a traceback.
        asyncio.run(_memory.status())
    except MemoryCoreError as error:
        sys.exit(f"The backend cannot start: {error}")
    # An access log would keep the questions, which are in the addresses.
    uvicorn.run(app, host=options.host, port=options.port, access_log=False)


if __name__ == "__main__":
    main()
