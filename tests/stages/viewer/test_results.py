"""Which slides are found, and which files."""

import json
import socket
from pathlib import Path

import pytest

import view_slides
from stages.viewer.results import Results
from stages.viewer.slide_handles import SlideHandles
from stages.viewer.viewer import Viewer
from tests.slides import small_slide
from tests.stages.viewer.conftest import key_of
from tests.stages.viewer.fabricated import ODD_ID, write_config, write_slide_results
from utils.errors import ItemError, UsageError


def ids(results: Results) -> set[str]:
    return {slide.layers.slide_id for slide in results.scan()}


def test_an_experiment_or_the_folder_of_several_may_be_passed(experiment):
    assert ids(Results(experiment)) == ids(Results(experiment.parent)) == {"right", "wrong", "gone", ODD_ID}


def test_links_stay_the_same_from_run_to_run(experiment):
    assert Results(experiment).keys == Results(experiment.parent).keys == Results(experiment).keys


def test_slides_that_are_finished_later_appear_and_damaged_ones_are_named(own_experiment, tmp_path):
    results = Results(own_experiment)
    write_slide_results(own_experiment / "tumor" / "later", small_slide(tmp_path / "slides" / "later.tif"), "later")
    (own_experiment / "tumor" / "right" / "right_layers.json").write_text("{")
    assert ids(results) == {"wrong", "gone", "later", ODD_ID}
    assert "right_layers.json does not say" in results.unreadable[0]


@pytest.mark.parametrize("passed", ["production", "exp/tumor", "nowhere"])
def test_another_folder_is_refused_with_the_one_that_is_meant(tmp_path, passed, capsys):
    for folder in ("production/tumor", "exp/tumor"):
        (tmp_path / folder).mkdir(parents=True)
    write_config(tmp_path / "exp", tmp_path)
    assert view_slides.main(["--results", str(tmp_path / passed)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and ("heatmap_raw_results/EXP" in said or "no folder" in said)


def test_without_its_packages_it_says_how_to_get_them(experiment, monkeypatch, capsys):
    monkeypatch.setattr("stages.viewer.packages.LEAFLET", "no-such-package")
    assert view_slides.main(["--results", str(experiment)]) == 2
    assert "no-such-package): pip install '.[viewer]'" in capsys.readouterr().err


def test_a_file_that_leads_out_of_the_slides_folder_is_not_there(own_experiment, tmp_path):
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    picture = own_experiment / "tumor" / "right" / "thumbnail.jpg"
    picture.unlink()
    picture.symlink_to(tmp_path / "secret.jpg")
    results = Results(own_experiment)
    slide = next(slide for slide in results.scan() if slide.layers.slide_id == "right")
    with pytest.raises(ItemError, match="not among the results"):
        slide.file("thumbnail.jpg")


def test_descriptions_with_paths_in_them_are_refused(own_experiment, tmp_path):
    path = own_experiment / "tumor" / "right" / "right_layers.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "thumbnail": "../../config.yaml"}))
    results = Results(own_experiment)
    assert "right" not in ids(results)
    (line,) = results.unreadable
    assert line.startswith("right_layers.json does not say what there is to show: thumbnail - ")
    assert str(tmp_path) not in line


def test_visitors_are_not_told_where_a_damaged_slide_lies(own_experiment, tmp_path):
    results = Results(own_experiment)
    slide = next(slide for slide in results.scan() if slide.layers.slide_id == "right")
    (tmp_path / "slides" / slide.layers.slide_file).write_bytes(b"no slide")
    with pytest.raises(ItemError, match="right") as error:
        SlideHandles().get(slide)
    assert str(tmp_path) not in str(error.value)


@pytest.mark.parametrize("where", ["text", "mapping", "flag"])
def test_slides_are_found_where_the_configuration_or_the_flag_says(own_experiment, tmp_path, where):
    slides = tmp_path / "slides"
    write_config(
        own_experiment, {"text": slides, "mapping": {"a": str(tmp_path), "b": str(slides)}, "flag": Path("x")}[where]
    )
    handles = SlideHandles([slides] if where == "flag" else [])
    viewer = Viewer(Results(own_experiment), handles, 1)
    assert viewer.facts(key_of(viewer, "right"))["note"] == ""


def test_a_slide_that_is_another_one_is_not_shown(own_experiment, tmp_path):
    small_slide(tmp_path / "slides" / "right.tif", size_px=(1024, 768))
    viewer = Viewer(Results(own_experiment), SlideHandles(), 1)
    assert "it is another one" in viewer.facts(key_of(viewer, "right"))["note"]


def test_a_port_that_is_taken_is_told_in_one_line(experiment, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert view_slides.main(["--results", str(experiment), "--port", port]) == 2
    assert f"cannot listen at 127.0.0.1, port {port}" in capsys.readouterr().err


def test_no_layer_is_asked_for_that_is_not_there(viewer):
    with pytest.raises(ItemError, match="no layer 9"):
        viewer.ranking(key_of(viewer, "right"), 9)


def test_there_must_be_slides(tmp_path):
    write_config(tmp_path / "exp", tmp_path)
    with pytest.raises(UsageError, match="no slides to show"):
        Results(tmp_path / "exp")
