"""Translation of failures of AWS and boto3 into our errors, by one table.

Its keys are the error codes of the services, and the class names of botocore's exceptions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ...errors import (
    AccessDenied,
    BackendError,
    BackendUnavailable,
    IndexMismatch,
    MemoryCoreError,
    SettingsError,
)
from .endpoint import Endpoint

INVALID_PAGE_TOKEN = "InvalidPageToken"
"""Our name for the ValidationException of a listing that took too long."""

MISSING = "NotFoundException"
"""The code for an index or a vector bucket that does not exist."""
TOO_LARGE = "RequestTooLarge"
"""Our name for a refusal by the size of the request."""

_BACKEND = "s3_vectors"
_BEDROCK = "bedrock"
# Operations of S3 whose permission has another name.
_ACTIONS = {
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "DeleteObjects": "DeleteObject",
    "HeadBucket": "ListBucket",
}
_REFUSED_ACTION = re.compile(r'not authorized to perform: (\S+)(?: on resource: "?([^\s"]+)"?)?')
# An answer as botocore writes it, or the class of an exception of its own.
_WRITTEN = re.compile(
    r"An error occurred \((?P<code>[\w.]{1,100})\)(?: [^:]{0,200}?)?when calling the "
    r"(?P<operation>\w{1,100}) operation(?: \([^)]{0,200}\))?:? ?(?P<said>.*)"
    r"|\bbotocore\.exceptions\.(?!ClientError\b)(?P<name>\w{1,100})(?:: (?P<reason>.*))?",
    re.S,
)
_OF_VECTORS = re.compile(r"(?:[Vv]ector|\bindex|Index)(?:es|s|Bucket|Buckets)?\b")
_LONGEST_QUOTE = 300


@dataclass(frozen=True, slots=True)
class Failure:
    """An error response or exception; `names` are looked up in the table, most specific first."""

    names: tuple[str, ...]
    status: int
    said: str

    @property
    def code(self) -> str:
        return self.names[0]


@dataclass(frozen=True, slots=True)
class Call:
    """A request, and how long and often it was tried; `resource` is a phrase for people."""

    service: str
    operation: str
    resource: str
    elapsed_s: float = 0.0
    endpoint: Endpoint | None = None
    attempts: int = 1

    @property
    def title(self) -> str:
        """The name of the server that was asked."""
        return (self.endpoint or Endpoint(self.service, None)).title

    @property
    def action(self) -> str:
        """The IAM action, such as `s3vectors:PutVectors`."""
        prefix = self.service.removesuffix("-runtime")
        return f"{prefix}:{_ACTIONS.get(self.operation, self.operation)}"


@dataclass(frozen=True, slots=True)
class Rule:
    """The error to raise, and what to try before.

    `cause` names it in a word or two. `patience` is the share of the retry budget in which to try
    again; with `renew`, new credentials may help.
    """

    error: type[MemoryCoreError]
    sentence: str
    patience: float = 0.0
    renew: bool = False
    cause: str = ""


_BUSY = Rule(
    BackendUnavailable,
    "{title} could not do {operation} on {resource} within {elapsed:.0f} seconds ({code}); "
    "try again later",
    patience=1.0,
    cause="busy",
)
# Of a server that was set by hand: it may answer so for ever.
_BROKEN = Rule(
    BackendUnavailable,
    "{title} answered {operation} on {resource} with 500 ({code}: {said}) {times} within "
    "{elapsed:.0f} seconds; look into the log of that server, and for {operation} on the card of "
    "`python -m memory_core doctor --tag live`",
    patience=1.0,
    cause="busy",
)
_INTERRUPTED = Rule(
    BackendUnavailable,
    "the connection to {title} broke off during {operation} on {resource} ({code}); check the "
    "network and try again",
    patience=1.0,
    cause="unreachable",
)
# A wrong address fails like this too, and somebody waits for the answer.
_UNREACHABLE = Rule(
    BackendUnavailable,
    "{title} could not be reached for {operation} on {resource} ({code}); check the network, "
    "AWS_REGION and the AWS_ENDPOINT_URL variables, then try again",
    patience=0.25,
    cause="unreachable",
)
_IMPOSTOR = Rule(
    BackendUnavailable,
    "something other than {title} answered {operation} on {resource} ({said}); check the "
    "AWS_ENDPOINT_URL variables and what stands between here and AWS, or try again later",
    patience=0.25,
    cause="impostor",
)
_GATEWAY = replace(_IMPOSTOR, patience=1.0)
_DENIED = Rule(
    AccessDenied,
    "{who} refused {action} on {where}; allow it in the IAM policy of the credentials in use",
    cause="denied",
)
_EXPIRED = Rule(
    AccessDenied,
    "the AWS credentials have expired ({code}), so {action} was refused; renew them where they "
    "come from, or set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN again",
    renew=True,
    cause="expired",
)
_BAD_KEY = Rule(
    AccessDenied,
    "{who} does not accept the credentials ({code}), so {action} was refused; check "
    "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for temporary ones, AWS_SESSION_TOKEN",
    renew=True,
    cause="key",
)
_NO_KEY = Rule(
    AccessDenied,
    "no AWS credentials could be had for {action} ({code}); set AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role",
    renew=True,
    cause="no key",
)
_CLOCK = Rule(
    AccessDenied,
    "{who} refused {action} because the clock of this machine is wrong ({code}); set the clock",
    cause="clock",
)
_NO_INDEX = Rule(
    IndexMismatch,
    "{resource} does not exist; check MEMORY_VECTOR_BUCKET, MEMORY_INDEX and AWS_REGION, or make "
    "it from the record with `python -m memory_core rebuild`",
    cause="no index",
)
_NO_BUCKET = Rule(
    BackendError,
    "{resource} does not exist ({code}); create the bucket, or correct AWS_S3_BUCKET",
    cause="no bucket",
)
_NO_MODEL = Rule(
    BackendError,
    "{title} does not offer {resource} here ({code}: {said}); check MEMORY_EMBEDDER and AWS_REGION",
    cause="no model",
)
_ARCHIVED = Rule(
    BackendError,
    "{resource} lies in an archive class of S3 ({code}) and cannot be read at once; restore it, "
    "copy it back to a class of immediate access, and take the prefix out of the bucket's "
    "lifecycle rule that archives",
)
_OTHER_REGION = Rule(
    BackendError,
    "{resource} lies in another region ({code}); set AWS_REGION to the region of the bucket",
    cause="elsewhere",
)
_QUOTA = Rule(
    BackendError,
    "{operation} on {resource} exceeds a quota of the AWS account ({said}); have it raised in the "
    "AWS console under Service Quotas",
)
_KMS = Rule(
    BackendError,
    "the KMS key of {resource} cannot be used for {operation} ({code}: {said}); enable the key "
    "and allow kms:Decrypt and kms:GenerateDataKey on it",
)
_REFUSED = Rule(
    BackendError,
    "{title} refused {operation} on {resource} ({code}: {said}); if it lasts, report it with "
    "this message",
)
_S3_ALONE = Rule(
    BackendError,
    "{title} refused {operation} on {resource} in XML ({code}), as a server of S3 alone does; set "
    "AWS_ENDPOINT_URL_S3VECTORS to one that speaks S3 Vectors, or MEMORY_BACKEND to chroma",
)
_REGION = Rule(
    SettingsError, "{title} cannot be used in that region ({said}); set AWS_REGION, as us-east-1"
)
_PROFILE = Rule(
    SettingsError, "the AWS configuration cannot be used ({said}); correct AWS_PROFILE or the file"
)
_ENDPOINT = Rule(
    SettingsError, "{title} has no usable address ({said}); check the AWS_ENDPOINT_URL variables"
)
_OLD_BOTO3 = Rule(
    SettingsError,
    "the installed boto3 is too old for {title} ({said}); install boto3 1.44",
    cause="old boto3",
)

_CODES = {
    _BUSY: (
        "ConditionalRequestConflict InternalError InternalServerException ModelErrorException "
        "ModelNotReadyException ModelTimeoutException OperationAborted "
        "RequestLimitExceeded RequestThrottled RequestTimeout RequestTimeoutException "
        "ServiceUnavailable ServiceUnavailableException SlowDown Throttling ThrottlingException "
        "TooManyRequestsException"
    ),
    _INTERRUPTED: (
        "ConnectionClosedError FlexibleChecksumError HTTPClientError IncompleteReadError "
        "ReadTimeoutError ResponseStreamingError"
    ),
    _UNREACHABLE: (
        "ConnectTimeoutError ConnectionError EndpointConnectionError ProxyConnectionError SSLError"
    ),
    _IMPOSTOR: "NotFromAws",
    _GATEWAY: "GatewayFailed",
    _DENIED: "AccessDenied AccessDeniedException AllAccessDisabled",
    _EXPIRED: "ExpiredToken ExpiredTokenException TokenRefreshRequired",
    _BAD_KEY: (
        "IncompleteSignature InvalidAccessKeyId InvalidClientTokenId InvalidSignatureException "
        "InvalidToken MissingAuthenticationToken MissingAuthenticationTokenException "
        "SignatureDoesNotMatch UnrecognizedClientException"
    ),
    _NO_KEY: (
        "CredentialRetrievalError LoginError MetadataRetrievalError NoAuthTokenError "
        "NoCredentialsError PartialCredentialsError RefreshWithMFAUnsupportedError SSOError "
        "SSOTokenLoadError TokenRetrievalError UnauthorizedSSOTokenError"
    ),
    _CLOCK: "RequestExpired RequestTimeTooSkewed",
    _NO_INDEX: "NotFoundException",
    _NO_BUCKET: "NoSuchBucket",
    _NO_MODEL: "ResourceNotFoundException",
    _ARCHIVED: "InvalidObjectState",
    _OTHER_REGION: (
        "AuthorizationHeaderMalformed IllegalLocationConstraintException PermanentRedirect"
    ),
    _QUOTA: "ServiceQuotaExceededException",
    _KMS: (
        "KmsDisabledException KmsInvalidKeyUsageException KmsInvalidStateException "
        "KmsNotFoundException"
    ),
    _REFUSED: (
        "BotoCoreError ConflictException InvalidPageToken NoSuchKey NotImplemented "
        "NotImplementedException PreconditionFailed RequestTooLarge SerializationException "
        "ValidationException"
    ),
    _REGION: "InvalidRegionError NoRegionError UnknownRegionError",
    _PROFILE: (
        "ConfigNotFound ConfigParseError InfiniteLoopConfigError InvalidConfigError "
        "ProfileNotFound UnknownCredentialError"
    ),
    _ENDPOINT: "EndpointProviderError ValueError",
    _OLD_BOTO3: "UnknownServiceError",
}
RULES = {code: rule for rule, codes in _CODES.items() for code in codes.split()}
"""By error code or name of a botocore exception; a base class stands for those below it.

Of those below, the ones that logs name most often are listed too.
"""


def rule_for(failure: Failure) -> Rule:
    """Return the rule of a failure; codes the table does not know go by the HTTP status."""
    for name in failure.names:
        if name in RULES:
            return RULES[name]
    if failure.status in (408, 429) or (failure.status >= 500 and failure.status != 501):
        return _BUSY
    return _DENIED if failure.status == 403 else _REFUSED


def translate(failure: Failure, call: Call) -> MemoryCoreError:
    """Return our error for a failure."""
    rule = rule_for(failure)
    if rule is _BUSY and failure.status == 500 and call.endpoint and call.endpoint.own:
        rule = _BROKEN
    if rule is _REFUSED and call.service == "s3vectors" and failure.said.startswith("<"):
        rule = _S3_ALONE
    action, where = call.action, call.resource
    # The service names the missing permission, which may be another than the operation's: a
    # filtered QueryVectors needs GetVectors.
    if rule is _DENIED and (named := _REFUSED_ACTION.search(failure.said)):
        action, where = named[1], named[2] or where
    said = " ".join(failure.said.split()).rstrip(".") or failure.code
    message = rule.sentence.format(
        title=call.title,
        who=call.title if call.endpoint and call.endpoint.own else "AWS",
        times="once" if call.attempts == 1 else f"{call.attempts} times",
        operation=call.operation,
        resource=call.resource,
        action=action,
        where=where,
        code=failure.code,
        said=said if len(said) <= _LONGEST_QUOTE else said[:_LONGEST_QUOTE] + "…",
        elapsed=call.elapsed_s,
    )
    if not issubclass(rule.error, BackendError):
        return rule.error(message)
    backend = _BEDROCK if call.service == "bedrock-runtime" else _BACKEND
    return rule.error(message, backend=backend, operation=call.operation, code=failure.code)


def translate_written(text: str) -> str:
    """Return our sentence on a failure as botocore writes it in a log, empty for any other text."""
    if not (match := _WRITTEN.search(text)):
        return ""
    code, operation = match["code"] or "", match["operation"] or "a request"
    names = (match["name"], "BotoCoreError") if match["name"] else (code,)
    status, said = int(code) if code.isdigit() else 0, match["said"] or match["reason"] or ""
    call = Call("sts" if operation == "GetCallerIdentity" else "s3", operation, "the bucket")
    if _OF_VECTORS.search(operation if code else text):
        call = Call("s3vectors", operation, "the index or vector bucket")
    return f"{translate(Failure(names, status, said), call)}."
