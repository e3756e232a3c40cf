import pytest

from tests.slides import small_slide
from tests.stages.heatmap_runs import PRESET, write_checkpoint


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A slide, a checkpoint and a configuration in the current folder."""
    monkeypatch.chdir(tmp_path)
    small_slide(tmp_path / "slides" / "s1.tif")
    (tmp_path / "small.csv").write_text(PRESET)
    (tmp_path / "list.csv").write_text("slide_id,label\ns1,good\n")
    write_checkpoint(tmp_path / "model.pt", seed=0)
    return {
        "exp_arguments": {"n_classes": 2, "save_exp_code": "exp"},
        "data_arguments": {
            "data_dir": "slides", "process_list": "list.csv", "preset": "small.csv", "slide_ext": ".tif",
            "label_dict": {"bad": 0, "good": 1},
        },
        "patching_arguments": {"patch_size": 256, "overlap": 0.5},
        "encoder_arguments": {"model_name": "handcrafted"},
        "model_arguments": {"ckpt_path": "model.pt"},
        "heatmap_arguments": {"vis_level": 0, "save_ext": "png"},
    }  # fmt: skip
