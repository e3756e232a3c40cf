import numpy as np
import pytest

from datasets.cohort_provenance import cohort_provenance
from datasets.features_file import Features, h5_path, write_features_h5
from utils.errors import UsageError

UNI = {"encoder": "uni_v1", "weights_sha256": "ab12", "patch_size": "256"}


def slide(folder, slide_id, **made_from):
    path = h5_path(folder, slide_id)
    write_features_h5(path, Features(np.zeros((1, 2), np.float32), np.zeros((1, 2), int), made_from))
    return path


def test_two_encoders_are_named_with_a_slide_of_each_also_in_two_folders(tmp_path):
    paths = [slide(tmp_path / "a", f"a{number}", **UNI) for number in range(3)]
    paths.append(slide(tmp_path / "b", "other", encoder="conch_v1", weights_sha256="cd34"))
    with pytest.raises(UsageError) as error:
        cohort_provenance(paths)
    for named in (
        "uni_v1 (weights_sha256 ab12) and conch_v1 (weights_sha256 cd34)",
        f"{paths[0]} and 2 more",
        paths[3],
    ):
        assert str(named) in str(error.value)


def test_a_file_that_says_nothing_hides_no_difference_between_others(tmp_path):
    silent, partly = slide(tmp_path, "silent"), slide(tmp_path, "partly", encoder="uni_v1")
    one, other = (slide(tmp_path, text, **UNI, pooling=text) for text in ("cls", "mean"))
    assert cohort_provenance([silent, partly, one])["pooling"] == "cls"
    with pytest.raises(UsageError, match=r"pooling cls.*pooling mean.*cls\.h5.*mean\.h5"):
        cohort_provenance([silent, partly, one, other])


def test_what_varies_between_slides_is_left_out(tmp_path):
    paths = [slide(tmp_path, f"s{mpp}", **UNI, mpp=mpp) for mpp in ("0.25", "0.5")]
    assert cohort_provenance(paths) == UNI


def test_files_that_are_missing_or_damaged_say_nothing(tmp_path):
    damaged = h5_path(tmp_path, "damaged")
    damaged.parent.mkdir()
    damaged.write_bytes(b"no h5")
    assert cohort_provenance([h5_path(tmp_path, "missing"), damaged]) == {}
    assert cohort_provenance([damaged, slide(tmp_path, "good", **UNI)]) == UNI
