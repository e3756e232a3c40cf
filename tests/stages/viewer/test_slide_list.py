"""What the list says of slides of several experiments, and of models that predict no class."""

import re
import shutil

import pytest

from stages.viewer.results import Results
from stages.viewer.security import Access
from stages.viewer.slide_handles import SlideHandles
from stages.viewer.slide_list import Said, said_by
from stages.viewer.viewer import Viewer
from tests.stages.viewer.conftest import visitor
from wsi_core.heatmap_layers import ModelPrediction, find_layers, read_layers, write_layers


def columns(results: Results) -> list[str]:
    page = visitor(Viewer(results, SlideHandles(), 1), Access.of("127.0.0.1", None)).get("/").text
    return re.findall(r'<th scope="col"[^>]*><button[^>]*>([^<]*)', page)


def test_slides_of_several_experiments_say_which(own_experiment):
    shutil.copytree(own_experiment, own_experiment.parent / "other")
    results = Results(own_experiment.parent)
    assert len(set(results.keys)) == 8
    assert columns(results)[:3] == ["Slide", "Experiment", "Label"]
    assert "Experiment" not in columns(Results(own_experiment))


def test_where_no_class_is_predicted_there_is_the_number(own_experiment):
    risk = ModelPrediction(model="cox", head="clam_sb", values={"risk": 1.2, "S_0": 0.5})
    for path in find_layers(own_experiment):
        write_layers(path.parent, read_layers(path).model_copy(update={"predictions": (risk,)}))
    assert columns(Results(own_experiment)) == ["Slide", "Label", "Predicted"]
    assert said_by(risk, "tumor") == Said(value=1.2, name="risk")


@pytest.mark.parametrize(
    ("label", "verdict"), [("tumor", "right"), ("normal", "wrong"), ("", ""), ("Unspecified", ""), ("unknown", "")]
)
def test_right_and_wrong_are_told_only_of_labels_that_a_model_knows(label, verdict):
    prediction = ModelPrediction(model="m", head="abmil", predicted="tumor", values={"tumor": 0.7, "normal": 0.3})
    assert said_by(prediction, label).verdict == verdict
