"""Definitions: YAML text, files, directories, or several of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ._errors import FirnError

Definitions = str | Path | Sequence[str | Path]

_SUFFIXES = (".yaml", ".yml")


def parts(definitions: Definitions) -> list[str | Path]:
    """The text of each document, or the path of its file."""
    return [part for one in ([definitions] if isinstance(definitions, (str, Path)) else definitions) for part in _parts(one)]


def texts(definitions: Definitions) -> list[str]:
    """The text of each document."""
    return [_read(part) if isinstance(part, Path) else part for part in parts(definitions)]


def document(definitions: Definitions) -> str:
    """All as one document, which is registered whole or not at all."""
    found = texts(definitions)
    if len(found) == 1:
        return found[0]
    merged = yaml.MappingNode("tag:yaml.org,2002:map", [])
    for text in found:
        for key, value in _root(text).value:
            known = next((section for name, section in merged.value if name.value == key.value), None)
            if known is None:
                merged.value.append((key, value))
            elif isinstance(known, yaml.MappingNode) and isinstance(value, yaml.MappingNode):
                known.value += value.value
            else:
                raise FirnError(f"'{key.value}' can't be put together from several files", code="invalid_definition")
    return str(yaml.serialize(merged, allow_unicode=True, width=1 << 20)) if merged.value else ""


def declared(definitions: Definitions) -> dict[str, set[str]]:
    """The columns that each source declares; nothing of what is no YAML."""
    found: dict[str, set[str]] = {}
    for text in texts(definitions):
        try:
            sources = _members(_members(_root(text)).get("sources"))
        except FirnError:
            continue
        found.update((name, set(_members(_members(source).get("columns")))) for name, source in sources.items())
    return found


def _members(node: Any) -> dict[str, Any]:
    return {key.value: value for key, value in node.value if isinstance(key.value, str)} if isinstance(node, yaml.MappingNode) else {}


def _root(text: str) -> Any:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise FirnError(f"not YAML: {error}", code="invalid_definition") from error
    if root is None:
        return yaml.MappingNode("tag:yaml.org,2002:map", [])
    if not isinstance(root, yaml.MappingNode):
        raise FirnError("definitions are a mapping, as in 'features: {…}'", code="invalid_definition")
    return root


def _parts(definition: str | Path) -> list[str | Path]:
    if isinstance(definition, str) and ("\n" in definition or ": " in definition or definition.rstrip().endswith((":", "}")) or not definition.strip()):
        return [definition]
    path = Path(definition)
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
    if not files:
        raise FirnError(f"{path} has no .yaml or .yml files", code="no_file")
    return [*files]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FirnError(f"{path}: not UTF-8 text", code="invalid_definition") from error
    except OSError as error:
        raise FirnError.of_file(error, path) from error
