"""The classic sets are read as they are handed on: bags named by text or by number, classes beside them."""

import numpy as np
import pytest
from scipy.io import savemat

from benchmarks.musk import read_bags


def test_musk1_has_the_published_sizes(shared):
    bags = read_bags(shared / "mil_benchmarks" / "musk1.mat")
    assert (len(bags.features), bags.labels.sum()) == (92, 47)
    assert sum(len(features) for features in bags.features) == 476
    assert {features.shape[1] for features in bags.features} == {166}


@pytest.mark.parametrize("bag_of", [np.array([[7], [9], [7]]), np.array([[7, 1], [9, 1], [7, 2]])])
def test_numbered_bags_are_positive_where_an_instance_is_and_features_are_standardised(tmp_path, bag_of):
    classes = np.empty((1, 1), object)
    classes[0, 0] = np.array(["negative", "positive"])
    data = np.array([[1.0, 5], [2, 5], [3, 5]])
    stored = {"data": data, "lablist": classes, "nlab": np.array([[1], [1], [2]]), "ident": {"milbag": bag_of}}
    savemat(tmp_path / "set.mat", {"x": stored})
    bags = read_bags(tmp_path / "set.mat")
    assert bags.labels.tolist() == [True, False]
    assert bags.features[0] == pytest.approx(np.array([[-(1.5**0.5), 0], [1.5**0.5, 0]]), abs=1e-6)
