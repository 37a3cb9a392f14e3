"""Writes docs/reference/config.md and command-line.md, from the schema of the sweep file and from the commands.

.venv/bin/python docs/dev/reference.py            # write both anew
.venv/bin/python docs/dev/reference.py --check    # exit code 1 where a page is not what would be written
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import typer.main
from pydantic import BaseModel, TypeAdapter

from sweeper.__main__ import app
from sweeper.config.factors import FactorDesign
from sweeper.config.finetune import Mix
from sweeper.config.render import ImageSource, Rendering
from sweeper.config.schema import SweepConfig
from sweeper.config.simulated import SimulatedArm
from sweeper.config.tune import Space
from tasks.recipes.recipe import Recipe

PAGES = Path(__file__).parents[1] / "reference"
MADE = "<!-- Written by docs/dev/reference.py. Change the code, then run it. -->"
LEFT_OUT = "left out"

CONFIG_HEAD = """# The sweep file

Every key of a sweep file, with what it takes and what it is without a word. A sweep file is YAML; any key can also be
set on the command line: `sweeper run my.yaml budget.minutes=30 ladder.sizes=[500,1000,2000]`. A named rendering is left
out by `renderings.NAME=null`. An unknown key, a wrong type and an impossible value are refused in one line before
anything is spent. `~` and `$NAME` are put in everywhere.
`sweeper init` writes a commented sweep file for folders of your own.
"""

COMMANDS_HEAD = """# The command line

`sweeper COMMAND --help` says the same. `python -m sweeper` is the same program.

| exit code | means |
|---|---|
| 0 | done |
| 2 | bad input: one line says what, where and what to do |
| 3 | the budget ended before a verdict |
| 1 | anything else |
"""

FACTORS_INTRO = """Keys that stand under `renderings` itself, beside named ones. `factors` lists the levels of each
attribute, `common` the attributes that all of these settings share."""

# Sections that are no field of SweepConfig by themselves: where they stand, and what describes them.
NESTED: Mapping[str, tuple[tuple[str, type[Any]], ...]] = {
    "renderings": (
        ("renderings.NAME", Rendering),
        ("renderings.NAME.source", ImageSource),
        ("renderings.factors", FactorDesign),
    ),
    "finetune": (("finetune.mix", Mix),),
    "tune": (("tune.space.KEY", Space),),
    "simulated": (("simulated.NAME", SimulatedArm),),
}


def config_page() -> str:
    """The page of the sweep file's keys."""
    sections: list[tuple[str, type[Any]]] = [("Top level", SweepConfig), *_sections(), ("recipe", Recipe)]
    return "\n".join([MADE, "", CONFIG_HEAD, *(_section(name, model) for name, model in sections)])


def _sections() -> Iterator[tuple[str, type[Any]]]:
    for name, field in SweepConfig.model_fields.items():
        model = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield name, model
        yield from NESTED.get(name, ())


def _section(name: str, model: type[Any]) -> str:
    said = FACTORS_INTRO if model is FactorDesign else _linked(inspect.getdoc(model) or "")
    rows = [
        f"| `{key}` | {_cell(_words(schema))} | {_default(schema)} |"
        for key, schema in _keys(model).items()
        if not _is_section(schema)
    ]
    title = name if name == "Top level" else f"`{name}`"
    return "\n".join([f"## {title}", "", said, "", "| key | takes | default |", "|---|---|---|", *rows, ""])


def _keys(model: type[Any]) -> dict[str, dict[str, Any]]:
    """The JSON schema of each key of a section."""
    if model is Recipe:
        return _recipe_keys()
    keys: dict[str, dict[str, Any]] = model.model_json_schema()["properties"]
    if model is FactorDesign:
        own = {"factors": keys["levels"], "design": keys["design"], "start": keys["start"]}
        return own | {"common": {"type": "object", "default": {}}}
    return keys


def _recipe_keys() -> dict[str, dict[str, Any]]:
    hints = get_type_hints(Recipe)
    keys: dict[str, dict[str, Any]] = {"base": {"type": "string", "default": None}}
    for each in dataclasses.fields(Recipe):
        schema = TypeAdapter(hints[each.name]).json_schema()
        if each.default is not dataclasses.MISSING:
            schema["default"] = json.loads(json.dumps(each.default))
        else:
            schema["default"] = None
        keys[each.name] = schema
    return keys


def _is_section(schema: Mapping[str, Any]) -> bool:
    """Whether a key holds a section that stands under a heading of its own."""
    kinds = (schema, *schema.get("anyOf", ()), schema.get("additionalProperties") or {})
    return any("$ref" in each for each in kinds if isinstance(each, Mapping))


def _words(schema: Mapping[str, Any]) -> str:
    """What a JSON schema takes, in words."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_words(each) for each in schema["anyOf"] if each.get("type") != "null"))
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if "prefixItems" in schema:
        return f"[least, most], {_words(schema['prefixItems'][0])}"
    if schema.get("type") == "array":
        return f"list: {_words(schema['items'])}" if schema.get("items") else "list"
    kinds = {"integer": "whole number", "boolean": "true or false", "string": "text", "object": "keys with values"}
    kind = kinds.get(schema.get("type", ""), schema.get("type", "anything"))
    return f"{kind}{_range(schema)}"


def _range(schema: Mapping[str, Any]) -> str:
    """The range of a number in words, with a blank before it."""

    def bound(*names: str) -> Any:
        return next((schema[name] for name in names if name in schema), None)

    least, most = bound("minimum", "ge"), bound("maximum", "le")
    above, below = bound("exclusiveMinimum", "gt"), bound("exclusiveMaximum", "lt")
    if schema.get("type") == "integer" and above is not None:
        least, above = above + 1, None
    said = [("from", least), ("above", above), ("to", most), ("below", below)]
    return "".join(f" {word} {value:,}" for word, value in said if value is not None)


def _default(schema: Mapping[str, Any]) -> str:
    if "default" not in schema:
        return "needed"
    value = schema["default"]
    return LEFT_OUT if value is None else f"`{json.dumps(value)}`"


def _linked(text: str) -> str:
    """A docstring with its pages as links."""
    return re.sub(
        r"docs/(?:reference/)?([\w/-]+)\.md",
        lambda found: f"[{found[1]}]({'' if 'reference/' in found[0] else '../'}{found[1]}.md)",
        text,
    )


def commands_page() -> str:
    """The page of the commands."""
    group = typer.main.get_command(app)
    parts = [MADE, "", COMMANDS_HEAD]
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        parts.append(_command(name, command))
    return "\n".join(parts)


def _command(name: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    shown = " ".join(_argument(each) for each in arguments)
    usage = " ".join(part for part in ("sweeper", name, shown, "[OPTIONS]" if options else "") if part)
    rows = [f"| `{_argument(each)}` | | {_cell(each.help or '')} | |" for each in arguments]
    rows += [
        f"| `{', '.join((*each.opts, *each.secondary_opts))}` | {_cell(_kind(each))} | {_cell(each.help or '')} |"
        f" {_plain_default(each.default)} |"
        for each in options
    ]
    said = _listed(inspect.cleandoc(command.help or ""))
    table = ["| argument or option | takes | what | default |", "|---|---|---|---|", *rows, ""] if rows else []
    return "\n".join([f"## {name}", "", f"    {usage}", "", said, "", *table])


def _argument(each: Any) -> str:
    name = (each.metavar or each.name).strip("{}<>").upper()
    return f"{name}..." if each.nargs == -1 else name


def _kind(each: Any) -> str:
    """What an option takes, in words; nothing for a flag."""
    return "" if each.is_flag else _hint(each.type_descriptor.annotation)


def _hint(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(hint))
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_hint(each) for each in get_args(hint) if each is not NoneType)
    if get_origin(hint) is list:
        return f"{_hint(get_args(hint)[0])}, may be repeated"
    return {int: "whole number", float: "number", str: "text", Path: "path"}.get(hint, getattr(hint, "__name__", ""))


def _plain_default(value: Any) -> str:
    return "" if value in (None, False, "", ()) or callable(value) else f"`{value}`"


def _listed(text: str) -> str:
    """Help text as Markdown: a block that typer keeps line by line becomes a list."""
    parts = []
    for block in text.split("\n\n"):
        kept = "\b" in block
        lines = [line.strip() for line in block.replace("\b", "").strip().splitlines()]
        parts.append("\n".join(f"* {line}" for line in lines) if kept else "\n".join(lines))
    return "\n\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> int:
    """Write or check; the exit code."""
    pages = {PAGES / "config.md": config_page(), PAGES / "command-line.md": commands_page()}
    if "--check" not in sys.argv[1:]:
        for page, text in pages.items():
            page.write_text(text)
        return 0
    stale = [page.name for page, text in pages.items() if not page.exists() or page.read_text() != text]
    if stale:
        print(f"docs/reference/{', '.join(stale)}: not what the code says; run docs/dev/reference.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
