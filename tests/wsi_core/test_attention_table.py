import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from utils.errors import ItemError
from wsi_core.attention_table import COLUMNS, AttentionLayer, read_attention_table, write_attention_table
from wsi_core.percentiles import to_percentiles

COORDS = np.array([[0, 256], [512, 256], [2**31 - 1, 7]])
RAW = np.array([-1.5, 0.1, 1e-12], np.float32)
names = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)
raw_scores = arrays(np.float32, 3, elements=st.floats(allow_nan=False, allow_infinity=False, width=32))


def layer(raw=RAW, **changes):
    return AttentionLayer(
        **{"model": "clam", "class_name": "", "raw": raw, "percentile": to_percentiles(raw)} | changes
    )


@given(names, names, names, raw_scores)
@settings(deadline=None, max_examples=60)
def test_what_is_written_is_read(tmp_path_factory, slide_id, model, class_name, raw):
    path = tmp_path_factory.getbasetemp() / "a.csv"
    spread = np.array([0.0, 12.5, 1 / 3])
    layers = [layer(raw, model=model, class_name=class_name), layer(raw, spread=spread)]
    write_attention_table(path, slide_id, COORDS, 256, layers)
    table = read_attention_table(path)
    assert tuple(table.columns) == COLUMNS
    assert table["slide_id"].tolist() == [slide_id] * 6 and set(table["size_level0"]) == {256}
    assert table["model"].tolist() == [model] * 3 + ["clam"] * 3
    assert table["class"].tolist() == [class_name] * 3 + [""] * 3
    np.testing.assert_array_equal(table[["x", "y"]], np.tile(COORDS, (2, 1)))
    np.testing.assert_array_equal(table["raw"], np.tile(raw, 2))  # every bit of a float32
    np.testing.assert_allclose(table["percentile"], np.tile(to_percentiles(raw), 2), rtol=1e-8)
    np.testing.assert_allclose(table["spread"], [*[np.nan] * 3, *spread], rtol=1e-8)


def test_softmax_is_over_the_bag_of_a_layer_and_does_not_overflow(tmp_path):
    large = np.array([1000, 1000, -1000], np.float32)
    write_attention_table(tmp_path / "a.csv", "a", COORDS, 256, [layer(), layer(large)])
    shares = read_attention_table(tmp_path / "a.csv")["softmax"].to_numpy()
    np.testing.assert_allclose(shares[:3], np.exp(RAW) / np.exp(RAW).sum(), rtol=1e-6)
    np.testing.assert_array_equal(shares[3:], [0.5, 0.5, 0])


def test_a_row_reads_as_documented(tmp_path):
    write_attention_table(tmp_path / "a.csv", "a,b", COORDS[:1], 256, [layer(RAW[:1], class_name="100 %")])
    header, row = (tmp_path / "a.csv").read_text().splitlines()
    assert header == "slide_id,x,y,size_level0,model,class,raw,softmax,percentile,spread"
    assert row == '"a,b",0,256,256,clam,100 %,-1.5,1,100,'


def test_a_layer_of_other_patches_is_refused_and_leaves_no_file(tmp_path):
    with pytest.raises(ValueError):
        write_attention_table(tmp_path / "a.csv", "a", COORDS[:2], 256, [layer()])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", [None, "", "slide_id,x\na,1\n", ",".join(COLUMNS) + "\na,b,c,d,e,f,g,h,i,j\n"])
def test_what_is_no_such_table_is_named(tmp_path, text):
    if text is not None:
        (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ItemError, match=r"a\.csv is no table of attention"):
        read_attention_table(tmp_path / "a.csv")
