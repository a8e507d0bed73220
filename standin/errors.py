"""Errors the stand-in answers with: code, status and the exact message.

Messages marked *guess* are not recorded anywhere; the others were seen on AWS.
"""

from __future__ import annotations

from dataclasses import dataclass

USER_ARN = "arn:aws:iam::123456789012:user/standin"


@dataclass(frozen=True, slots=True)
class Field:
    """One entry of a ValidationException's `fieldList`."""

    path: str
    message: str


class ServiceError(Exception):
    """An error answer of the S3 Vectors service."""

    def __init__(self, code: str, status: int, message: str, fields: tuple[Field, ...] = ()):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.status = status
        self.message = message
        self.fields = fields


def invalid(message: str, path: str | None = None, reason: str | None = None) -> ServiceError:
    """Make a ValidationException, with one `fieldList` entry when a path is given."""
    fields = (Field(path, reason or message),) if path is not None else ()
    return ServiceError("ValidationException", 400, message, fields)


def constraint_failed(fields: list[Field]) -> ServiceError:
    """Make the ValidationException for broken ranges, lengths, enums and patterns."""
    count = len(fields)
    noun = "error" if count == 1 else "errors"
    text = "; ".join(field.message for field in fields)
    message = f"{count} validation {noun} detected. {text}"
    return ServiceError("ValidationException", 400, message, tuple(fields))


def invalid_record(key: str, path: str, reason: str) -> ServiceError:
    """Make the ValidationException for one bad vector of a PutVectors request."""
    return invalid(f"Invalid record for key '{key}': {reason}", path, reason)


def key_too_long(path: str) -> ServiceError:
    """Make the error for a key of at most 1024 characters but more bytes."""
    return invalid("Record key length exceeds the maximum allowed", path)


def invalid_filter() -> ServiceError:
    """Make the one error every malformed filter gets."""
    return invalid("Invalid filter", "filter")


def invalid_page_token() -> ServiceError:
    """Make the error for a foreign, damaged or expired token."""
    return invalid("Invalid page token", "nextToken")


def unreadable(message: str = "UnknownError") -> ServiceError:
    """Make the error for a body that is not the JSON the service expects."""
    return ServiceError("SerializationException", 400, message)


def bucket_missing() -> ServiceError:
    """Make the 404 of a vector bucket."""
    return _missing("vector bucket")


def index_missing() -> ServiceError:
    """Make the 404 of an index, also given when its bucket is missing."""
    return _missing("index")


def policy_missing() -> ServiceError:
    """Make the 404 of a bucket policy."""
    return _missing("vector bucket policy")


def resource_missing() -> ServiceError:
    """Make the 404 of the tagging operations."""
    return _missing("resource")


def _missing(what: str) -> ServiceError:
    return ServiceError("NotFoundException", 404, f"The specified {what} could not be found")


def already_exists(what: str) -> ServiceError:
    """Make the 409 for a taken name; `what` carries its article."""
    return conflict(f"{what} with the specified name already exists")


def conflict(message: str) -> ServiceError:
    """Make a 409."""
    return ServiceError("ConflictException", 409, message)


def denied_text(action: str, resource: str) -> str:
    """Return the sentence AWS refuses an action with."""
    return (
        f"User: {USER_ARN} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )


def denied(action: str, resource: str) -> ServiceError:
    """Make the 403 for an action the caller may not perform."""
    return access_denied(denied_text(action, resource))


def access_denied(message: str) -> ServiceError:
    """Make a 403 with a message of its own."""
    return ServiceError("AccessDeniedException", 403, message)


def unknown_operation() -> ServiceError:
    """Make the error for a path that names no operation (*guess*)."""
    return ServiceError("UnknownOperationException", 404, "UnknownOperationException")
