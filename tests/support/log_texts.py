"""Log lines as the service and its hosts write them."""

from __future__ import annotations

from datetime import UTC, datetime

NOW = datetime(2026, 11, 25, tzinfo=UTC)
S3 = "[Mem0] OK Mem0 service initialized with S3 (persistent) storage"
CHROMA = "[Mem0] OK Mem0 service initialized with ChromaDB (local) storage"
LOST = "[Mem0] WARNING: Local ChromaDB will be lost on deployment"


DENIED = (
    "botocore.exceptions.ClientError: An error occurred (AccessDeniedException) when calling the "
    "PutVectors operation: User: arn:aws:iam::123456789012:user/x is not authorized to perform: "
    "s3vectors:PutVectors on resource: arn:aws:s3vectors:us-east-1:123456789012:bucket/b"
)


def added(user: str) -> str:
    return f"[Mem0] OK Memory added for user {user}"


def found(count: int, user: str) -> str:
    return f"[Mem0] Found {count} relevant memories for user {user}"


LOG = """2026-11-22T10:00:00Z [Mem0] Using S3 vectors for persistent storage
2026-11-22T10:00:01Z [Mem0] OK Memory added for user Ann@x.com
2026-11-22T10:00:02Z ==> Deploying...
2026-11-22T10:00:03Z [Mem0] WARNING: Local ChromaDB will be lost on deployment
2026-11-22T10:00:04Z [Mem0] Found 0 relevant memories for user ann@x.com
2026-11-22T10:00:05Z ERROR no space: [Errno 28] No space left on device
"""
