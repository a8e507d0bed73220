"""Whether AWS answers, or something else that stands at its address or on the way."""

from __future__ import annotations

from collections.abc import Mapping

_MARK = "x-amz"
"""What a header of every answer begins with: x-amz-request-id of S3, x-amzn-requestid of others."""


class NotFromAws(Exception):
    """An answer is not one of AWS, whatever it says."""


class GatewayFailed(NotFromAws):
    """Something that is not AWS says that it failed."""


def check_sender(status: int, headers: Mapping[str, str]) -> None:
    """Raise `NotFromAws` for an answer of something else, as a gateway, a login page or a website.

    boto3 takes most of them for success with an empty answer, and those of S3 that it cannot read
    for a failure (seen in 1.44.5). A refusal has to be a page to count as no answer of AWS.
    """
    if any(name.lower().startswith(_MARK) for name in headers):
        return
    kind = next((headers[name] for name in headers if name.lower() == "content-type"), "no type")
    if status >= 500:
        raise GatewayFailed(f"{status}, {kind}")
    if status < 400 or kind.startswith("text/html"):
        raise NotFromAws(f"{status}, {kind}")
