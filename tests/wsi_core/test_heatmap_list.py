"""The table of predictions of heatmaps, which the processes of a sharded run write in turn."""

from utils.tables import read_text_table
from wsi_core.heatmap_list import HeatmapRow, write_results

ROWS = [HeatmapRow(name, {"slide_id": name}) for name in "abc"]


def predictions_in(path):
    table = read_text_table(path)
    return dict(zip(table["slide_id"], table["Pred_0"], strict=True))


def test_a_slide_of_a_shard_that_fails_loses_what_an_earlier_run_said_and_those_of_others_keep_it(tmp_path):
    path = tmp_path / "results.csv"
    write_results(path, ROWS, {name: {"Pred_0": "old"} for name in "abc"}, ours="abc")
    write_results(path, ROWS, {"a": {"Pred_0": "new"}}, ours="ab")
    assert predictions_in(path) == {"a": "new", "b": "", "c": "old"}
    write_results(path, ROWS, {}, ours="c")
    assert predictions_in(path) == {"a": "new", "b": "", "c": ""}
