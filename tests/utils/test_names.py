import logging

import pytest

from utils.errors import UsageError
from utils.names import alike_ids, check_id, distinct_slide_ids, require_apart

E_ACUTE, E_AND_ACUTE = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "...svs",
        "..svs",
        "../x",
        "/x",
        "a/b",
        "a\\b",
        "a\0b",
        "a\nb",
        "x" * 201,
        "\u00e9" * 101,
        "\ud800",
    ],
)
def test_a_slide_is_a_name_and_no_path(name):
    with pytest.raises(UsageError, match=r"^list: .* is no name; "):
        distinct_slide_ids([name], where="list")


@pytest.mark.parametrize("name", ["0012", "1e5", "NA", "TCGA-AA-3502-01Z.uuid.svs", "a b", "caf\u00e9", "\udcff"])
def test_odd_names_are_names(name):
    assert check_id(name, where="list") == name


def test_ids_that_differ_by_capitals_or_by_how_an_accent_is_written_are_alike():
    assert alike_ids(["A", "b", "a", E_ACUTE, E_AND_ACUTE.upper()]) == [["A", "a"], [E_AND_ACUTE.upper(), E_ACUTE]]


def test_slides_that_elsewhere_are_one_file_are_named_and_kept(caplog):
    with caplog.at_level(logging.WARNING):
        assert distinct_slide_ids(["A.svs", "a.svs", "b"], where="list") == ["A", "a", "b"]
    assert "list: slides A and a differ by capitals" in caplog.text


def test_slides_that_here_are_one_file_are_refused(tmp_path):
    """A link that has the folder's name in other capitals is what such a file system shows."""
    out = tmp_path / "Out"
    out.mkdir()
    require_apart(["A", "a"], out / "new", flag="--save_dir")
    (tmp_path / "oUT").symlink_to(out)
    with pytest.raises(UsageError, match=r"--save_dir .*Out: A and a would be the same file there"):
        require_apart(["A", "a"], out, flag="--save_dir")
    require_apart(["a", "b"], out, flag="--save_dir")
