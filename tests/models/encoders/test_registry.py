import subprocess
import sys

import pytest

from models.encoders.registry import ENCODERS, find_encoder
from utils.errors import UsageError
from utils.lookup import PROJECT_ROOT

HEAVY = ("torch", "timm", "transformers", "open_clip", "numpy", "cv2", "skimage")


@pytest.mark.parametrize("module", ["registry", "listing"])
def test_the_registry_is_read_without_heavy_imports(module):
    code = f"import sys, models.encoders.{module}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_encoder_is_told_the_known_ones():
    with pytest.raises(UsageError, match=r"unknown encoder 'uni_v3'.*resnet50_trunc, uni_v1, conch_v1, handcrafted"):
        find_encoder("uni_v3")


@pytest.mark.parametrize("name", ["resnet50_trunc", "uni_v1", "conch_v1"])
def test_networks_of_the_readme_take_224_px(name):
    assert find_encoder(name).input_size_px == 224
    assert find_encoder(name).interpolation == "bilinear" and not find_encoder(name).crop


@pytest.mark.parametrize("name", ["midnight", "midnight12k"])
def test_a_name_of_two_features_makes_the_user_choose(name):
    with pytest.raises(UsageError, match=r"midnight12k-cls \(1536 .*midnight12k-cls-mean \(3072"):
        find_encoder(name)


@pytest.mark.parametrize(
    ("names", "dims"),
    [
        (("virchow", "virchow-cls"), (2560, 1280)),
        (("virchow2", "virchow2-cls"), (2560, 1280)),
        (("h0-mini", "h0-mini-cls-mean"), (768, 1536)),
        (("midnight12k-cls-mean", "midnight12k-cls"), (3072, 1536)),
        (("musk", "musk-ms_aug", "musk-head"), (1024, 2048, 1024)),
        (("conch_v1", "conch_v1-448", "conch_v1-proj"), (512, 512, 512)),
        (("conch_v15", "conch_v15-bicubic"), (768, 768)),
        (("ctranspath", "chief-ctranspath"), (768, 768)),
        (("hoptimus0", "hoptimus0-bicubic"), (1536, 1536)),
    ],
)
def test_disputed_features_each_have_a_name_and_say_whose_they_are(names, dims):
    specs = [find_encoder(name) for name in names]
    assert tuple(spec.dim for spec in specs) == dims
    assert all(spec.note for spec in specs) and len({spec.note for spec in specs}) == len(specs)


@pytest.mark.parametrize("spec", ENCODERS.values(), ids=lambda s: s.name)
def test_an_entry_is_whole(spec):
    assert spec.dim > 0 and spec.licence
    assert spec.family == "handcrafted" or spec.hub_id or spec.source
    assert spec.resize_px >= spec.input_size_px and spec.interpolation in ("bilinear", "bicubic")
    assert spec.autocast in ("fp32", "fp16", "bf16") and (spec.mean is None) == (spec.std is None)


def test_any_model_of_timm_and_of_the_hub_is_an_encoder():
    assert find_encoder("timm:vit_base_patch16_224.dino").architecture == "vit_base_patch16_224.dino"
    spec = find_encoder("hf-hub:owner/model")
    assert (spec.name, spec.hub_id, spec.dim) == ("hf-hub:owner/model", "owner/model", 0)


@pytest.mark.parametrize("name", ["genbio-pathfm@0abc", "hf-hub:owner/model@0abc"])
def test_a_revision_of_the_hub_is_part_of_the_name(name):
    assert (find_encoder(name).name, find_encoder(name).revision) == (name, "0abc")


NO_REPOSITORIES = ["a/b.git", "a/b.", "a/b-", "a./b", "a/nämé", f"a/{'b' * 97}", "a/b/c", "a/..", "a/b--c"]


@pytest.mark.parametrize(
    "name",
    [
        "hf-hub:model", "hf-hub:/model", "retccl@0abc", "uni_v1@", "handcrafted@0abc",
        *(f"hf-hub:{name}" for name in NO_REPOSITORIES),
    ],
)  # fmt: skip
def test_a_name_that_leads_nowhere_is_refused(name):
    with pytest.raises(UsageError, match=name):
        find_encoder(name)


def test_a_name_of_two_encoders_is_no_name_of_either():
    with pytest.raises(UsageError, match=r"'uni' stands for different features: use uni_v1 .* or uni_v2"):
        find_encoder("uni")
