"""YAML files of strangers: plain values, of a size that people write."""

from pathlib import Path
from typing import Any

import yaml

from utils.errors import PipelineError, one_line

MAX_BYTES = 256 * 1024  # a task with thousands of labels; reading takes a second then
MAX_CHARACTERS = 1_000_000  # with what aliases repeat
MAX_REASON_LENGTH = 300


class YamlFileError(PipelineError):
    """A file cannot be read as YAML; the text says why, without naming the file."""


def read_yaml(path: Path) -> Any:
    """Read a YAML file of plain values; what it holds is repeated by aliases (``*name``) a limited number of times.

    Raises:
        YamlFileError: it is missing, damaged, too large, names objects of Python, or contains itself.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise YamlFileError(f"it has more than {MAX_BYTES // 1024} KiB, which no file of this kind needs")
        return _read(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise YamlFileError("no such file") from error
    except RecursionError as error:
        raise YamlFileError("it is nested too deep") from error
    except (OSError, ValueError, TypeError, LookupError, AttributeError, OverflowError, yaml.YAMLError) as error:
        raise YamlFileError(one_line(error)[:MAX_REASON_LENGTH]) from error


def _read(text: str) -> Any:
    loader = _CountingLoader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


class _CountingLoader(yaml.SafeLoader):
    """The safe loader, which counts what there is as often as aliases repeat it, before it makes any value.

    Lists of lists of aliases grow to billions in a few lines, when they are shown, checked or merged (``<<``).
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._n_characters = 0
        self._sizes: dict[int, int] = {}  # of nodes, by identity: they live as long as the tree

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        is_alias = self.check_event(yaml.AliasEvent)
        before = self._n_characters
        node = super().compose_node(parent, index)
        if is_alias:
            if id(node) not in self._sizes:
                raise ValueError("a value contains itself")
            self._n_characters += self._sizes[id(node)]
        else:
            self._n_characters += 1 + (len(node.value) if isinstance(node, yaml.ScalarNode) else 0)
            self._sizes[id(node)] = self._n_characters - before
        if self._n_characters > MAX_CHARACTERS:
            raise ValueError("its aliases repeat what it holds again and again")
        return node
