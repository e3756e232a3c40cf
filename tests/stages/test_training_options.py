"""main.py beyond the original: own tables, going on after an interruption, folds side by side, files of flags."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboardX import event_file_writer

import create_splits_seq
import eval as eval_program
import main as main_program
from models.checkpoint_facts import read_checkpoint_config
from stages import fold, fold_job
from stages.run_files import read_fold_predictions, read_history
from tests.datasets.cohorts import write_h5, write_pt
from tests.stages.runs import FEATURES, IDS, RUN, SPLITS, TABLE, evaluate, train, write_cohort


@pytest.fixture(autouse=True)
def cohort(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_cohort()


def figures(folder: Path = RUN) -> pd.DataFrame:
    return pd.read_csv(folder / "summary.csv", index_col=0)


def interrupted_at_pass(monkeypatch, number: int) -> None:
    whole, passes = fold.run_pass, 0

    def counted(*args, **kwargs):
        nonlocal passes
        passes += 1
        if passes == number:
            raise KeyboardInterrupt
        return whole(*args, **kwargs)

    monkeypatch.setattr(fold, "run_pass", counted)


@pytest.mark.parametrize("flags", [[], ["--early_stopping"], ["--opt", "sgd", "--weighted_sample"]])
@pytest.mark.parametrize("at_pass", [4, 17])  # in the first fold, and in the last
def test_a_run_that_is_resumed_ends_as_if_it_had_not_been_interrupted(monkeypatch, flags, at_pass):
    flags = ["--max_epochs", "3", "--log_data", *flags]
    assert train(*flags) == 0
    RUN.rename("whole")
    monkeypatch.setattr(fold, "SAVE_STATE_EVERY_S", 0)
    with monkeypatch.context() as patch:
        interrupted_at_pass(patch, at_pass)
        assert train(*flags) == 130
    assert train("--resume", *flags) == 0
    pd.testing.assert_frame_equal(figures(), figures(Path("whole")))
    for number in range(3):
        ours, theirs = (torch.load(f / f"s_{number}_checkpoint.pt", weights_only=True) for f in (RUN, Path("whole")))
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
        pd.testing.assert_frame_equal(read_history(RUN, number), read_history(Path("whole"), number))
    assert not list(RUN.glob("*resume*"))


def test_folds_that_are_done_are_kept_and_others_are_not(caplog, monkeypatch):
    train("--k_end", "2")
    monkeypatch.setattr(fold, "build_model", None)  # nothing may be trained now
    assert train("--k_end", "2", "--resume") == 0
    assert "2 folds: 2 kept" in caplog.text


def test_a_fold_that_is_done_and_lost_a_file_is_trained_again(caplog):
    train("--k_end", "2")
    checkpoint, predictions = RUN / "s_1_checkpoint.pt", RUN / "s_0_predictions.csv"
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: len(whole) // 2])
    predictions.unlink()
    assert train("--k_end", "2", "--resume") == 0
    assert "2 folds: 2 trained" in caplog.text
    assert checkpoint.read_bytes() == whole and predictions.is_file()


@pytest.mark.parametrize("save_every_s", [0, 1000])  # with a state to go on from, and without
def test_the_curves_of_a_run_that_goes_on_show_every_epoch_once(monkeypatch, save_every_s):
    flags = ["--max_epochs", "4", "--k_end", "1", "--log_data"]
    monkeypatch.setattr(fold, "SAVE_STATE_EVERY_S", save_every_s)
    with monkeypatch.context() as patch:
        interrupted_at_pass(patch, 6)
        assert train(*flags) == 130
    assert train("--resume", *flags) == 0
    curves = EventAccumulator(str(RUN / "0")).Reload()
    assert [point.step for point in curves.Scalars("val/loss")] == [0, 1, 2, 3]


def test_the_final_figures_of_a_run_that_was_stopped_after_them_are_shown_once(monkeypatch):
    flags = ["--max_epochs", "2", "--k_end", "1", "--log_data"]
    monkeypatch.setattr(fold, "SAVE_STATE_EVERY_S", 0)
    in_one_second = SimpleNamespace(time=lambda: 1e9)  # which the names of the files have
    monkeypatch.setattr(event_file_writer, "time", in_one_second)
    with monkeypatch.context() as patch:
        patch.setattr(fold_job, "_write", None)
        assert train(*flags) == 1
    assert train("--resume", *flags) == 0
    curves = EventAccumulator(str(RUN / "0")).Reload()
    assert len(curves.Scalars("final/test_error")) == 1 and len(curves.Scalars("val/loss")) == 2


def test_a_new_run_that_is_stopped_does_not_count_folds_of_an_earlier_one(monkeypatch):
    train()
    interrupted_at_pass(monkeypatch, 9)  # in the second fold
    assert train("--lr", "1e-3") == 130
    assert list(figures()["folds"]) == [0]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--lr", "0.01"], r"fold 0 in results/toy_s1 was trained with lr 0.0001, now 0.01"),
        (["--model_type", "abmil"], r"model.model_type clam_sb, now abmil"),
    ],
)
def test_a_run_does_not_go_on_with_other_settings(caplog, flags, message):
    train("--k_end", "1")
    before = (RUN / "s_0_checkpoint.pt").read_bytes()
    assert train("--k_end", "1", "--resume", *flags) == 2
    assert re.search(message, caplog.text)
    assert (RUN / "s_0_checkpoint.pt").read_bytes() == before


def test_a_run_does_not_go_on_with_other_features(caplog):
    train("--k_end", "1")
    write_pt(FEATURES.parent, IDS[0], torch.zeros(3, 8))
    assert train("--k_end", "1", "--resume") == 2
    assert "other features" in caplog.text


def test_folds_side_by_side_end_as_one_after_the_other():
    assert train() == 0
    shutil.copytree(RUN, "one_by_one")
    assert train("--fold_workers", "2") == 0
    pd.testing.assert_frame_equal(figures(), figures(Path("one_by_one")), atol=2e-3)
    for number in range(3):
        ours, theirs = (read_fold_predictions(f, number)["test"] for f in (RUN, Path("one_by_one")))
        pd.testing.assert_frame_equal(ours, theirs, atol=2e-3)


def test_slides_without_usable_features_are_all_named_or_dropped(caplog):
    bad = {IDS[3]: torch.full((4, 8), float("nan")), IDS[5]: torch.empty(0, 8), IDS[6]: torch.rand(3, 5)}
    for slide_id, features in bad.items():
        write_pt(FEATURES.parent, slide_id, features)
    (FEATURES / f"{IDS[8]}.pt").unlink()
    assert train() == 2
    message = caplog.records[-1].getMessage()
    assert all(slide_id in message for slide_id in (*bad, IDS[8])) and "--missing drop" in message
    assert not Path("results").exists()
    assert train("--missing", "drop") == 0
    assert "4 slides are left out" in caplog.text
    for number in range(3):
        assert not set(pd.read_csv(RUN / f"splits_{number}.csv", dtype=str).iloc[:, 1:].stack()) & {*bad, IDS[8]}


def test_features_in_half_precision_and_in_bfloat16_train(caplog):
    assert train("--k_end", "1", "--cache_dtype", "fp16", "--amp") == 0
    assert train("--k_end", "1", "--cache_gb", "0", "--deterministic") == 0
    assert "24 bags beyond --cache_gb" in caplog.text


def test_equal_features_on_two_sides_are_told(caplog):
    split = pd.read_csv(SPLITS / "splits_0.csv", dtype=str, keep_default_na=False)
    one, other = split["train"][0], split["test"][0]
    shutil.copy(FEATURES / f"{one}.pt", FEATURES / f"{other}.pt")
    assert train("--k_end", "1") == 0
    assert "slides with the same features on more than one side" in caplog.text


def test_a_file_sets_flags_that_the_command_line_overrides(caplog):
    Path("run.yaml").write_text("max_epochs: 3\nlr: 1e-3\nearly_stopping: true\nmodel_type: abmil\nignore: [odd]\n")
    assert train("--config", "run.yaml", "--k_end", "1", "--max_epochs", "1") == 0
    assert len(read_history(RUN, 0)) == 1
    settings = read_checkpoint_config(RUN / "s_0_checkpoint.pt")
    assert settings is not None and settings.model is not None and settings.model.model_type == "abmil"
    saved = Path(RUN / "config.yaml").read_text()
    assert "lr: 0.001\n" in saved and "max_epochs: 1\n" in saved and "early_stopping: true\n" in saved


def test_the_saved_flags_train_the_same_run_again():
    train("--k_end", "1", "--lr", "1e-3")
    first = figures_of_part()
    shutil.move(RUN / "config.yaml", "again.yaml")
    assert main_program.main(["--config", "again.yaml"]) == 0
    pd.testing.assert_frame_equal(figures_of_part(), first)


def figures_of_part() -> pd.DataFrame:
    return pd.read_csv(RUN / "summary_partial_0_1.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rate: 1", "unknown flag 'learning_rate'; known: task, csv_path"),
        ("lr: fast", "lr 'fast'"),
        ("model_type: clam", "must be one of clam_sb"),
        ("early_stopping: 1", "must be true or false"),
        ("k: 0", "no whole number"),
        ("- lr", "no keys and values"),
        ("lr: [", "cannot be read"),
    ],
)
def test_a_wrong_file_of_flags_says_what_is_wrong(text, message, caplog):
    Path("run.yaml").write_text(text)
    assert train("--config", "run.yaml") == 2
    assert message in caplog.text
    assert not Path("results").exists()


def test_an_evaluation_needs_no_flags_of_training_again():
    train("--model_type", "transmil", "--drop_out", "0.4")
    assert evaluate() == 0
    shutil.move("eval_results", "with_flags")
    assert eval_program.main(["--models_exp_code", RUN.name, "--no_report"]) == 0
    ours, theirs = Path(f"eval_results/EVAL_{RUN.name}"), Path("with_flags/EVAL_toy")
    pd.testing.assert_frame_equal(figures(ours), figures(theirs))


def test_other_classes_than_those_of_training_are_named(caplog):
    train("--k_end", "1")
    assert evaluate("--k_end", "1", "--label_map", "tumor_tissue=0,normal_tissue=1") == 2
    assert "predicts normal_tissue, tumor_tissue; " in caplog.text
    assert "has tumor_tissue, normal_tissue" in caplog.text


def own_table(**columns: list) -> list[str]:
    """Write a table of one's own and return the flags that name it and its features."""
    rows = pd.DataFrame({"image": [f"{slide_id}.svs" for slide_id in IDS], **columns})
    rows.to_csv("own.csv", index=False)
    return [
        "--csv_path",
        "own.csv",
        "--slide_col",
        "image",
        "--patient_col",
        "image",
        "--data_dir",
        str(FEATURES.parent),
    ]


def through_all_programs(task: list[str], *training: str) -> pd.DataFrame:
    split = ["--k", "3", "--val_frac", "0.2"]
    assert create_splits_seq.main([*task, *split, "--split_mode", "kfold"]) == 0
    run = ["--exp_code", "own", "--k", "3", "--split_dir", "own_kfold_100", "--max_epochs", "30", "--lr", "1e-3"]
    assert main_program.main([*task, *run, "--drop_out", "0", *training]) == 0
    assert {"statistics.csv", "report.html"} <= {path.name for path in Path("results/own_s1").iterdir()}
    assert eval_program.main(["--models_exp_code", "own_s1", "--no_report"]) == 0
    of_training, of_evaluation = figures(Path("results/own_s1")), figures(Path("eval_results/EVAL_own_s1"))
    same = [name for name in of_evaluation if name.startswith("test_")]
    pd.testing.assert_frame_equal(of_training[same], of_evaluation[same], atol=1e-5)
    assert eval_program.main(["--predict", "--models_exp_code", "own_s1", "--data_dir", str(FEATURES.parent)]) == 0
    return of_training


def test_a_table_of_ones_own_goes_through_all_programs_without_a_task_file():
    task = own_table(grade=["low", "high"] * 12)
    done = through_all_programs([*task, "--label_col", "grade", "--label_map", "low=0,high=1"])
    assert done["test_auc"].mean() > 0.9


def test_a_number_can_be_learnt():
    numbers = [100 + 50 * (n % 2) + n / 100 for n in range(len(IDS))]
    task = [*own_table(age=numbers), "--task_type", "regression", "--label_col", "age"]
    done = through_all_programs(task, "--model_type", "abmil")
    assert list(done.columns) == ["folds", "test_r2", "val_r2", "test_mae", "val_mae"]
    assert done["test_r2"].mean() > 0.5
    predicted = pd.read_csv("eval_results/PREDICT_own_s1/slides.csv")
    assert predicted["Y_hat"].between(80, 170).all()


@pytest.mark.parametrize("loss", ["hazard", "cox"])
def test_a_time_to_an_event_can_be_learnt(loss):
    times = [10 - 8 * (n % 2) + n / 100 for n in range(len(IDS))]
    task = [*own_table(time=times, event=[1, 1, 1, 1, 1, 0] * 4), "--task_type", "survival"]
    done = through_all_programs(task, "--bag_loss", loss, "--model_type", "mean_pool")
    assert list(done.columns) == ["folds", "test_cindex", "val_cindex"]
    assert done["test_cindex"].mean() > 0.7
    predicted = pd.read_csv("eval_results/PREDICT_own_s1/slides.csv")
    assert ("S_0" in predicted) == (loss == "hazard") and "risk_std" in predicted


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model_type", "mil"], "--model_type mil predicts classes alone; for regression: clam_sb"),
        (["--bag_loss", "svm"], "--bag_loss svm: a task of regression is trained with mse or l1"),
        (["--subtyping"], "classes"),
    ],
)
def test_what_makes_no_sense_for_numbers_is_refused(flags, message, caplog):
    task = [*own_table(label=list(range(24))), "--task_type", "regression", "--split_dir", SPLITS.name]
    assert main_program.main([*task, "--exp_code", "toy", "--k", "3", *flags]) == 2
    assert message in caplog.text
    assert not Path("results").exists()


def test_a_table_with_unknown_labels_is_counted_and_those_can_be_ignored(caplog):
    text = (
        TABLE.read_text()
        .replace("p5,s5.svs,tumor_tissue", "p5,s5.svs,odd")
        .replace("p7,s7.svs,tumor_tissue", "p7,s7.svs,")
    )
    TABLE.write_text(text)
    assert train() == 2
    assert "unknown label 'odd' (1 row), '' (1 row)" in caplog.text and "--ignore" in caplog.text
    assert train("--ignore") == 0
    assert "2 of 24 rows are left out" in caplog.text


def test_training_survives_labels_at_random_and_folds_of_one_class():
    generator = torch.Generator().manual_seed(3)
    for slide_id in IDS:
        write_h5(Path("noise"), slide_id, torch.rand(5, 8, generator=generator).numpy())
    labels = [["low", "high"][int(torch.rand(1, generator=generator) > 0.5)] for _ in IDS]
    task = [*own_table(label=labels), "--data_dir", "noise", "--label_map", "low=0,high=1"]
    split = pd.read_csv(SPLITS / "splits_0.csv", dtype=str, keep_default_na=False, index_col=0)
    low = {slide_id for slide_id, label in zip(IDS, labels, strict=True) if label == "low"}
    for number, side in enumerate(("train", "val", "test")):
        one_class = split.assign(**{side: [name if name in low else "" for name in split[side]]})
        one_class.to_csv(SPLITS / f"splits_{number}.csv")
    for flags in ([], ["--weighted_sample", "--early_stopping", "--model_type", "dsmil"]):
        run = ["--exp_code", "toy", "--k", "3", "--split_dir", SPLITS.name, "--max_epochs", "2", "--no_report"]
        assert main_program.main([*task, *run, *flags]) == 0
        assert figures()["test_acc"].between(0, 1).all()


def test_a_run_that_was_begun_with_other_settings_does_not_go_on(monkeypatch, caplog):
    monkeypatch.setattr(fold, "SAVE_STATE_EVERY_S", 0)
    with monkeypatch.context() as patch:
        interrupted_at_pass(patch, 4)
        assert train() == 130
    assert train("--resume", "--lr", "0.01") == 2
    assert "fold 0 in results/toy_s1 was begun with other settings" in caplog.text
    (RUN / "s_0_resume.pt").write_bytes(b"damaged")
    assert train("--resume") == 0
    assert "s_0_resume.pt is damaged, so that fold starts anew" in caplog.text


def test_nothing_of_an_earlier_run_stays_beside_a_new_one(monkeypatch):
    train()
    interrupted_at_pass(monkeypatch, 1)
    assert train("--k", "2", "--lr", "1e-3") == 130
    assert not [path.name for path in RUN.glob("*") if path.name.startswith(("s_", "split_"))]


def test_folds_of_half_precision_are_not_mixed_with_others(caplog):
    train("--k_end", "1")
    assert train("--resume", "--cache_dtype", "fp16") == 2
    assert "cache_dtype fp32, now fp16" in caplog.text


def test_a_table_of_another_hospital_is_evaluated_with_the_columns_and_classes_of_training(caplog):
    task = own_table(grade=["low", "high"] * 12)
    run = ["--exp_code", "own", "--k", "3", "--split_dir", SPLITS.name, "--no_report", "--max_epochs", "2"]
    assert main_program.main([*task, "--label_col", "grade", "--label_map", "low=0,high=1", *run]) == 0
    rows = pd.read_csv("own.csv", dtype=str)
    rows.iloc[:6].to_csv("other.csv", index=False)
    evaluation = ["--models_exp_code", "own_s1", "--no_report", "--split", "all"]
    assert eval_program.main([*evaluation, "--csv_path", "other.csv"]) == 0
    assert len(pd.read_csv("eval_results/EVAL_own_s1/fold_0.csv")) == 6
    rows.assign(grade="cancer").to_csv("other.csv", index=False)
    assert eval_program.main([*evaluation, "--csv_path", "other.csv"]) == 2
    assert "unknown label 'cancer' (24 rows); known: low, high" in caplog.text
    assert eval_program.main([*evaluation, "--task_type", "survival"]) == 2
    assert "label_map and subtyping are of classes" in caplog.text


def test_labels_in_alphabetical_order_are_evaluated_by_the_names_of_training():
    task = own_table(label=["low", "high"] * 12)
    run = ["--exp_code", "own", "--k", "3", "--split_dir", SPLITS.name, "--no_report", "--max_epochs", "2"]
    assert main_program.main([*task, *run]) == 0
    pd.read_csv("own.csv", dtype=str).query("label == 'low'").to_csv("low.csv", index=False)
    assert (
        eval_program.main(["--models_exp_code", "own_s1", "--no_report", "--split", "all", "--csv_path", "low.csv"])
        == 0
    )
    assert set(pd.read_csv("eval_results/EVAL_own_s1/fold_0.csv")["Y"]) == {1}


def test_another_kind_of_task_than_that_of_training_is_named(caplog):
    task = own_table(label=["low", "high"] * 12, time=list(range(24)), event=[1] * 24)
    run = ["--exp_code", "own", "--k", "3", "--split_dir", SPLITS.name, "--no_report", "--max_epochs", "2"]
    assert main_program.main([*task, *run]) == 0
    assert eval_program.main(["--models_exp_code", "own_s1", "--task_type", "survival"]) == 2
    assert "was trained for classification, task own is one of survival" in caplog.text


def test_one_label_alone_cannot_be_learnt(caplog):
    task = own_table(label=["low"] * 24)
    assert main_program.main([*task, "--exp_code", "own", "--k", "3", "--split_dir", SPLITS.name]) == 2
    assert "column label: one label alone, low" in caplog.text


def test_an_evaluation_leaves_out_what_training_did_and_says_so(caplog):
    (FEATURES / f"{IDS[8]}.pt").unlink()
    assert train("--missing", "drop") == 0
    assert eval_program.main(["--models_exp_code", RUN.name, "--no_report", "--split", "all"]) == 0
    assert len(pd.read_csv(f"eval_results/EVAL_{RUN.name}/fold_0.csv")) == len(IDS) - 1
    assert caplog.text.count("1 slides are left out") == 2
    assert evaluate("--split", "all", "--missing", "error") == 2
