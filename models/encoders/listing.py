"""The encoders as a table, for ``--list_encoders`` and for the documentation; imports no torch."""

from collections.abc import Callable

from models.encoders.registry import ENCODERS
from models.encoders.spec import NO_RESIZE, EncoderSpec

GAP = "  "


def _input(spec: EncoderSpec) -> str:
    return "any" if spec.input_size_px == NO_RESIZE else str(spec.input_size_px)


def _patches(spec: EncoderSpec) -> str:
    return f"{spec.patch_size_px} @ {spec.mpp:g}"


def _access(spec: EncoderSpec) -> str:
    if not spec.hub_file:
        return "none needed"
    disputed = "*" if "gate" in spec.note else ""
    return f"{'gated' if spec.gated else 'open'}{disputed}"


def _source(spec: EncoderSpec) -> str:
    return spec.hub_id or spec.source.removeprefix("https://") or "here"


def _needs(spec: EncoderSpec) -> str:
    return f"{spec.needs} --trust_remote_code".strip() if spec.trust_remote_code else spec.needs


COLUMNS: dict[str, Callable[[EncoderSpec], str]] = {
    "encoder": lambda spec: spec.name,
    "dim": lambda spec: str(spec.dim),
    "input px": _input,
    "pooling": lambda spec: spec.pooling,
    "patches px @ µm/px": _patches,
    "format": lambda spec: spec.autocast,
    "weights (* disputed)": _access,
    "licence": lambda spec: spec.licence,
    "source": _source,
    "needs": _needs,
}


def encoder_table() -> str:
    """Return the table as aligned columns of text, one line an encoder."""
    rows = _rows()
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    lines = [GAP.join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def encoder_markdown() -> str:
    """Return the table in Markdown, with the notes as a last column."""
    header, *rows = _rows()
    notes = [spec.note for spec in ENCODERS.values()]
    lines = [(*header, "note"), ("---",) * (len(COLUMNS) + 1)]
    lines += [(*row, note) for row, note in zip(rows, notes, strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _rows() -> list[tuple[str, ...]]:
    return [tuple(COLUMNS), *(tuple(cell(spec) for cell in COLUMNS.values()) for spec in ENCODERS.values())]


if __name__ == "__main__":
    print(encoder_markdown())
