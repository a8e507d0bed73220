"""Profiles: the manners of other servers that speak the same API, each as a table.

A manner is a way in which a server differs from Amazon; what a table leaves out is as on Amazon.
Manners named in `read` come from a server's source or documentation, the others were measured on
the server itself (NooBaa 5.23, November 2026). `manners.py` and `s3manners.py` act by them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal


@dataclass(frozen=True, slots=True)
class Manners:
    """How a server differs; the defaults are Amazon's ways."""

    server: str = ""
    """The `Server` header of its answers."""
    classic: bool = False
    """No ENHANCED mode and no search by words."""
    marked: bool = True
    """Answers of S3 Vectors carry an `x-amz*` header."""
    missing: str = "NotFoundException"
    """The code of a 404."""
    exists: int = 409
    """The status of a second CreateIndex or CreateVectorBucket."""
    bucket_again: int = 409
    """The status of a second CreateVectorBucket where it is another."""
    segments: Literal["yes", "one", "ignored"] = "yes"
    tokens: Literal["key", "offset"] = "key"
    top_k: int = 10_000
    query_pages: bool = True
    filters: Literal["before", "after"] = "before"
    """Whether the search looks at the filter before or after it has its topK."""
    index_lacks: tuple[str, ...] = ()
    """Members that GetIndex leaves out."""
    returns_unknown: bool = False
    """GetVectors returns a key that is not there, alone."""
    fixed_schema: bool = False
    """The first PutVectors of an index fixes names and types of metadata."""
    key_pattern: str = ".*"
    """What a key of metadata must match."""
    body_bytes: int = 20 * 1024 * 1024
    body_status: int = 413
    empty_fails: bool = False
    """Get, List, Query and Delete are 500 before the first PutVectors."""
    fails_after: int = 0
    """Rows beyond which each PutVectors stores and answers 500; 0 is never."""
    vector_bucket: Literal["own", "unshared", "shared"] = "own"
    """Whether a bucket of S3 may, must not or must have the vector bucket's name."""
    tags: bool = True
    arns: bool = True
    index_name: int = 63
    """Longest name of an index."""
    atomic_puts: bool = True
    """`If-None-Match: *` lets one of several simultaneous puts win."""
    listing_loses: bool = False
    """A paged listing loses the rest of a folder X beside a name X + byte below "/"."""
    s3_dot_slash: bool = True
    """Keys of S3 may have "./" in them."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A server: `cannot` says what of the contract it cannot keep, and why."""

    name: str
    title: str
    manners: Manners
    read: frozenset[str] = frozenset()
    cannot: tuple[tuple[str, str], ...] = ()

    def lacks(self, promise: str) -> bool:
        """Tell if a promise of the contract is among those that it cannot keep."""
        return promise in dict(self.cannot)


def _all_read(manners: Manners) -> frozenset[str]:
    plain = Manners()
    names = [each.name for each in fields(Manners)]
    return frozenset(n for n in names if getattr(manners, n) != getattr(plain, n))


_CEPH = Manners(
    server="Ceph Object Gateway (vampire)",
    classic=True,
    missing="NoSuchKey",
    bucket_again=200,
    segments="one",
    tokens="offset",
    query_pages=False,
    filters="after",
    index_lacks=("indexMode",),
    key_pattern=r"[^._][^.]*",
    vector_bucket="shared",
    tags=False,
)
_NOOBAA = Manners(
    classic=True,
    exists=500,
    bucket_again=500,
    tokens="offset",
    query_pages=False,
    index_lacks=("indexArn", "indexMode"),
    fixed_schema=True,
    body_bytes=4 * 1024 * 1024,
    body_status=500,
    empty_fails=True,
    fails_after=256,
    vector_bucket="unshared",
    tags=False,
    arns=False,
    atomic_puts=False,
    listing_loses=True,
    s3_dot_slash=False,
)
_S3MOCK = Manners(classic=True, marked=False, top_k=100, returns_unknown=True)
_FLOCI = Manners(
    classic=True,
    segments="ignored",
    query_pages=False,
    index_lacks=("creationTime", "metadataConfiguration", "indexMode"),
    tags=False,
)
_SUPABASE = Manners(classic=True, top_k=100, query_pages=False, tags=False, index_name=45)

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("aws", "Amazon S3 Vectors", Manners()),
        Profile("aws-classic", "Amazon S3 Vectors", Manners(classic=True)),
        Profile(
            "ceph",
            "Ceph",
            _CEPH,
            _all_read(_CEPH),
            (("finds_all", "a search filters what it found: the user's may be beyond topK"),),
        ),
        Profile(
            "noobaa",
            "NooBaa",
            _NOOBAA,
            # What a refused body is answered with was not recorded.
            frozenset({"body_status"}),
            (
                ("atomic_puts", "several simultaneous puts of one name can all be acknowledged"),
                ("orders_keys", "a listing goes by folders, not by the bytes of the keys"),
            ),
        ),
        Profile("s3mock", "S3Mock", _S3MOCK, _all_read(_S3MOCK)),
        Profile("floci", "floci", _FLOCI, _all_read(_FLOCI)),
        Profile("supabase", "Supabase Storage", _SUPABASE, _all_read(_SUPABASE)),
    )
}


def profile_of(name: str, **changes: object) -> Profile:
    """Return a profile by its name, with some manners changed.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in PROFILES:
        raise ValueError(f"no profile {name!r}; there are {', '.join(PROFILES)}")
    profile = PROFILES[name]
    if not changes:
        return profile
    return replace(profile, manners=replace(profile.manners, **changes))  # type: ignore[arg-type]
