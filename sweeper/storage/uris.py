"""Places a user may name: a path of this machine, or a URI of a storage that others reach too."""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path


def is_uri(place: str) -> bool:
    """Whether a place is a URI, such as s3://bucket/runs/x, and no local path."""
    return "://" in place


def checked(place: str) -> str:
    """The place itself; raises ValueError for a URI that was mistyped, which would name a folder of this machine."""
    if re.match(r"[a-z][a-z0-9+.-]+:(/(?!/)|$)", place) or re.match(r"(s3|gs|gcs)://(/|\?|$)", place):
        raise ValueError(f"{shown(place)} names no bucket; write s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or a path")
    return place


def working_copy(uri: str) -> Path:
    """The local folder in which a run folder on storage is worked on; what is in it is on storage too."""
    plain = uri.partition("?")[0].rstrip("/")
    digest = hashlib.sha256(uri.encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / "sweeper-runs" / f"{plain.rsplit('/', 1)[-1]}-{digest}"


def shown(place: str) -> str:
    """A place as it may be told to anybody: a URI without its options and without the keys before its @."""
    if not is_uri(place):
        return place
    scheme, _, rest = place.partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def inside(uri: str, *names: str) -> str:
    """The place under a URI or path; options that follow a `?` stay at the end."""
    plain, sign, options = uri.partition("?")
    return "/".join((plain.rstrip("/"), *names)) + sign + options
