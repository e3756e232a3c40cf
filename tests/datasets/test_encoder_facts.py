import subprocess
import sys

import pytest

from datasets.encoder_facts import ENCODER_FACTS, differing_facts, encoder_difference, encoder_facts_of, encoder_name
from utils.lookup import PROJECT_ROOT

UNI = {"encoder": "uni_v1", "weights_sha256": "ab12cd34ef", "target_patch_size": "224", "pooling": "cls"}
RESNET = {"encoder": "resnet50_trunc", "weights_sha256": "cd34ef56ab", "target_patch_size": "224", "pooling": "mean"}


def test_two_encoders_are_both_named_with_their_weights():
    said = encoder_difference(UNI, RESNET)
    assert said == "uni_v1 (weights_sha256 ab12cd34..) and resnet50_trunc (weights_sha256 cd34ef56..)"


def test_of_one_encoder_all_that_differs_is_named():
    other = {**UNI, "target_patch_size": "448", "pooling": ""}
    said = encoder_difference(UNI, other)
    assert said == "uni_v1 (pooling cls, target_patch_size 224) and uni_v1 (pooling none, target_patch_size 448)"


@pytest.mark.parametrize("fact", ENCODER_FACTS)
def test_each_fact_alone_makes_features_incompatible(fact):
    assert differing_facts({**UNI, fact: "one"}, {**UNI, fact: "other"}) == [fact]
    assert encoder_difference({**UNI, fact: "one"}, {**UNI, fact: "other"})


@pytest.mark.parametrize("detail", ["dtype", "runtime", "revision", "version", "mpp"])
def test_how_a_network_was_run_makes_no_difference(detail):
    assert encoder_difference({**UNI, detail: "one"}, {**UNI, detail: "other"}) == ""
    assert detail not in encoder_facts_of({**UNI, detail: "one"})


@pytest.mark.parametrize("fact", UNI)
def test_what_one_does_not_say_is_not_held_against_it(fact):
    silent = {name: value for name, value in UNI.items() if name != fact}
    assert encoder_difference(silent, UNI) == encoder_difference(UNI, silent) == encoder_difference({}, UNI) == ""


def test_an_encoder_without_a_name_can_be_spoken_of():
    unnamed = {"weights_sha256": "00"}
    assert encoder_difference(unnamed, UNI).startswith(f"{encoder_name({})} (weights_sha256 00) and uni_v1")


def test_the_module_is_light():
    code = "import sys, datasets.encoder_facts; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, check=False).returncode == 0
