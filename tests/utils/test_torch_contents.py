import io
import tarfile
import zipfile
from collections import OrderedDict

import pytest
import torch

from utils.torch_file import DamagedFileError, read_torch_file

TENSORS = OrderedDict(
    a=torch.arange(12.0).reshape(3, 4).t(),
    b=torch.zeros(0, 5),
    c=torch.tensor(1, dtype=torch.int8),
    d=torch.ones(2).half(),
)


def saved(folder, value, is_zip=True):
    torch.save(value, folder / "a.pt", _use_new_zipfile_serialization=is_zip)
    return folder / "a.pt"


def records(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(path, contents, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("is_zip", [True, False])
def test_tensors_come_back(tmp_path, is_zip):
    value = {**TENSORS, "shared": TENSORS["a"], "more": {"epoch": 3, "parameter": torch.nn.Parameter(torch.ones(2))}}
    read = read_torch_file(saved(tmp_path, value, is_zip))
    assert all(torch.equal(read[name], tensor) for name, tensor in TENSORS.items())
    assert read["more"]["epoch"] == 3 and isinstance(read["more"]["parameter"], torch.nn.Parameter)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_tensor_larger_than_its_data_is_refused(tmp_path, is_zip):
    with pytest.raises(DamagedFileError, match="larger than its data"):
        read_torch_file(saved(tmp_path, torch.zeros(1).expand(10**6, 10**6), is_zip))


@pytest.mark.parametrize(
    "pickled",
    [
        b"cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R", b"ctorch\nTensor\nJ\xff\xff\xff\x7f\x85R",
        b"ctorch\nFloatTensor\nJ\xff\xff\xff\x7f\x85R", b"ctorch.storage\nUntypedStorage\nJ\xff\xff\xff\x7f\x85R",
        b"cposix\nsystem\nX\x01\0\0\0x\x85R", b"}" + b"\x85" * 100_000 + b"Ns",
    ],
)  # fmt: skip
def test_what_takes_memory_or_runs_is_refused_before_it_does(tmp_path, pickled):
    path = saved(tmp_path, TENSORS)
    contents = {
        name: b"\x80\x02" + pickled + b"." if name.endswith("data.pkl") else data
        for name, data in records(path).items()
    }
    with pytest.raises(DamagedFileError, match=r"asks for|without data|TypeError|nested"):
        read_torch_file(packed(path, contents))


def test_archives_that_unpack_are_refused(tmp_path):
    path = saved(tmp_path, TENSORS)
    with pytest.raises(DamagedFileError, match="are packed"):
        read_torch_file(packed(path, records(path), zipfile.ZIP_DEFLATED))


def test_archives_of_another_kind_leave_no_files(tmp_path):
    with tarfile.open(tmp_path / "a.pt", "w") as archive:
        archive.addfile(tarfile.TarInfo("storages"), io.BytesIO())
    with pytest.raises(DamagedFileError, match=r"no file that torch\.save writes"):
        read_torch_file(tmp_path / "a.pt")
