"""YAML without its surprises: no key twice, no key without a value, 1e-3 is a number, 0100 is neither 64 nor 100."""

import re
from typing import Any

import yaml

_FLOAT = re.compile(r"[-+]?(\d[\d_]*\.?\d*|\.\d+)[eE][-+]?\d+$")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+$")
_BASE_60 = re.compile(r"[-+]?[1-9]\d*(:[0-5]?\d)+(\.\d*)?$")


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML reads it, but for numbers such as 1e-3, which it takes for text."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def load_yaml(text: str) -> Any:
    """What is safely read of `text`.

    yaml.YAMLError at a key that stands twice in one mapping or has no value, and at a number that could be two.
    """
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        _check(root, set())
        return None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def _check(node: yaml.Node | None, seen: set[int]) -> None:
    if isinstance(node, yaml.ScalarNode):
        _check_scalar(node)
        return
    # an alias is the very node that it stands for, which may even hold itself
    if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for each in node.value:
            _check(each, seen)
        return
    keys: set[str] = set()
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in keys:
                raise _refusal(f"the key {key.value} stands twice; leave one out", key)
            keys.add(key.value)
            if isinstance(value, yaml.ScalarNode) and value.style is None and not value.value:
                raise _refusal(f"the key {key.value} has no value; write null where it is to have none", key)
        _check(key, seen)
        _check(value, seen)


def _check_scalar(node: yaml.ScalarNode) -> None:
    """Refuse what YAML reads as a number that nobody wrote: in base 8 or in base 60."""
    if node.style is not None or not isinstance(node.value, str):
        return
    if _LEADING_ZERO.match(node.value):
        plain = re.sub(r"^([-+]?)0+(?=\d)", r"\1", node.value)
        raise _refusal(f"{node.value} has a leading zero; write {plain}, or quote it where it is text", node)
    if _BASE_60.match(node.value):
        raise _refusal(f"{node.value} would be a number of base 60; quote it where it is text", node)


def _refusal(problem: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
