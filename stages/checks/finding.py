"""What a check has found, in one line, and what to do about it."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

MARK = "@finding "  # libraries may print too
Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        check: what was looked at, in a word or two.
        level: ``warn`` is worth a look, with ``fail`` something will not work.
        found: what is there.
        advice: what to do; also where all is well, for what could be added.
    """

    check: str
    level: Level
    found: str
    advice: str = ""

    def as_line(self) -> str:
        """Return it as a line that ``findings_in`` reads."""
        return MARK + json.dumps(asdict(self))


def findings_in(text: str) -> Iterator[Finding]:
    """Yield the findings in what a process has printed; a last line that is torn is none."""
    for line in text.splitlines():
        if line.startswith(MARK) and line.endswith("}"):
            yield Finding(**json.loads(line.removeprefix(MARK)))
