"""URIs of object storage (`s3://`, `gs://`) and local paths: telling them apart, joining them, redacting keys."""

import hashlib
import re
import tempfile
from pathlib import Path


def is_uri(location: str) -> bool:
    """Whether this is a URI, such as s3://bucket/runs/x, and not a local path."""
    return "://" in location


def checked_uri(location: str) -> str:
    """The same URI or path; raises ValueError for a mistyped URI, which would name a local folder."""
    if re.match(r"[a-z][a-z0-9+.-]+:(/(?!/)|$)", location) or re.match(r"(s3|gs|gcs)://(/|\?|$)", location):
        raise ValueError(
            f"{redacted(location)} names no bucket; write s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or a path"
        )
    return location


def local_copy(uri: str) -> Path:
    """The local folder that holds the working copy of a run folder on storage: NAME-DIGEST in the temporary folder."""
    plain = uri.partition("?")[0].rstrip("/")
    digest = hashlib.sha256(uri.encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / "sweeper-runs" / f"{plain.rsplit('/', 1)[-1]}-{digest}"


def redacted(location: str) -> str:
    """A URI that may be logged: without its options and without the keys before its @. A path stays as it is."""
    if not is_uri(location):
        return location
    scheme, _, rest = location.partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def joined_uri(uri: str, *names: str) -> str:
    """A URI or path with names appended; options that follow a `?` stay at the end."""
    plain, sign, options = uri.partition("?")
    return "/".join((plain.rstrip("/"), *names)) + sign + options
