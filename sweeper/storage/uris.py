"""URIs of object storage (`s3://`, `gs://`) and local paths: telling them apart, joining them, redacting keys."""

import hashlib
import os
import re
import tempfile
from pathlib import Path


def is_uri(location: str) -> bool:
    """Whether this is a URI, such as s3://bucket/runs/x, and not a local path."""
    return "://" in location


def checked_uri(location: str) -> str:
    """The URI or path with `~` and variables put in.

    Raises ValueError for a mistyped URI, which would name a local folder, and for one with keys in it, which would be
    written into files and pages.
    """
    location = expanded(location)
    if has_keys(location):
        raise ValueError(
            f"{redacted(location)} holds keys, which would be written into files and pages; leave them out of the"
            " address and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile (docs/howto/cluster.md)"
        )
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
    before, at, after = rest.rpartition("@")
    if at and ":" in before:
        # A secret key may hold slashes, and even an @.
        return f"{scheme}://{after}"
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


_SECRETS = re.compile(r"[?&](access_key|secret_key|session_token|password|token)=", re.IGNORECASE)


def has_keys(location: str) -> bool:
    """Whether a URI holds a user's keys, before its @ or among its options."""
    if not is_uri(location):
        return False
    before, at, _ = location.partition("://")[2].partition("?")[0].rpartition("@")
    return bool(at and ":" in before) or _SECRETS.search(location) is not None


def expanded(location: str) -> str:
    """A path or URI with `~`, `$NAME` and `${NAME}` put in; raises ValueError for a variable that is not set."""
    found = os.path.expandvars(location)
    left = re.search(r"\$(\w+|\{[^}]*\})", found)
    if left is not None:
        raise ValueError(f"{left[0]} is not set; set it, or write the path out")
    whole = found if is_uri(found) else os.path.expanduser(found)
    if whole.startswith("~"):
        raise ValueError(f"{whole.partition('/')[0]} is no user of this machine; write the path out")
    return whole


def joined_uri(uri: str, *names: str) -> str:
    """A URI or path with names appended; options that follow a `?` stay at the end."""
    plain, sign, options = uri.partition("?")
    return "/".join((plain.rstrip("/"), *names)) + sign + options
