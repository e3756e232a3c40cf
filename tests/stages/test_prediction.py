"""eval.py --predict on slides that nobody has labelled."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import eval as eval_program
from models.model_clam import CLAM_SB
from tests.datasets.cohorts import write_h5, write_pt
from tests.stages.runs import EMBED_DIM, RUN, evaluate, train_in

OUT = Path("eval_results/PREDICT_new")
NEW = Path("new_features")
SIZES = {"0099": 3, "b.x": 20, "c": 1, "d": 12}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train_in(folder)
    generator = torch.Generator().manual_seed(1)
    for slide_id, n_patches in SIZES.items():
        write_pt(folder / NEW, slide_id, torch.rand(n_patches, EMBED_DIM, generator=generator))
    return folder


@pytest.fixture(autouse=True)
def in_a_copy_of_the_run(trained, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def predict(*flags: str) -> int:
    return eval_program.main(["--predict", "--models_exp_code", RUN.name, "--save_exp_code", "new", *flags])


def table(name: str) -> pd.DataFrame:
    return pd.read_csv(OUT / f"{name}.csv", dtype={"slide_id": str, "case_id": str}, keep_default_na=False)


def test_a_folder_of_features_is_enough():
    assert predict("--data_dir", str(NEW)) == 0
    names = {f"fold_{fold}{part}.csv" for fold in range(3) for part in ("", "_patients")}
    assert {path.name for path in OUT.iterdir()} == names | {"slides.csv", "patients.csv", "eval_experiment_new.txt"}
    assert list(table("slides")["slide_id"]) == sorted(SIZES)
    columns = ["slide_id", "case_id", "Y_hat", "p_0", "p_1", "p_0_std", "p_1_std"]
    assert list(table("slides").columns) == columns
    assert list(table("fold_0").columns) == columns[:5]


def test_a_table_says_which_slides_and_whose_they_are():
    Path("new.csv").write_text("case_id,slide_id\nann,0099.svs\nann,b.x\nbob,c\n")
    assert predict("--data_dir", str(NEW), "--csv_path", "new.csv") == 0
    assert list(table("slides")["case_id"]) == ["ann", "ann", "bob"]
    folds = [table(f"fold_{fold}") for fold in range(3)]
    np.testing.assert_allclose(table("slides")["p_1"], np.mean([fold["p_1"] for fold in folds], axis=0))
    np.testing.assert_allclose(
        table("slides")["p_1_std"], np.std([fold["p_1"] for fold in folds], axis=0, ddof=1), atol=1e-6
    )
    ann = table("patients").set_index("case_id").loc["ann"]
    assert ann["p_1"] == pytest.approx(table("slides")["p_1"][:2].mean())
    assert ann["Y_hat"] == (ann["p_1"] > ann["p_0"])


def test_labelled_slides_get_the_probabilities_of_an_evaluation():
    evaluate("--split", "all", "--save_exp_code", "known")
    assert predict("--data_dir", "data/tumor_vs_normal_feat_resnet", "--fold", "1") == 0
    known = pd.read_csv("eval_results/EVAL_known/fold_1.csv", dtype={"slide_id": str}, keep_default_na=False)
    both = table("fold_1").merge(known, on="slide_id", validate="one_to_one")
    assert len(both) == len(known)
    np.testing.assert_allclose(both["p_1_x"], both["p_1_y"], atol=1e-6)


def test_a_bad_slide_costs_only_itself(caplog):
    write_pt(NEW, "c", torch.full((2, EMBED_DIM), float("nan")))
    write_pt(NEW, "empty", torch.empty(0, EMBED_DIM))
    Path("new.csv").write_text("slide_id\n0099\nc\nabsent\nempty\nd\n")
    assert predict("--data_dir", str(NEW), "--csv_path", "new.csv") == 1
    assert list(table("slides")["slide_id"]) == ["0099", "d"]
    for message in ("c: bad_features", "NaN or infinite", "absent: bad_features: features missing", "features empty"):
        assert message in caplog.text


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--predict: name the slides"),
        (["--data_dir", "nowhere"], "--data_dir: no folder"),
        (["--data_dir", "new_features", "--compare", "results/toy_s1"], "--compare needs labels"),
        (["--data_dir", "."], "no features there"),
        (["--data_dir", "new_features", "--csv_path", "missing.csv"], "missing.csv"),
        (["--data_dir", "wide"], "trained on features of length 8, wide has 5"),
        (["--data_dir", "new_features", "--fold", "7"], "no checkpoint"),
        (["--data_dir", "new_features", "--models_exp_code", "other"], "--models_exp_code: no folder"),
    ],
)
def test_wrong_use_is_named_and_writes_nothing(flags, message, caplog):
    write_h5(Path("wide"), "a", np.ones((2, 5)))
    assert predict(*flags) == 2
    assert message in caplog.text
    assert not Path("eval_results").exists()


def test_a_slide_that_one_fold_cannot_take_shifts_no_other(monkeypatch):
    predict("--data_dir", str(NEW))
    whole = table("fold_0")
    answered = []

    def fails_in_the_second_fold(model, features):
        answered.append(len(features))
        if answered == [3, 3, 3, 20, 20]:  # the second fold looks at the second slide
            raise MemoryError
        return original(model, features)

    original = CLAM_SB.forward
    monkeypatch.setattr(CLAM_SB, "forward", fails_in_the_second_fold)
    assert predict("--data_dir", str(NEW)) == 1
    rest = table("fold_0")
    pd.testing.assert_frame_equal(rest, whole[whole["slide_id"] != "b.x"].reset_index(drop=True))
