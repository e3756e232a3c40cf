"""main.py as a user runs it."""

import json
import pickle
import re
from pathlib import Path

import pandas as pd
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from models.checkpoint import load_model
from models.checkpoint_facts import features_trained_on
from stages import fold_job
from tests.stages.runs import EMBED_DIM, FEATURES, IDS, RUN, SPLITS, TABLE, train, write_cohort, write_provenance


@pytest.fixture(autouse=True)
def cohort(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_cohort()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def results(fold: int = 0) -> dict:
    return pickle.loads((RUN / f"split_{fold}_results.pkl").read_bytes())


def tags(folder: Path) -> set[str]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return set(events.Tags()["scalars"])


def test_a_run_leaves_the_files_that_users_know(capsys):
    assert train(report=True) == 0
    of_a_fold = ["s_{}_checkpoint.pt", "s_{}_checkpoint.json", "split_{}_results.pkl", "splits_{}.csv"]
    of_a_fold += ["s_{}_predictions.csv", "s_{}_history.csv", "s_{}_done.json"]
    of_a_run = {"summary.csv", "experiment_toy.txt", "config.yaml", "statistics.csv", "statistics.json", "report.html"}
    of_a_run |= {"pictures"}
    expected = {name.format(fold) for name in of_a_fold for fold in range(3)} | of_a_run
    assert {path.name for path in RUN.iterdir()} == expected
    summary = pd.read_csv(RUN / "summary.csv")
    assert list(summary.columns) == ["Unnamed: 0", "folds", "test_auc", "val_auc", "test_acc", "val_acc"]
    assert summary["folds"].tolist() == [0, 1, 2]
    assert "test_auc" in capsys.readouterr().out


def test_predictions_are_of_the_test_slides_in_the_order_of_the_table():
    train("--k_end", "1")
    tested = set(pd.read_csv(SPLITS / "splits_0.csv", dtype=str, keep_default_na=False)["test"]) - {""}
    assert list(results()) == [slide_id for slide_id in IDS if slide_id in tested]
    for slide_id, entry in results().items():
        assert str(entry["slide_id"]) == slide_id and entry["label"] == IDS.index(slide_id) % 2
        assert entry["prob"].shape == (1, 2) and entry["prob"].sum() == pytest.approx(1)


def test_a_checkpoint_is_a_plain_dictionary_of_tensors():
    train("--k_end", "1")
    state = torch.load(RUN / "s_0_checkpoint.pt", weights_only=True)
    assert type(state) is dict and {type(value) for value in state.values()} == {torch.Tensor}
    assert load_model(RUN / "s_0_checkpoint.pt").embed_dim == EMBED_DIM


@pytest.mark.parametrize(
    "flags",
    [
        [
            "--model_type",
            "clam_mb",
            "--model_size",
            "big",
            "--inst_loss",
            "svm",
            "--bag_loss",
            "svm",
            "--drop_out",
            "0",
        ],
        ["--model_type", "mil", "--opt", "sgd", "--weighted_sample"],
        ["--no_inst_cluster", "--early_stopping", "--bag_weight", "0.5"],
        ["--subtyping", "--B", "30", "--weighted_sample", "--reg", "0", "--embed_dim", str(EMBED_DIM)],
    ],
)
def test_every_way_to_train_takes_bags_of_any_size(flags):
    assert train("--k_end", "1", *flags) == 0
    assert pd.read_csv(RUN / "summary_partial_0_1.csv")["test_acc"].between(0, 1).all()


def test_the_same_seed_gives_the_same_run():
    train("--k_end", "1", "--weighted_sample")
    first = torch.load(RUN / "s_0_checkpoint.pt", weights_only=True)
    train("--k_end", "1", "--weighted_sample")
    again = torch.load(RUN / "s_0_checkpoint.pt", weights_only=True)
    train("--k_end", "1", "--weighted_sample", "--seed", "2")
    other = torch.load("results/toy_s2/s_0_checkpoint.pt", weights_only=True)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_a_fold_does_not_depend_on_the_folds_before_it():
    train()
    after_two = results(2)
    train("--k_start", "2")
    assert (RUN / "summary_partial_2_3.csv").is_file()
    assert all((results(2)[slide_id]["prob"] == entry["prob"]).all() for slide_id, entry in after_two.items())


def test_training_learns_what_can_be_learnt():
    train("--k_end", "1", "--max_epochs", "40", "--lr", "1e-3", "--drop_out", "0")
    summary = pd.read_csv(RUN / "summary_partial_0_1.csv")
    assert summary["test_auc"].item() == 1 and summary["test_acc"].item() > 0.9


def test_the_curves_have_the_known_tags():
    train("--k_end", "1", "--log_data")
    sides = {f"train/{tag}" for tag in ("loss", "error", "clustering_loss", "class_0_acc", "class_1_acc")}
    sides |= {f"val/{tag}" for tag in ("loss", "auc", "error", "inst_loss", "class_0_acc", "class_1_acc")}
    final = {f"final/{side}_{figure}" for side in ("val", "test") for figure in ("error", "auc")}
    assert tags(RUN / "0") == sides | final | {"final/test_class_0_acc", "final/test_class_1_acc"}


def test_a_side_of_one_class_has_no_auc_and_says_so_once_for_the_curve(caplog):
    one_class = pd.read_csv(SPLITS / "splits_0.csv", dtype=str, keep_default_na=False, index_col=0)
    for side in ("val", "test"):
        one_class[side] = [name if name in IDS[::2] else "" for name in one_class[side]]
    one_class.to_csv(SPLITS / "splits_0.csv")
    assert train("--k_end", "1", "--log_data", "--max_epochs", "3") == 0
    assert pd.read_csv(RUN / "summary_partial_0_1.csv")[["test_auc", "val_auc"]].isna().all().all()
    said = [r.getMessage() for r in caplog.records if "AUC is undefined" in r.getMessage()]
    assert len(said) == 3 and all("fold 0" in text and "only class 0" in text for text in said)
    assert "val/auc" not in tags(RUN / "0")


def without(side: str, fold: int) -> None:
    split = pd.read_csv(SPLITS / f"splits_{fold}.csv", dtype=str, keep_default_na=False, index_col=0)
    split.assign(**{side: ""}).to_csv(SPLITS / f"splits_{fold}.csv")


def test_folds_without_training_slides_are_named_before_the_first_is_trained(caplog):
    for fold in (1, 2):
        without("train", fold)
    assert train() == 2
    assert "no training slides in fold 1, 2" in caplog.text
    assert not Path("results").exists()


@pytest.mark.parametrize(("side", "figure"), [("val", "val_auc"), ("test", "test_auc")])
def test_a_side_without_slides_costs_its_figures_only(side, figure, caplog):
    without(side, 0)
    assert train("--k_end", "1", "--early_stopping", "--log_data") == 0
    summary = pd.read_csv(RUN / "summary_partial_0_1.csv").set_index("folds").filter(like="auc").loc[0]
    assert summary.index[summary.isna()].tolist() == [figure]
    assert "has no bag" in caplog.text


def test_what_concerns_all_folds_is_said_once(monkeypatch, caplog):
    for module in ("training", "fold"):
        monkeypatch.setattr(f"stages.{module}.has_bfloat16", lambda _: False)
    for fold in range(3):
        without("val", fold)
    assert train("--amp") == 0
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert sum("no bfloat16 arithmetic" in text for text in said) == 1
    assert [text for text in said if "validation" in text] == [
        "validation has no bag in fold 0, 1, 2: its figures are undefined"
    ]


def test_a_class_absent_from_training_costs_a_warning(caplog):
    split = pd.read_csv(SPLITS / "splits_0.csv", dtype=str, keep_default_na=False, index_col=0)
    split["train"] = [name if name in IDS[::2] else "" for name in split["train"]]
    split.to_csv(SPLITS / "splits_0.csv")
    assert train("--k_end", "1", "--weighted_sample") == 0
    assert "training has no bag of class [1]" in caplog.text


@pytest.mark.parametrize("flags", [[], ["--early_stopping"]])
def test_a_loss_that_is_no_number_stops_that_fold_and_keeps_the_last_finite_parameters(flags, caplog):
    assert train("--lr", "1e30", "--opt", "sgd", *flags) == 1
    assert caplog.text.count("the loss was no number in epoch 0") >= 3
    assert pd.read_csv(RUN / "summary.csv")["test_auc"].between(0, 1).all()
    for fold in range(3):
        state = torch.load(RUN / f"s_{fold}_checkpoint.pt", weights_only=True)
        assert all(tensor.isfinite().all() for tensor in state.values())


def test_testing_takes_a_tenth_of_every_class():
    assert train("--k_end", "1", "--testing") == 0
    assert sorted(entry["label"] for entry in results().values()) == [0, 1]


@pytest.mark.parametrize("name", [SPLITS.name, str(SPLITS)])
def test_splits_are_found_by_name_and_by_path(name):
    assert train("--k_end", "1", "--split_dir", name) == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--embed_dim", "1024"], "1024, but the features in .* are 8 numbers wide"),
        (["--task", "task_9"], "known: task_1_tumor_vs_normal"),
        (["--data_root_dir", "nowhere"], "--data_root_dir: no folder 'nowhere'"),
        (["--split_dir", "nowhere"], "no split folder 'nowhere'"),
        (["--label_frac", "0.25"], "no split folder 'task_1_tumor_vs_normal_25'"),
        (["--k", "5"], "splits_3.csv: no such file"),
        (["--k_start", "2", "--k_end", "1"], "no fold from --k_start 2 to --k_end 1"),
        (["--k_start", "-5"], "no fold from --k_start -5"),
        (["--exp_code", "../toy"], "--exp_code"),
        (["--seed", "-1"], "--seed -1"),
        (["--lr", "-1"], "--lr -1"),
        (["--lr", "nan"], "--lr nan"),
        (["--reg", "-1"], "--reg -1"),
        (["--drop_out", "1"], "--drop_out 1"),
        (["--bag_weight", "3"], "--bag_weight 3"),
    ],
)
def test_wrong_use_is_named_and_writes_nothing(flags, message, caplog):
    assert train(*flags) == 2
    assert not Path("results").exists()
    assert re.search(message, caplog.text)


def test_all_missing_features_of_any_fold_are_named_before_training(caplog):
    missing = ["NA", "s9", "s23"]
    for slide_id in missing:
        (FEATURES / f"{slide_id}.pt").unlink()
    assert train() == 2
    assert all(slide_id in caplog.text for slide_id in missing)
    assert not Path("results").exists()


def test_features_of_two_encoders_are_refused_naming_both_before_training(caplog):
    write_provenance(IDS[:20], encoder="uni_v1", weights_sha256="ab12")
    write_provenance(IDS[20:], encoder="resnet50_trunc", weights_sha256="cd34")
    assert train() == 2
    message = caplog.records[-1].getMessage()
    assert "uni_v1 (weights_sha256 ab12) and resnet50_trunc (weights_sha256 cd34)" in message
    assert f"{IDS[0]}.h5" in message and f"{IDS[20]}.h5" in message and "\n" not in message
    assert not Path("results").exists()


def test_two_encoders_are_named_also_where_the_length_tells_them_apart(caplog):
    torch.save(torch.rand(4, 5), FEATURES / f"{IDS[3]}.pt")
    write_provenance(IDS[3:4], encoder="handcrafted")
    write_provenance(IDS[4:], encoder="uni_v1")
    assert train() == 2
    assert "handcrafted and uni_v1" in caplog.records[-1].getMessage()


def test_what_the_features_were_made_from_is_kept_beside_each_checkpoint_and_in_the_settings():
    made_from = {"encoder": "uni_v1", "weights_sha256": "ab12", "dtype": "float16"}
    write_provenance(IDS[5:], **made_from)  # the others say nothing
    assert train() == 0
    for fold in range(3):
        facts = json.loads((RUN / f"s_{fold}_checkpoint.json").read_text())
        assert facts["features"] == made_from and facts["embed_dim"] == EMBED_DIM
        assert facts["model"]["model_type"] == "clam_sb" and facts["model"]["embed_dim"] == EMBED_DIM
    assert json.loads((RUN / "experiment_toy.txt").read_text())["features"] == made_from


def test_a_fold_that_is_stopped_does_not_go_by_the_features_of_an_earlier_run(monkeypatch):
    write_provenance(IDS, encoder="uni_v1")
    train("--k_end", "1")
    assert features_trained_on(RUN / "s_0_checkpoint.pt") == {"encoder": "uni_v1"}

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fold_job, "train_fold", stopped)
    assert train("--k_end", "1") == 130
    assert features_trained_on(RUN / "s_0_checkpoint.pt") == {}


def test_the_length_of_features_is_inferred_from_h5_files_alone():
    write_provenance(IDS, keep_pt=False)
    assert train("--k_end", "1") == 0
    assert load_model(RUN / "s_0_checkpoint.pt").embed_dim == EMBED_DIM


@pytest.mark.parametrize(
    ("path", "old", "new", "message"),
    [
        (TABLE, "p5,s5.svs,tumor_tissue", "p5,s5.svs,strange", "'strange'"),
        (TABLE, "p5,s5.svs,tumor_tissue\n", "", "s5"),
        (SPLITS / "splits_2.csv", "NA", "ghost", "ghost"),
    ],
)
def test_what_does_not_fit_in_the_last_fold_stops_the_first(path, old, new, message, caplog):
    edit(path, old, new)
    assert train() == 2
    assert message in caplog.text
    assert not Path("results").exists()


def test_a_patient_on_two_sides_is_named(caplog):
    split = pd.read_csv(SPLITS / "splits_0.csv", dtype=str, keep_default_na=False)
    one, other = (IDS.index(split[side][0]) for side in ("train", "test"))
    edit(TABLE, f"p{other},{IDS[other]}.svs", f"p{one},{IDS[other]}.svs")
    assert train() == 2
    assert f"p{one} (train, test)" in caplog.text
