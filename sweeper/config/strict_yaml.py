"""YAML in which no key stands twice: of two `budget:` sections the first would be dropped without a word."""

from typing import Any

import yaml


def load_yaml(text: str) -> Any:
    """What yaml.safe_load makes of `text`; yaml.YAMLError at a key that stands twice in one mapping."""
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        _check(root, set())
        return None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def _check(node: yaml.Node | None, seen: set[int]) -> None:
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
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value} stands twice; leave one out", problem_mark=key.start_mark
                )
            keys.add(key.value)
        _check(value, seen)
