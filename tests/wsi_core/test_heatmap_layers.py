import os

import pytest

from utils.errors import ItemError
from wsi_core.heatmap_layers import ENDING, Layer, ModelPrediction, SlideLayers, find_layers, read_layers, write_layers

LAYERS = SlideLayers(
    slide_id="s1",
    slide_file="s1.svs",
    label="tumor",
    size_level0=(2000, 1500),
    mpp=0.5,
    patch_size_level0=256,
    contours="s1_contours.geojson",
    thumbnail="s1_thumbnail.jpg",
    overlay="s1_overlay.jpg",
    predictions=(ModelPrediction(model="model", head="clam_sb", predicted="tumor", values={"tumor": 0.9}),),
    layers=(Layer(model="model", blockmap="s1_blockmap.h5"),),
)


def test_what_is_written_is_read_and_found(tmp_path):
    write_layers(tmp_path / "tumor" / "s1", LAYERS)
    (found,) = find_layers(tmp_path)
    assert read_layers(found) == LAYERS


def test_of_a_slide_that_was_given_another_label_the_latest_file_counts(tmp_path):
    for written_at, group in ((2, "tumor"), (1, "unlabelled")):
        write_layers(tmp_path / group / "s1", LAYERS)
        os.utime(tmp_path / group / "s1" / f"s1{ENDING}", (written_at, written_at))
    assert [path.parts[-3] for path in find_layers(tmp_path)] == ["tumor"]


def test_a_file_that_a_killed_run_left_half_written_is_no_slide(tmp_path):
    write_layers(tmp_path / "tumor" / "s1", LAYERS)
    (tmp_path / "tumor" / "s1" / f".part-1-2-3-s1{ENDING}").write_text("{")
    assert [path.name for path in find_layers(tmp_path)] == [f"s1{ENDING}"]


@pytest.mark.parametrize("strange", ["../x.h5", "/etc/passwd", "a\\\\b", "..", ""])
def test_files_are_names_and_never_paths(tmp_path, strange):
    text = LAYERS.model_dump_json().replace("s1_blockmap.h5", strange)
    (tmp_path / f"s1{ENDING}").write_text(text)
    with pytest.raises(ItemError, match="does not say what there is to show"):
        read_layers(tmp_path / f"s1{ENDING}")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version": 1}', LAYERS.model_dump_json().replace(":1", ":2")])
def test_what_is_none_is_told(tmp_path, text):
    (tmp_path / f"s1{ENDING}").write_text(text)
    with pytest.raises(ItemError):
        read_layers(tmp_path / f"s1{ENDING}")
