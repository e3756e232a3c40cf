import re

from models.encoders.listing import COLUMNS, GAP, encoder_markdown, encoder_table
from models.encoders.registry import ENCODERS
from utils.lookup import PROJECT_ROOT


def test_the_table_has_a_line_for_every_encoder_under_one_header():
    header, *lines = encoder_table().splitlines()
    assert [line.split()[0] for line in lines] == list(ENCODERS)
    assert re.split(r" {2,}", header) == list(COLUMNS)


def test_columns_are_aligned():
    header, *lines = encoder_table().splitlines()
    starts = [header.index(GAP + column) for column in list(COLUMNS)[1:]]
    assert all(line[start : start + len(GAP)].isspace() for line in lines for start in starts if start < len(line))


def test_a_line_says_what_a_user_chooses_by():
    (line,) = (line for line in encoder_table().splitlines() if line.startswith("conch_v15 "))
    facts = ("768", "448", "embedding", "512 @ 0.5", "fp16", "gated", "CC-BY-NC-ND-4.0", "MahmoodLab/TITAN", "einops")
    assert all(fact in line for fact in facts) and line.endswith("--trust_remote_code")


def test_the_table_of_the_documentation_is_of_today():
    assert (PROJECT_ROOT / "docs" / "encoders.md").read_text(encoding="utf-8").endswith(f"\n{encoder_markdown()}\n")
