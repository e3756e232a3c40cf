"""The three files of a split."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.split_file import SplitIds, read_split, split_folder_name, split_path, write_split, write_split_files
from utils.errors import UsageError

LABEL_OF = {"0012": 1, "NA": 0, "1e5": 1, "d": 1}
SPLIT = SplitIds(["d", "0012"], ["NA"], ["1e5"])


def test_the_files_look_as_users_know_them(tmp_path):
    write_split_files(tmp_path, 3, SPLIT, LABEL_OF, ["normal", "tumor"])
    assert (tmp_path / "splits_3.csv").read_text() == ",train,val,test\n0,d,NA,1e5\n1,0012,,\n"
    assert (tmp_path / "splits_3_bool.csv").read_text() == (
        ",train,val,test\nd,True,False,False\n0012,True,False,False\nNA,False,True,False\n1e5,False,False,True\n"
    )
    # the counts stand beside their label, also where val and test lack a class
    assert (tmp_path / "splits_3_descriptor.csv").read_text() == ",train,val,test\nnormal,0,1,0\ntumor,2,0,1\n"


def is_id(text):
    return text not in ("", ".", "..")  # which are no names of files


ids = st.lists(st.text("0123456789eENA.-_,\" '", min_size=1).map(str.strip).filter(is_id), max_size=6)


@settings(deadline=None)
@given(ids, ids, ids)
def test_any_ids_survive_a_round_trip(tmp_path_factory, train, val, test):
    path = split_path(tmp_path_factory.mktemp("split"), 0)
    write_split(path, SplitIds(train, val, test))
    assert read_split(path) == SplitIds(train, val, test)


def test_extensions_are_taken_off(tmp_path):
    write_split(tmp_path / "s.csv", SplitIds(["a.svs"], ["b.TIFF"], ["c.1"]))
    assert read_split(tmp_path / "s.csv") == SplitIds(["a"], ["b"], ["c.1"])


def test_a_missing_side_is_named(tmp_path):
    (tmp_path / "s.csv").write_text(",train,val\n0,a,b\n")
    with pytest.raises(UsageError, match="no column test"):
        read_split(tmp_path / "s.csv")


@pytest.mark.parametrize(("label_frac", "percent"), [(0.1, 10), (0.25, 25), (0.29, 29), (0.57, 57), (1.0, 100)])
def test_the_folder_bears_the_percentage(label_frac, percent):
    assert split_folder_name("task", label_frac) == f"task_{percent}"


@pytest.mark.parametrize(
    ("mode", "part", "label_frac", "name"),
    [
        ("kfold", "first", 1.0, "task_kfold_100"),
        ("montecarlo", "random", 0.5, "task_random_50"),
        ("site", "random", 0.5, "task_site_random_50"),
        ("montecarlo", "random", 1.0, "task_100"),
    ],
)
def test_other_ways_to_draw_have_folders_of_their_own(mode, part, label_frac, name):
    assert split_folder_name("task", label_frac, mode, part) == name
