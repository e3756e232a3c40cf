import pytest

from utils.errors import UsageError
from utils.tables import read_text_table


def test_rows_that_leave_out_thousands_of_cells_are_refused_before_they_are_filled(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("slide_id," + ",".join(f"c{i}" for i in range(1500)) + "\n" + "a\n" * 20_000)
    with pytest.raises(UsageError, match="20000 rows of 1501 columns, most of which are empty"):
        read_text_table(path)


def test_rows_may_end_early(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("slide_id," + ",".join(f"c{i}" for i in range(30)) + "\n" + "".join(f"s{i}\n" for i in range(200)))
    assert read_text_table(path).shape == (200, 31)


def test_a_table_of_very_many_columns_is_told_in_a_short_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(",".join(f"c{i}" for i in range(2000)) + "\n" + "," * 1999 + "x\n")
    with pytest.raises(UsageError, match=r"no column slide_id; it has: c0, c1, .* and 1980 more") as error:
        read_text_table(path, required=("slide_id",))
    assert len(str(error.value)) < 500


def test_a_table_of_more_columns_than_anybody_needs_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("slide_id" + ",x" * 100_000 + "\na\n")
    with pytest.raises(UsageError, match="100001 columns; leave out what is not needed"):
        read_text_table(path)


def test_a_folder_is_said_to_be_one(tmp_path):
    with pytest.raises(UsageError, match=f"^process list {tmp_path} is a folder$"):
        read_text_table(tmp_path, kind="process list")
