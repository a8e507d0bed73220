"""The only file that imports boto3."""

from __future__ import annotations

from .errors import SettingsError
from .settings import Settings


def credentials_source(settings: Settings) -> str | None:
    """Say where boto3's own chain finds credentials ("env", "iam-role", ...), None if nowhere.

    Outside AWS the end of the chain is a request to the machine's metadata address, which takes up
    to a second to fail; ask only when the rest of the configuration is there.

    Raises:
        SettingsError: half of a key, or a profile that does not exist.
    """
    import boto3
    from botocore.exceptions import (
        ConfigParseError,
        PartialCredentialsError,
        ProfileNotFound,
    )

    try:
        credentials = boto3.Session(profile_name=settings.aws_profile).get_credentials()
    except PartialCredentialsError as exc:
        raise SettingsError(
            "AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is set without the other; set both"
        ) from exc
    except (ProfileNotFound, ConfigParseError) as exc:
        raise SettingsError(
            f"AWS_PROFILE is {settings.aws_profile!r}, which no AWS configuration file has; "
            "correct or unset it"
        ) from exc
    return credentials.method if credentials else None
