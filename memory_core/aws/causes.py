"""What kind of failure one is: one word for each rule of the table that people act on."""

from __future__ import annotations

from .failures import RULES, Rule

# A code stands for all that share its rule.
_WORDS = {
    "AccessDenied": "denied",
    "AuthorizationHeaderMalformed": "elsewhere",
    "ConnectionError": "unreachable",
    "ExpiredToken": "expired",
    "GatewayFailed": "impostor",
    "HTTPClientError": "unreachable",
    "InvalidAccessKeyId": "key",
    "NoCredentialsError": "no key",
    "NoSuchBucket": "no bucket",
    "NotFoundException": "no index",
    "NotFromAws": "impostor",
    "RequestExpired": "clock",
    "SlowDown": "busy",
    "UnknownServiceError": "old boto3",
}


def cause_word(rule: Rule) -> str:
    """Return the word for a rule, empty where there is none."""
    words = {RULES[code]: word for code, word in _WORDS.items()}
    return words.get(rule, "")
