"""HDF5 files that claim what they do not have, and lead where they should not."""

import functools
import random
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import numpy as np

from tests.reliability.fuzzing import SECRET, SECRET_TEXT

Put = Callable[[random.Random, h5py.File, str], None]
HUGE = (10**12, 2)


def strange_h5(
    rng: random.Random, folder: Path, *, names: tuple[str, ...] = (), plain: Mapping[str, object] | None = None
) -> bytes:
    """Make a file of which some tables are strange.

    Args:
        rng: what decides.
        folder: where the file is made, and others lie that it may lead to.
        names: the tables that the readers look for.
        plain: tables and attributes, for a file that is not strange at all.
    """
    _make_secrets(folder)
    path = folder / "making.h5"
    with h5py.File(path, "w", libver=rng.choice(("earliest", "latest"))) as file:
        for name, value in (plain or {}).items():
            if isinstance(value, np.ndarray):
                file.create_dataset(
                    name, data=value, chunks=True if value.size else None, compression="gzip" if value.size else None
                )
            else:
                file["coords"].attrs[name] = value
        for name in names:
            rng.choice(STRANGE if rng.random() < 0.5 else (_good,))(rng, file, name)
            if _is_own_table(file, name) and rng.random() < 0.8:
                _attributes(rng, file[name])
        if rng.random() < 0.5:
            _attributes(rng, file)
    data = path.read_bytes()
    path.unlink()
    return data


def _is_own_table(file: h5py.File, name: str) -> bool:
    here = file.id.links.exists(name.encode())
    is_hard = here and file.id.links.get_info(name.encode()).type == h5py.h5l.TYPE_HARD
    return is_hard and isinstance(file[name], h5py.Dataset)


def _make_secrets(folder: Path) -> None:
    if (folder / "secret.h5").exists():
        return
    with h5py.File(folder / "secret.h5", "w") as file:
        for name in ("coords", "features", "attention_scores", "skipped_coords"):
            file[name] = np.full((4, 2), SECRET)
        file["imgs"] = np.full((4, 16, 16, 3), 42, np.uint8)
        file["skipped_reason"] = [SECRET_TEXT] * 4
        file.attrs["made_with"] = SECRET_TEXT
    (folder / "secret.bin").write_bytes(np.full(1000, SECRET, np.int64).tobytes())


def _good(rng: random.Random, file: h5py.File, name: str) -> None:
    n = 4
    if name == "imgs":
        file[name] = np.zeros((n, 16, 16, 3), np.uint8)
    elif name == "skipped_reason":
        file[name] = ["unreadable"] * n
    elif name == "skipped_level":
        file[name] = np.zeros(n, np.int64)
    else:
        file[name] = np.arange(2 * n).reshape(n, 2)


def _huge_without_data(rng: random.Random, file: h5py.File, name: str) -> None:
    shape = rng.choice((HUGE, (10**8, 2), (2**62,), (10**6, 10**6), (1, 10**9, 10), (10**7, 16, 16, 3)))
    fill = rng.choice((None, 0, 7))
    file.create_dataset(
        name, shape, rng.choice(("i1", "i8", "f4")), chunks=tuple(min(side, 1000) for side in shape), fillvalue=fill
    )


def _contiguous_without_data(rng: random.Random, file: h5py.File, name: str) -> None:
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_alloc_time(h5py.h5d.ALLOC_TIME_LATE)
    made.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    shape = rng.choice((HUGE, (10**8, 2), (3 * 10**8,)))
    h5py.h5d.create(file.id, name.encode(), h5py.h5t.NATIVE_INT64, h5py.h5s.create_simple(shape), made)


def _huge_chunk(rng: random.Random, file: h5py.File, name: str) -> None:
    chunk = rng.choice(((10**8, 2), (4 * 10**6, 16)))
    more = {"compression": "gzip"} if rng.random() < 0.5 else {}
    table = file.create_dataset(name, (4, chunk[1]), "i8", chunks=chunk, maxshape=(None, chunk[1]), **more)
    if more:
        table.id.write_direct_chunk((0, 0), zlib.compress(bytes(1000)))


def _bomb(rng: random.Random, file: h5py.File, name: str) -> None:
    """Put a chunk that unpacks to far more than it should, or a table of zeros that are packed well."""
    inflated = rng.choice((10**7, 3 * 10**8 if rng.random() < 0.05 else 10**7))
    table = file.create_dataset(name, (100, 2), "i8", chunks=(100, 2), compression="gzip", shuffle=rng.random() < 0.5)
    table.id.write_direct_chunk((0, 0), _zeros(inflated))


@functools.cache
def _zeros(n_bytes: int) -> bytes:
    packing = zlib.compressobj()
    parts = [packing.compress(bytes(10**6)) for _ in range(n_bytes // 10**6)]
    return b"".join((*parts, packing.flush()))


def _double_bomb(rng: random.Random, file: h5py.File, name: str) -> None:
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk((100, 2))
    made.set_deflate(9)
    made.set_deflate(9)
    space = h5py.h5s.create_simple((100, 2))
    table = h5py.h5d.create(file.id, name.encode(), h5py.h5t.NATIVE_INT64, space, made)
    table.write_direct_chunk((0, 0), zlib.compress(_zeros(10**7)))


def _packed_zeros(rng: random.Random, file: h5py.File, name: str) -> None:
    n = rng.choice((1000, 1000, 1000, 10**5))
    file.create_dataset(name, data=np.zeros((n, 2), np.int8), chunks=(n, 2), compression=rng.choice(("gzip", "lzf")))


def _other_type(rng: random.Random, file: h5py.File, name: str) -> None:
    dtypes = ("i1", ">i8", "u8", "f2", "f8", "c16", "S5", "V7", "?", [("a", "i4"), ("b", "f8")], ("i4", (2,)))
    file.create_dataset(name, (4, 2), np.dtype(rng.choice(dtypes)))


def _object_type(rng: random.Random, file: h5py.File, name: str) -> None:
    kind = rng.choice((h5py.string_dtype(), h5py.vlen_dtype(np.dtype("i4")), h5py.ref_dtype, h5py.regionref_dtype))
    shape = rng.choice(((4, 2), (4,), (1,)))
    table = file.create_dataset(name, shape, kind)
    if h5py.check_string_dtype(kind):
        table[...] = np.full(shape, "x" * rng.choice((1, 1000)), object)


def _enum(rng: random.Random, file: h5py.File, name: str) -> None:
    file.create_dataset(name, (4, 2), h5py.enum_dtype({"a": 0, "b": 1}, basetype="i4"))


def _other_shape(rng: random.Random, file: h5py.File, name: str) -> None:
    shape = rng.choice(((), (0,), (1,), (4,), (2, 4), (4, 1), (1, 4, 2), (2, 4, 2), (0, 2), (4, 0), (1,) * 32))
    file.create_dataset(name, shape, rng.choice(("i8", "f4")))


def _empty(_rng: random.Random, file: h5py.File, name: str) -> None:
    file[name] = h5py.Empty("f4")


def _group(_rng: random.Random, file: h5py.File, name: str) -> None:
    file.create_group(name)


def _named_type(_rng: random.Random, file: h5py.File, name: str) -> None:
    file[name] = np.dtype("i8")


def _external_link(rng: random.Random, file: h5py.File, name: str) -> None:
    target = rng.choice(("secret.h5", "nothing.h5", "/etc/passwd", "input.h5"))
    file[name] = h5py.ExternalLink(target, f"/{name}")


def _soft_link(rng: random.Random, file: h5py.File, name: str) -> None:
    if "out" not in file.id:
        file["out"] = h5py.ExternalLink("secret.h5", "/")
    file[name] = h5py.SoftLink(rng.choice((f"/out/{name}", f"/{name}", "/nowhere", "/out", "/")))


def _external_storage(rng: random.Random, file: h5py.File, name: str) -> None:
    target = rng.choice(("secret.bin", "/etc/passwd"))
    file.create_dataset(name, (4, 2), "i8", external=[(target, 0, h5py.h5f.UNLIMITED)])


def _virtual(rng: random.Random, file: h5py.File, name: str) -> None:
    layout = h5py.VirtualLayout((4, 2), "i8")
    layout[:] = h5py.VirtualSource("secret.h5", name, (4, 2))
    file.create_virtual_dataset(name, layout, fillvalue=0)


def _values(rng: random.Random, file: h5py.File, name: str) -> None:
    value = rng.choice((np.nan, np.inf, -1, 1e300, 2**40, -(2**63)))
    file[name] = np.full((4, 2), value)


def _lengths(rng: random.Random, file: h5py.File, name: str) -> None:
    file[name] = np.zeros((rng.choice((3, 5)), 2), np.int64)


def _missing(_rng: random.Random, _file: h5py.File, _name: str) -> None:
    pass


STRANGE: tuple[Put, ...] = (
    _huge_without_data, _contiguous_without_data, _huge_chunk, _bomb, _double_bomb, _packed_zeros, _other_type,
    _object_type, _enum, _other_shape, _empty, _group, _named_type, _external_link, _soft_link, _external_storage,
    _virtual, _values, _lengths, _missing,
)  # fmt: skip

ATTRIBUTES = (
    "patch_size", "patch_level", "downsample", "level_dim", "name", "save_path", "patch_size_level0", "overlap",
    "level0_width", "target_patch_size", "custom_downsample", "background", "made_with", "mpp", "mpp_source", "scale",
    "made_from", "encoder", "patch_mpp", "version", "other",
)  # fmt: skip
VALUES: tuple[object, ...] = (
    0, 1, -1, 16, 256, 2**62, 1.5, np.nan, np.inf, "", "x", "a\u00e9", "{}", "[1]", '{"a": [1]}', "[" * 5000,
    "9" * 5000, "1e999", b"bytes", (1, 2), (1.0, np.nan), [256], [[1, 2], [3, 4]], np.zeros(8000, np.int8), ["a", "b"],
    "x" * 60_000, h5py.Empty("f4"), np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]), True, 1 + 2j, np.float16(1),
    np.uint64(2**64 - 1), np.array("\udcff".encode("utf-8", "surrogateescape")), np.void(b"abc"), "black", "white",
    "percentile", "\x1b[2J", "0,0",
)  # fmt: skip


def _attributes(rng: random.Random, item: h5py.File | h5py.Dataset) -> None:
    for name in ("patch_size", "patch_level"):
        if rng.random() < 0.7:
            item.attrs[name] = {"patch_size": 16, "patch_level": 0}[name]
    for name in rng.sample(ATTRIBUTES, rng.choice((0, 1, 2, 4))):
        item.attrs[name] = rng.choice(VALUES)
    if rng.random() < 0.1:
        item.attrs["reference"] = item.file.ref
