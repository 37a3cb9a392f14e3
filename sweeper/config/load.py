"""Read a sweep file with its overrides; a mistake in it is one line."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from sweeper.config.budget import take_prices
from sweeper.config.devices import with_devices
from sweeper.config.render import Rendering
from sweeper.config.schema import SweepConfig
from sweeper.config.simulated import SimulatedArm
from sweeper.config.strict_yaml import load_yaml
from sweeper.config.tune import Space
from sweeper.errors import BadInput, one_line
from sweeper.storage.uris import redacted


def load_run_config(folder: Path) -> SweepConfig:
    """The resolved config of a run folder; raises BadInput where it is none."""
    if not (folder / "config.yaml").is_file():
        if not folder.is_dir():
            raise BadInput(f"{folder} is not there; runs/ holds the folders of `sweeper run`")
        raise BadInput(f"{folder}: not a run folder (no config.yaml in it); runs/ holds those of `sweeper run`")
    return load_config(folder / "config.yaml")


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> SweepConfig:
    """Read a sweep file and apply `dotted.key=value` overrides; raises BadInput with one line."""
    path = Path(path)
    try:
        raw = load_yaml(path.read_text())
    except FileNotFoundError:
        raise BadInput(f"{path}: no such config file; configs/ lists those shipped") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise BadInput(f"{path}: not valid YAML: {one_line(error)}") from None
    if not isinstance(raw, dict):
        raise BadInput(f"{path}: a sweep file is a mapping of keys; see configs/quickstart.yaml")
    for override in overrides:
        _apply_override(raw, override)
    take_prices(path, raw)
    try:
        return with_devices(SweepConfig.model_validate(raw))
    except ValidationError as error:
        raise BadInput(f"{path}: {_one_line(error)}") from None
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from None


def _apply_override(raw: dict[str, Any], override: str) -> None:
    key, sign, text = override.partition("=")
    if not sign or not key:
        raise BadInput(f"override {redacted(override)!r}: write key=value, for example budget.minutes=30")
    shown = f"{key}={redacted(text)}"
    if not text.strip():
        raise BadInput(f"override {shown!r}: there is no value (an unset variable?); {key}=null takes a value away")
    try:
        value = load_yaml(text)
    except yaml.MarkedYAMLError as error:
        raise BadInput(f"override {shown!r}: the value is not valid YAML: {error.problem or one_line(error)}") from None
    except yaml.YAMLError:
        raise BadInput(f"override {shown!r}: the value is not valid YAML") from None
    *parents, last = key.split(".")
    node = raw
    for parent in parents:
        child = node.get(parent)
        if child is None:
            child = node[parent] = {}
        if not isinstance(child, dict):
            raise BadInput(f"override {shown!r}: {parent} is a value, not a section")
        node = child
    if value is None and parents == ["renderings"]:
        # A rendering is no key with a default: without a value it is no arm.
        if last not in node:
            raise BadInput(f"override {shown!r}: there is no such rendering; there are {', '.join(node) or 'none'}")
        del node[last]
    else:
        node[last] = value


def _one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key {where}{_suggestion(first['loc'])}"
    if first["type"] == "missing":
        return f"{where} is missing; add it"
    message = first["msg"].removeprefix("Value error, ")
    if not where:
        return message
    given = first["input"]
    if first["type"] == "string_type" and not isinstance(given, dict | list):
        message = f"a text is needed, and YAML reads this as {_yaml_kind(given)}: quote it"
    if first["type"] == "too_short":
        message = f"give {first['ctx']['min_length']} or more"
    if first["type"] == "value_error" and isinstance(given, dict):
        # the message says which of a section's keys it is about
        return f"{where}: {message}"
    return f"{where}: {message} (got {(redacted(given) if isinstance(given, str) else given)!r})"


def _yaml_kind(value: object) -> str:
    """What a plain word became: yes, no, on and off are truth values, and 007 or 2026-01-01 are no text either."""
    return {bool: "true or false", int: "a number", float: "a number", type(None): "nothing"}.get(type(value), "a date")


def _suggestion(location: tuple[int | str, ...]) -> str:
    """Known keys beside the unknown one, the nearest spelling first."""
    node: Any = SweepConfig
    for part in location[:-1]:
        field = node.model_fields.get(str(part)) if isinstance(node, type) and issubclass(node, BaseModel) else None
        if field is None:
            break
        node = {"renderings": Rendering, "simulated": SimulatedArm, "space": Space}.get(str(part), field.annotation)

    known = list(node.model_fields) if isinstance(node, type) and issubclass(node, BaseModel) else []
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known keys: {', '.join(known)}" if known else ""
