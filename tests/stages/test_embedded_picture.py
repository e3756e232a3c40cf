import base64
import io

import numpy as np
import pytest
from PIL import Image

from stages.embedded_picture import MAX_SIDE_PX, embedded_picture

rng = np.random.default_rng(0)


def decoded(embedded):
    kind, content = embedded.address.split(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(content))), len(base64.b64decode(content))


@pytest.mark.parametrize("max_bytes", [2_000, 15_000, 120_000])
@pytest.mark.parametrize("shape", [(600, 900, 3), (900, 30, 3), (900, 900), (500, 500, 4)])
def test_a_picture_has_at_most_the_bytes_and_keeps_its_shape(tmp_path, shape, max_bytes):
    Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(tmp_path / "a.png")
    embedded = embedded_picture(tmp_path / "a.png", max_bytes)
    picture, size = decoded(embedded)
    assert 0.3 * max_bytes < size <= max_bytes or picture.size == shape[1::-1]
    assert picture.size == embedded.size_px and picture.mode == "RGB"
    assert picture.width / picture.height == pytest.approx(shape[1] / shape[0], rel=0.1)


def test_a_large_picture_of_little_is_as_large_as_a_page_shows(tmp_path):
    Image.new("RGB", (4000, 2000), "white").save(tmp_path / "a.jpg")
    assert embedded_picture(tmp_path / "a.jpg", 120_000).size_px == (MAX_SIDE_PX, MAX_SIDE_PX // 2)


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\n0000"])
def test_what_cannot_be_read_is_none(tmp_path, content):
    if content is not None:
        (tmp_path / "a.png").write_bytes(content)
    assert embedded_picture(tmp_path / "a.png", 40_000) is None
