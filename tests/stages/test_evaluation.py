"""eval.py as a user runs it after main.py."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from models.checkpoint import load_model
from models.checkpoint_facts import write_checkpoint_facts
from models.inference import bag_prediction
from stages import evaluation
from tests.stages.runs import FEATURES, IDS, RUN, SPLITS, evaluate, train, train_in, write_provenance

OUT = Path("eval_results/EVAL_toy")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train_in(folder)
    return folder


@pytest.fixture(autouse=True)
def in_a_copy_of_the_run(trained, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def predictions(fold: int = 0) -> pd.DataFrame:
    return pd.read_csv(OUT / f"fold_{fold}.csv", dtype={"slide_id": str}, keep_default_na=False, index_col="slide_id")


def test_an_evaluation_leaves_the_files_that_users_know(capsys):
    assert evaluate(report=True) == 0
    expected = {"fold_0.csv", "fold_1.csv", "fold_2.csv", "summary.csv", "eval_experiment_toy.txt", "predictions.csv"}
    expected |= {"statistics.csv", "statistics.json", "report.html", "pictures"}
    assert {path.name for path in OUT.iterdir()} == expected
    assert list(pd.read_csv(OUT / "fold_0.csv").columns) == ["slide_id", "Y", "Y_hat", "p_0", "p_1"]
    assert list(pd.read_csv(OUT / "summary.csv").columns) == ["Unnamed: 0", "folds", "test_auc", "test_acc"]
    assert "test_auc" in capsys.readouterr().out


def test_an_evaluation_that_is_stopped_keeps_its_figures_and_none_of_before(monkeypatch):
    evaluate()
    whole = evaluation.passed

    def stopped(run, fold, *rest):
        if fold == 1:
            raise KeyboardInterrupt
        return whole(run, fold, *rest)

    monkeypatch.setattr(evaluation, "passed", stopped)
    assert evaluate() == 130
    assert list(pd.read_csv(OUT / "summary.csv")["folds"]) == [0]
    assert not (OUT / "predictions.csv").exists()


def test_it_finds_the_figures_of_training():
    evaluate()
    ours, theirs = pd.read_csv(OUT / "summary.csv"), pd.read_csv(RUN / "summary.csv")
    np.testing.assert_allclose(ours[["test_auc", "test_acc"]], theirs[["test_auc", "test_acc"]])
    for fold in range(3):
        saved = pickle.loads((RUN / f"split_{fold}_results.pkl").read_bytes())
        assert list(predictions(fold).index) == list(saved)
        probabilities = np.concatenate([entry["prob"] for entry in saved.values()])
        np.testing.assert_allclose(predictions(fold)[["p_0", "p_1"]], probabilities, atol=1e-6)


def test_a_heatmap_would_show_the_same_probability():
    evaluate("--fold", "1")
    model = load_model(RUN / "s_1_checkpoint.pt")
    for slide_id, row in predictions(1).iterrows():
        said = bag_prediction(model, torch.load(FEATURES / f"{slide_id}.pt", weights_only=True))
        assert said.probabilities == pytest.approx([row["p_0"], row["p_1"]], abs=1e-6)


def test_a_single_fold_leaves_the_summary_of_all_alone():
    evaluate()
    whole = (OUT / "summary.csv").read_bytes()
    assert evaluate("--fold", "1") == 0
    assert (OUT / "summary.csv").read_bytes() == whole
    assert pd.read_csv(OUT / "summary_partial_1_2.csv")["folds"].tolist() == [1]


def test_a_single_fold_leaves_the_report_of_all_alone():
    evaluate(report=True)
    before = {path: path.read_bytes() for path in OUT.rglob("*") if path.is_file() and "experiment" not in path.name}
    assert evaluate("--fold", "1", report=True) == 0
    assert all(path.read_bytes() == content for path, content in before.items())
    assert (OUT / "partial_1_2" / "report.html").is_file()


def test_splits_are_found_by_name():
    assert evaluate("--splits_dir", SPLITS.name) == 0


@pytest.mark.parametrize("side", ["train", "val", "test"])
def test_the_slides_of_a_side_are_evaluated(side):
    assert evaluate("--fold", "2", "--split", side) == 0
    listed = pd.read_csv(SPLITS / "splits_2.csv", dtype=str, keep_default_na=False)[side]
    assert set(predictions(2).index) == set(listed) - {""}


def test_all_slides_can_be_evaluated_with_a_warning(caplog):
    assert evaluate("--fold", "0", "--split", "all") == 0
    assert list(predictions().index) == IDS
    assert "trained on" in caplog.text


def test_a_side_of_one_class_has_no_auc(caplog):
    split = pd.read_csv(RUN / "splits_0.csv", dtype=str, keep_default_na=False, index_col=0)
    split["test"] = [name if name in IDS[1::2] else "" for name in split["test"]]
    split.to_csv(RUN / "splits_0.csv")
    assert evaluate() == 0
    assert np.isnan(pd.read_csv(OUT / "summary.csv")["test_auc"][0])
    assert "fold 0" in caplog.text and "only class 1" in caplog.text


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--embed_dim", "1024"], "embed_dim is 8, not 1024"),
        (["--model_type", "clam_mb"], "model_type is clam_sb, not clam_mb"),
        (["--model_size", "big"], "model_size is small, not big"),
        (["--models_exp_code", "other_s1"], "--models_exp_code: no folder"),
        (["--splits_dir", "nowhere"], "no split folder 'nowhere'"),
        (["--fold", "7"], "splits_7.csv"),
        (["--split", "all", "--k_start", "2", "--k_end", "2"], "no fold from --k_start 2 to --k_end 2"),
        (["--save_exp_code", "a/b"], "--save_exp_code"),
    ],
)
def test_wrong_use_is_named_and_writes_nothing(flags, message, caplog):
    assert evaluate(*flags) == 2
    assert message in caplog.text
    assert not Path("eval_results").exists()


def test_features_of_another_length_are_named_with_both(caplog):
    for slide_id in IDS:
        torch.save(torch.rand(4, 5), FEATURES / f"{slide_id}.pt")
    assert evaluate() == 2
    assert "length 8" in caplog.text and "has 5" in caplog.text


def trained_on(fold: int = 1, **made_from: str) -> None:
    write_checkpoint_facts(RUN / f"s_{fold}_checkpoint.pt", made_from, 8)


@pytest.mark.parametrize(
    ("made_from", "message"),
    [
        ({"encoder": "uni_v1", "weights_sha256": "ab"}, "uni_v1 (weights_sha256 ab) and gigapath (weights_sha256 cd)"),
        ({"encoder": "gigapath", "pooling": "mean"}, "gigapath (pooling mean) and gigapath (pooling cls)"),
    ],
)
def test_features_of_another_encoder_than_that_of_training_are_refused_naming_both(made_from, message, caplog):
    trained_on(**made_from)
    write_provenance(IDS, encoder="gigapath", weights_sha256="cd", pooling="cls")
    assert evaluate() == 2
    assert "s_1_checkpoint.pt" in caplog.records[-1].getMessage() and message in caplog.records[-1].getMessage()
    assert not Path("eval_results").exists()
    assert evaluate("--fold", "0") == 0  # that one says nothing


def test_features_of_the_same_encoder_run_otherwise_are_evaluated():
    trained_on(encoder="uni_v1", weights_sha256="ab", dtype="float32")
    write_provenance(IDS, encoder="uni_v1", weights_sha256="ab", dtype="float16", pooling="cls")
    assert evaluate() == 0


def test_a_checkpoint_without_facts_takes_features_of_any_encoder():
    for fold in range(3):
        (RUN / f"s_{fold}_checkpoint.json").unlink()
    write_provenance(IDS, encoder="uni_v1")
    assert evaluate() == 0


def test_slides_of_two_encoders_are_not_evaluated_together(caplog):
    write_provenance(IDS[::2], encoder="uni_v1")
    write_provenance(IDS[1::2], encoder="conch_v1")
    assert evaluate() == 2
    assert "features of two encoders, uni_v1 and conch_v1" in caplog.text
    assert not Path("eval_results").exists()


def test_all_missing_features_are_named_and_nothing_is_written(caplog):
    split = pd.read_csv(RUN / "splits_1.csv", dtype=str, keep_default_na=False)
    missing = [slide_id for slide_id in split["test"] if slide_id][:3]
    for slide_id in missing:
        (FEATURES / f"{slide_id}.pt").unlink()
    assert evaluate("--fold", "1") == 2
    assert len(missing) == 3 and all(slide_id in caplog.records[-1].getMessage() for slide_id in missing)
    assert not Path("eval_results").exists()


def test_a_damaged_checkpoint_is_named_before_anything_is_written(caplog):
    (RUN / "s_2_checkpoint.pt").write_bytes(b"no checkpoint")
    assert evaluate() == 2
    assert "s_2_checkpoint.pt" in caplog.text
    assert not Path("eval_results").exists()


def test_two_runs_are_compared_on_the_slides_that_both_tested(capsys):
    assert train("--model_type", "mean_pool", "--exp_code", "other", "--max_epochs", "1") == 0
    assert evaluate("--compare", "results/other_s1") == 0
    table = pd.read_csv(OUT / "comparison.csv").set_index("figure")
    assert table.loc["auc_macro", "difference"] == pytest.approx(
        table.loc["auc_macro", "a"] - table.loc["auc_macro", "b"]
    )
    assert 0 <= table.loc["auc_macro", "p"] <= 1
    assert "auc_macro" in capsys.readouterr().out


def test_a_run_compared_with_itself_does_not_differ():
    assert evaluate() == 0
    assert evaluate("--save_exp_code", "again", "--compare", str(OUT)) == 0
    assert (pd.read_csv("eval_results/EVAL_again/comparison.csv")["difference"] == 0).all()


def test_a_run_to_compare_with_that_is_not_there_is_named(caplog):
    assert evaluate("--compare", "nothing") == 2
    assert "--compare nothing: no folder nothing or results/nothing or eval_results/nothing" in caplog.text
