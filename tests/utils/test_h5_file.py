import errno
import fcntl
import zlib

import h5py
import numpy as np
import pytest

from utils import h5_file
from utils.h5_file import attributes, is_in, numbers_of, open_h5, read_numbers, read_texts

TABLE = np.arange(20).reshape(10, 2)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.h5"


@pytest.mark.parametrize(
    "how", [{}, {"chunks": True}, {"compression": "gzip", "shuffle": True}, {"compression": "lzf"}]
)
def test_numbers_come_back_however_they_are_packed(path, how):
    with h5py.File(path, "w", locking=False) as file:
        file.create_dataset("x", data=TABLE, **how)
    with open_h5(path) as file:
        np.testing.assert_array_equal(read_numbers(file, "x"), TABLE)
        np.testing.assert_array_equal(numbers_of(file, "x")[2:4], TABLE[2:4])


def test_a_file_is_opened_where_somebody_has_locked_it(path):
    """As on file systems that have no locks: none is asked for."""
    with h5py.File(path, "w", locking=False) as file:
        file["x"] = TABLE
    with path.open("rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="lock"):
            h5py.File(path, "r", locking=True)
        with open_h5(path) as file:
            assert is_in(file, "x")
        with h5py.File(path, "w", locking=False) as file:
            assert not is_in(file, "x")


@pytest.mark.parametrize("kind", ["external link", "soft link", "external storage", "virtual", "group", "text"])
def test_what_is_no_table_of_this_file_is_not_read(path, kind):
    with h5py.File(path.with_name("other.h5"), "w") as file:
        file["x"] = TABLE
    with h5py.File(path, "w", locking=False) as file:
        if kind == "external storage":
            file.create_dataset("x", (1, 2), "i8", external=[(str(path.with_name("other.h5")), 0, h5py.h5f.UNLIMITED)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout((10, 2), "i8")
            layout[:] = h5py.VirtualSource(str(path.with_name("other.h5")), "x", (10, 2))
            file.create_virtual_dataset("x", layout)
        else:
            file["out"] = h5py.ExternalLink("other.h5", "/")
            links = {"external link": h5py.ExternalLink("other.h5", "/x"), "soft link": h5py.SoftLink("/out/x")}
            file["x"] = links.get(kind, "text")
            if kind == "group":
                del file["x"]
                file.create_group("x")
    with open_h5(path) as file, pytest.raises(ValueError, match=r"x (is|lies|holds)"):
        read_numbers(file, "x")


@pytest.mark.parametrize(
    ("shape", "chunks"), [((10**12, 2), (100, 2)), ((10**6, 2), (1, 2)), ((10**4, 2), (10**7, 2)), ((2**20, 2), None)]
)
def test_shapes_without_data_are_refused(path, shape, chunks):
    with h5py.File(path, "w", locking=False) as file:
        file.create_dataset("x", shape, "i8", chunks=chunks, maxshape=(None, 2) if chunks else None)
    with open_h5(path) as file, pytest.raises(ValueError, match=r"than|missing"):
        read_numbers(file, "x")


@pytest.mark.parametrize("times", [1, 2])
def test_chunks_that_unpack_to_more_than_they_say_are_refused(path, times):
    bomb = bytes(15 * 10**7 if times == 1 else 10**6)
    for _ in range(times):
        bomb = zlib.compress(bomb, 1)
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk((10, 2))
    for _ in range(times):
        made.set_deflate(1)
    with h5py.File(path, "w", locking=False) as file:
        table = h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_INT64, h5py.h5s.create_simple((10, 2)), made)
        table.write_direct_chunk((0, 0), bomb)
    with open_h5(path) as file, pytest.raises(ValueError, match=r"unpacks to more|not read here"):
        read_numbers(file, "x")


def test_texts_come_back_and_the_same_text_again_and_again_does_not(path):
    with h5py.File(path, "w", locking=False) as file:
        file["x"] = ["one", "zwei\u00e4"]
    with open_h5(path) as file:
        assert read_texts(file, "x") == ["one", "zwei\u00e4"]


def test_attributes_are_numbers_and_texts_and_nothing_else(path):
    with h5py.File(path, "w", locking=False) as file:
        file.attrs.update(a=1, b=(1.0, 2.0), c="text", d=b"bytes", e=["x", "y"], f=np.zeros(1000), g=h5py.Empty("f4"))
        file.attrs["h"] = np.array(b"bad \xff\xfe", h5py.string_dtype())
        file.attrs["i"] = file.ref
    with open_h5(path) as file:
        found = attributes(file)
    assert set(found) == set("abcdh") and found["c"] == "text" and found["d"] == "bytes"
    assert found["h"].encode() and found["b"].tolist() == [1.0, 2.0]


def break_heap(path):
    """Let the free part behind the one text of a file's heap have no length."""
    data = bytearray(path.read_bytes())
    free = data.index(b"GCOL") + 16 + 16 + 8  # behind the header and the one text
    assert data[free : free + 2] == b"\0\0"
    data[free + 8 : free + 16] = bytes(8)
    path.write_bytes(data)


@pytest.mark.parametrize("n_rows_behind", [0, 10**6])
def test_a_heap_of_texts_that_leads_nowhere_is_refused_and_not_followed_for_ever(path, n_rows_behind):
    """Also where it lies in the middle of a large file."""
    with h5py.File(path, "w", locking=False) as file:
        file["before"] = np.zeros(n_rows_behind)
        file.attrs["a"] = "text"
        file["behind"] = np.zeros(n_rows_behind)
    break_heap(path)
    with pytest.raises(ValueError, match="texts are damaged"), open_h5(path) as file:
        attributes(file)


def test_numbers_are_read_where_the_texts_are_damaged(path):
    with h5py.File(path, "w", locking=False) as file:
        file["x"] = TABLE
        file.attrs["a"] = "text"
    break_heap(path)
    with open_h5(path) as file:
        np.testing.assert_array_equal(read_numbers(file, "x"), TABLE)


def test_texts_of_a_large_file_are_read_without_the_rest(path, monkeypatch):
    n_bytes = []
    read = h5_file._SoundHeaps.readinto
    monkeypatch.setattr(
        h5_file._SoundHeaps, "readinto", lambda self, buffer: n_bytes.append(read(self, buffer)) or n_bytes[-1]
    )
    with h5py.File(path, "w", locking=False) as file:
        file["x"] = np.zeros(10**6)
        file.attrs.update(a="text", b="another")
    with open_h5(path) as file:
        assert attributes(file) == {"a": "text", "b": "another"}
    assert 0 < sum(n_bytes) < 20_000


def test_an_interrupt_while_hdf5_reads_is_passed_on(path, monkeypatch):
    with h5py.File(path, "w", locking=False) as file:
        file.attrs["a"] = "text"

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(h5_file, "_require_sound_heap", interrupted)
    with pytest.raises(KeyboardInterrupt), open_h5(path) as file:
        attributes(file)


def test_a_disk_that_fails_while_hdf5_reads_is_told_and_no_zeros_come_back(path, monkeypatch):
    with h5py.File(path, "w", locking=False) as file:
        file["x"] = np.ones(1000)

    def failing(*_):
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output"), open_h5(path) as file:
        table = numbers_of(file, "x")
        monkeypatch.setattr(h5_file._SoundHeaps, "tell", failing)
        table[()]


def test_files_that_were_written_again_and_again_are_read(path):
    rng = np.random.default_rng(0)
    for _ in range(40):
        with h5py.File(path, "a") as file:
            name, size = "abcd"[rng.integers(4)], int(rng.choice((1, 50, 5000)))
            if name in file.attrs:
                del file.attrs[name]
            else:
                file.attrs[name] = "x" * size
        with open_h5(path) as file:
            attributes(file)
