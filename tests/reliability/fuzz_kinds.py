"""The kinds of files that strangers send: how inputs of each are made, and by what the programs read them."""

import contextlib
import io
import json
import os
import pickle
import random
import signal
import struct
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.reliability.fuzz_h5 import strange_h5
from tests.reliability.fuzzing import SPLICES, Kind, mutated
from utils.errors import ItemError, PipelineError

SLIDE_SIZE = (20_000, 15_000)
Make = Callable[[random.Random, Path], bytes]


def tried(*calls: Callable[[], object]) -> list[object]:
    """Call every reader, and return what those say that do not refuse the file; the first refusal is raised."""
    read, refusals = [], []
    for call in calls:
        try:
            read.append(call())
        except PipelineError as error:
            refusals.append(error)
    if refusals:
        raise refusals[0]
    return read


def changed_or(bases: list[bytes], strange: Make, share: float = 0.3) -> Make:
    """Make inputs by changing good ones blindly, and a share of them on purpose."""

    def make(rng: random.Random, folder: Path) -> bytes:
        return strange(rng, folder) if rng.random() < share else mutated(rng, rng.choice(bases), bases)

    return make


# HDF5


def _saved(write: Callable[[Path], None], folder: Path, name: str = "base") -> bytes:
    path = folder / name
    write(path)
    data = path.read_bytes()
    path.unlink()
    return data


def _patches(n: int):
    from wsi_core.coords_file import PatchCoords
    from wsi_core.patch_reading import PatchReading

    coords = 256 * np.stack([np.arange(n) % 7, np.arange(n) // 7], axis=1)
    return PatchCoords(coords=coords, reading=PatchReading(0, 16, 16, 16), mpp=(0.5, 0.5), name="a")


def coords() -> Kind:
    from wsi_core.coords_file import read_coords, read_images, write_coords

    def made(folder: Path) -> list[bytes]:
        images = [np.full((16, 16, 3), i, np.uint8) for i in range(3)]
        tridents = {"coords": np.zeros((0,)), "patch_size": 256, "patch_size_level0": 512}
        return [
            _saved(lambda path: write_coords(path, _patches(40)), folder),
            _saved(lambda path: write_coords(path, _patches(3), images), folder),
            strange_h5(random.Random(0), folder, plain=tridents),
        ]

    def read(path: Path) -> object:
        patches = read_coords(path)
        return patches, read_images(path, 0, 2) if patches.has_images else None

    def both(path: Path) -> object:
        return tried(lambda: read(path), lambda: read_images(path, 0, 2))

    return Kind(".h5", _of_folder(made, lambda rng, folder: strange_h5(rng, folder, names=("coords", "imgs"))), both)


def _of_folder(made: Callable[[Path], list[bytes]], strange: Make, share: float = 0.3) -> Make:
    """Make the good files once, when the folder is known."""
    bases: list[bytes] = []

    def make(rng: random.Random, folder: Path) -> bytes:
        if not bases:
            bases.extend(made(folder))
        return changed_or(bases, strange, share)(rng, folder)

    return make


def features_h5() -> Kind:
    from datasets.features_file import (
        Features,
        SkippedPatch,
        features_shape,
        is_complete,
        map_features,
        read_features_coords,
        read_features_h5,
        read_provenance,
        write_features_h5,
        write_features_pt,
    )
    from wsi_core.attention_file import read_scores

    patches = _patches(5)
    numbers = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    skipped = (SkippedPatch(0, 0, 1, "unreadable"),)

    def made(folder: Path) -> list[bytes]:
        whole = Features(numbers, patches.coords, {"encoder": "x", "mpp": "0.5"})
        lacking = Features(numbers[1:], patches.coords[1:], {}, skipped)
        return [
            _saved(lambda path: write_features_h5(path, whole), folder),
            _saved(lambda path: write_features_h5(path, lacking), folder),
            strange_h5(random.Random(0), folder, plain={"features": numbers[None], "coords": patches.coords}),
        ]

    def read(path: Path) -> object:
        home = path.parent / "feat" / "h5_files"
        if not home.exists():
            home.mkdir(parents=True)
            write_features_pt(path.parent / "feat" / "pt_files" / "input.pt", numbers)
            (home / "input.h5").symlink_to(path)
        return tried(
            lambda: read_features_h5(path),
            lambda: map_features(path),
            lambda: features_shape(path),
            lambda: read_features_coords(path),
            lambda: read_provenance(path),
            lambda: is_complete(path.parent / "feat", "input", patches, 8, {"encoder": "x"}),
            lambda: read_scores(path),
        )

    names = ("features", "coords", "skipped_coords", "skipped_level", "skipped_reason", "attention_scores", "spread")
    make = _of_folder(made, lambda rng, folder: strange_h5(rng, folder, names=names))

    def prepared(rng: random.Random, folder: Path) -> bytes:
        """Make the folders that the readers look into, before anybody watches."""
        data = make(rng, folder)
        if not (folder / "feat").exists():
            (folder / "input.h5").write_bytes(data)
            with_folders(folder / "input.h5")
        return data

    def with_folders(path: Path) -> None:
        with contextlib.suppress(PipelineError):
            read(path)

    return Kind(".h5", prepared, read)


# torch


def _torch_bases() -> list[bytes]:
    import torch

    torch.manual_seed(0)
    from models.builder import build_model
    from models.settings import ModelSettings

    saved = []
    for head in ("mean_pool", "mil"):
        state = build_model(ModelSettings(model_type=head, embed_dim=4)).state_dict()
        small = {
            name: tensor[:4].clone() if tensor.ndim == 2 and len(tensor) > 64 else tensor
            for name, tensor in state.items()
        }
        for value, is_zip in ((small, True), (small, False), (state, True)):
            file = io.BytesIO()
            torch.save(value, file, _use_new_zipfile_serialization=is_zip)
            saved.append(file.getvalue())
    for is_zip in (True, False):
        file = io.BytesIO()
        torch.save(torch.arange(12.0).reshape(3, 4), file, _use_new_zipfile_serialization=is_zip)
        saved.append(file.getvalue())
    return saved


PICKLES = (
    b"cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R", b"cbuiltins\nbytearray\n\x8a\x05\0\0\0\0\x10\x85R",
    b"ctorch\nTensor\nJ\xff\xff\xff\x0fK\x10\x86R", b"ctorch\nFloatTensor\nJ\xff\xff\xff\x7f\x85\x81",
    b"ctorch.storage\nUntypedStorage\nJ\xff\xff\xff\x7f\x85R", b"cposix\nsystem\nX\x0c\0\0\0touch harmed\x85R",
    b"cfuzz_canary\nrun\n)R", b"cbuiltins\neval\nX\x04\0\0\x001+1a\x85R", b"\x85" * 3000,
    b"r\xff\xff\xff\x7f", b"}" + b"\x85" * 90_000 + b"Ns",
    b"c_codecs\nencode\nX\x01\0\0\0xX\x06\0\0\0latin1\x86R", b"ccollections\nCounter\n)R",
    b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n",
)  # fmt: skip


def _strange_torch(rng: random.Random, bases: list[bytes]) -> bytes:
    """Change what lies inside of the archive, or how it is packed."""
    base = rng.choice([data for data in bases if data.startswith(b"PK")])
    packed = zipfile.ZipFile(io.BytesIO(base))
    records = {name: packed.read(name) for name in packed.namelist()}
    pickled = next(name for name in records if name.endswith("data.pkl"))
    how = rng.randrange(8)
    if how == 0:  # one that unpacks to a thousand times its size
        victim = rng.choice([*records])
        records[victim] = bytes(rng.choice((10**6, 10**7)))
    elif how == 1:
        records[pickled] = records[pickled][:-1] + rng.choice(PICKLES) + b"."
    elif how == 2:  # sizes that the file does not have
        number = struct.pack("<i", rng.choice((-1, 2**31 - 1, 10**9, 10**7)))
        changed = records[pickled]
        places = [i for i in range(len(changed)) if changed[i : i + 1] == b"K"]
        place = rng.choice(places)
        records[pickled] = changed[:place] + b"J" + number + changed[place + 2 :]
    elif how == 3:
        data = records[pickled]
        place = rng.randrange(2, len(data))
        records[pickled] = data[:place] + rng.choice(PICKLES) + data[place:]
    elif how == 4:
        records[pickled] = mutated(rng, records[pickled], [records[pickled]])
    elif how == 5:
        records[rng.choice(("archive/../../x", "/etc/x", "other/data.pkl", "archive/code/x.py"))] = b"x"
    elif how == 6:
        records[rng.choice([*records])] = b""
    else:
        return rng.choice(PICKLES) + b"."
    out = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if how == 0 or rng.random() < 0.1 else zipfile.ZIP_STORED
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in records.items():
            file.writestr(name, data)
    return out.getvalue()


def checkpoints() -> Kind:
    from models.checkpoint import load_model, read_checkpoint, settings_of
    from models.checkpoint_facts import features_trained_on, read_checkpoint_config
    from models.encoders.state_dict import read_weights

    bases = _torch_bases()
    facts = json.dumps(
        {
            "format": 2,
            "model": {"model_type": "mean_pool", "embed_dim": 4, "n_classes": 2},
            "task": {"name": "t", "type": "classification", "labels": ["a", "b"]},
            "features": {"encoder": "x"},
            "embed_dim": 4,
            "version": "1",
        }
    ).encode()

    def make(rng: random.Random, folder: Path) -> bytes:
        beside = folder / "input.json"
        if rng.random() < 0.7:
            beside.write_bytes(mutated(rng, facts, [facts]) if rng.random() < 0.7 else facts)
        else:
            beside.unlink(missing_ok=True)
        return changed_or(bases, lambda rng, _folder: _strange_torch(rng, bases))(rng, folder)

    def read(path: Path) -> object:
        return tried(
            lambda: settings_of(read_checkpoint(path)),
            lambda: load_model(path),
            lambda: read_checkpoint_config(path),
            lambda: features_trained_on(path),
            lambda: list(read_weights(path)),
        )

    return Kind(".pt", make, read)


def features_pt() -> Kind:
    from datasets.features_file import features_shape, map_features, read_features_pt

    bases = _torch_bases()[-2:]

    def read(path: Path) -> object:
        return tried(
            lambda: features_shape(path), lambda: map_features(path).sum(), lambda: read_features_pt(path).sum()
        )

    return Kind(".pt", changed_or(bases, lambda rng, _folder: _strange_torch(rng, bases), 0.5), read)


# tables


LISTS = (
    "slide_id,process,status,seg_level,sthresh,mthresh,close,use_otsu,keep_ids,exclude_ids,a_t,a_h,max_n_holes,"
    "vis_level,line_thickness,use_padding,contour_fn\na.svs,1,tbp,-1,8,7,4,False,none,none,100.0,16.0,8,-1,250,True,"
    "four_pt\n"
    'b.svs,0,processed,0,20,5,0,True,"0,3",none,1,1,2,-1,100,False,basic\n',
    "slide_id;label;x1;y1;x2;y2;mpp;target_mpp\n0012;tumour;0;0;100;200;0.25;0.5\n1e5;;;;;;;\n",
    'case_id,slide_id,label,note\np1,a.svs,tumor_tissue,"says ""x"", twice"\np2,b.tif,normal_tissue,\n',
    ",train,val,test\n0,a,b,c\n1,d,,\n",
)
CELLS = (
    "", " ", "../x", "/etc/passwd", "a\0b", "a" * 300, "A.SVS", "a.svs", "NaN", "inf", "-1", "1e400", "9" * 5000,
    "1e300", '"', '""', "a\nb", ";", "\ufeff", "\u00e9", "e\u0301", "=cmd()", "True", "0x10", ",".join("9" * 50), "[",
    "1e-320", "0,0",
    "fe80::1", "a" * 200_000, ".", "..", "CON", "\x1b[2J", "\u202e", "1_000",
)  # fmt: skip


def _strange_table(rng: random.Random, _folder: Path) -> bytes:
    how = rng.randrange(6)
    if how == 0:  # many columns
        names = [f"c{i}" for i in range(rng.choice((100, 5000, 100_000)))]
        rows = "a\n" * rng.choice((1, 10, 20_000))
        return ("slide_id," + ",".join(names) + "\n" + rows).encode()
    if how == 1:  # many rows
        return ("slide_id,process\n" + "".join(f"s{i},1\n" for i in range(rng.choice((10, 3000))))).encode()
    rows = [line.split(",") for line in rng.choice(LISTS).splitlines()]
    for _ in range(rng.choice((1, 2, 5))):
        row = rng.choice(rows)
        row[rng.randrange(len(row))] = rng.choice(CELLS)
    if how == 2:
        rows.append([rng.choice(CELLS) for _ in range(rng.choice((1, 3, 1000)))])
    text = "\n".join(",".join(row) for row in rows)
    return text.encode("utf-8" if rng.random() < 0.9 else "utf-16")


def process_lists() -> Kind:
    from datasets.slide_table import read_slide_list, read_slide_table
    from datasets.split_file import read_split
    from stages.extraction_plan import listed_slides
    from utils.tables import read_text_table
    from wsi_core.heatmap_list import read_rows
    from wsi_core.params import SlideParams
    from wsi_core.preset_file import read_preset
    from wsi_core.process_list import ProcessList, names_in

    bases = [text.encode() for text in LISTS]

    def of_process_list(path: Path) -> object:
        slides = ProcessList.read(path, SlideParams())
        return [
            (slides.params(name), slides.resolution(name), slides.row(name)) for name in slides.names_to_process[:50]
        ]

    def of_heatmap_list(path: Path) -> object:
        rows = read_rows(path)[:50]
        return [tried(lambda row=row: row.params(SlideParams()), lambda row=row: row.resolution) for row in rows] + [
            _region(row) for row in rows
        ]

    def _region(row):
        try:
            return row.region(SLIDE_SIZE)
        except ItemError:
            return None

    def read(path: Path) -> object:
        return tried(
            lambda: of_process_list(path),
            lambda: names_in(path),
            lambda: listed_slides(path),
            lambda: of_heatmap_list(path),
            lambda: read_slide_list(path),
            lambda: read_slide_table(path, {"tumor_tissue": 1, "normal_tissue": 0}, ignore_unknown=True),
            lambda: read_split(path),
            lambda: read_preset(path),
            lambda: len(read_text_table(path)),
        )

    return Kind(".csv", changed_or(bases, _strange_table), read)


# YAML


TASKS = (
    "csv: t.csv\nlabel_map: {normal_tissue: 0, tumor_tissue: 1}\nfeatures: feats\nignore: [x]\n"
    "filter: {site: [a, b]}\n",
    "name: t\ncsv: t.csv\ntype: survival\ntime_bins: 4\nfeatures: {a: x, b: y}\nsource_col: s\ndescription: &d hello\n",
    "csv: 'a.csv'\nsubtyping: true\npatient_voting: maj\nlabel_map:\n  a: 0\n  b: 1\n  c: 2\n",
)
CONFIG = (
    "exp_arguments: {n_classes: 2, save_exp_code: demo}\ndata_arguments:\n  data_dir: slides\n"
    "  label_dict: {a: 0, b: 1}\n"
    "patching_arguments: {patch_size: 256, overlap: 0.5}\nencoder_arguments: {model_name: handcrafted}\n"
    "model_arguments: {ckpt_path: x.pt, model_type: clam_sb}\nheatmap_arguments: {vis_level: 1, alpha: 0.4}\n"
    "sample_arguments:\n  samples:\n    - {name: top, k: 5, mode: topk}\n"
)


OBJECTS = ("!!python/object/apply:os.system ['touch harmed']", "x: !!python/name:fuzz_canary.run ''")
YAML_NUMBERS = ("9" * 5000, "0x" + "f" * 9000, "1:" * 2000 + "1", ".nan", "-.inf", "1e400")
YAML_VALUES = (
    '"\\ud800"', '"a\\0b"', "../x", "''", "2001-99-99", "2001-01-01", "!!binary aaa", "!!set {a}", "{}", "[]", "~",
)  # fmt: skip


def _strange_yaml(rng: random.Random, base: str) -> bytes:
    deep = rng.choice((10, 100, 1000, 20_000))
    laughs = "a0: &a0 [x, x]\n" + "".join(
        f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, rng.choice((8, 30, 200)))
    )
    merges = "a0: &a0 {x: 1}\n" + "".join(
        f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, rng.choice((8, 40)))
    )
    last = laughs.count("\n") - 1
    texts = (
        lambda: laughs + base,
        lambda: laughs + base.replace("t.csv", f"*a{last}", 1).replace("slides", f"*a{last}", 1),
        lambda: laughs + f"label_map: *a{last}\ncsv: t.csv\n",
        lambda: merges + base,
        lambda: "filter: &f {a: *f}\ncsv: t.csv\n",
        lambda: "csv: &f [*f]\n",
        lambda: "csv: " + "[" * deep + "]" * deep,
        lambda: "csv: " + "{a: " * deep + "}" * deep,
        lambda: "? " * deep + "a",
        lambda: "- " * deep + "a",
        lambda: base + rng.choice(OBJECTS),
        lambda: base + "time_bins: " + rng.choice(YAML_NUMBERS),
        lambda: base + f"{rng.choice(('name', 'csv', 'label_col', 'features', 'save_exp_code'))}: "
        + rng.choice(YAML_VALUES),
        lambda: base + "x" * rng.choice((10**4, 10**6)),
        lambda: base + "label_map: {" + ", ".join(f"l{i}: {i}" for i in range(rng.choice((10, 5000)))) + "}\n",
        lambda: base + "ignore: [" + "a, " * rng.choice((10, 50_000)) + "]\n",
        lambda: "# " + "c" * 10**6 + "\n" + base,
        lambda: "---\n" * deep + base,
        lambda: "%TAG ! tag:x,2000:\n---\n" + base,
        lambda: "{" + "a: b, " * deep + "}",
    )  # fmt: skip
    return rng.choice(texts)().encode("utf-8", "surrogatepass")


def tasks() -> Kind:
    from datasets.tasks import read_task

    bases = [text.encode() for text in TASKS]

    def read(path: Path) -> object:
        task = read_task(path)
        return task, task.targets

    return Kind(".yaml", changed_or(bases, lambda rng, _folder: _strange_yaml(rng, rng.choice(TASKS))), read)


def heatmap_configs() -> Kind:
    from stages.heatmap_config import read_config
    from stages.run_files import read_flags
    from utils.cli import _read_flags

    def read(path: Path) -> object:
        flags = path.parent / "config.yaml"
        return tried(lambda: read_config(path), lambda: _read_flags(str(path)), lambda: read_flags(flags.parent))

    def make(rng: random.Random, folder: Path) -> bytes:
        data = changed_or([CONFIG.encode()], lambda rng, _folder: _strange_yaml(rng, CONFIG))(rng, folder)
        (folder / "config.yaml").write_bytes(data)
        return data

    return Kind(".yaml", make, read)


# outlines


def _collection(*geometries: object) -> dict:
    return {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "geometry": g, "properties": {}} for g in geometries],
    }


def _polygon(*rings: object, kind: str = "Polygon") -> dict:
    return {"type": kind, "coordinates": list(rings)}


SQUARE = [[0, 0], [1000, 0], [1000, 900.5], [0, 900], [0, 0]]
HOLE = [[100, 100], [200, 100], [200, 200], [100, 100]]


def _strange_geojson(rng: random.Random, _folder: Path) -> bytes:
    many = rng.choice((10, 10_000, 100_000))
    values = (
        1e308,
        10**400,
        -1,
        "5",
        None,
        True,
        [],
        {},
        [[1]],
        "x" * 100_000,
        float("nan"),
        float("inf"),
        2**63,
        -0.0,
        1e-320,
    )
    odd = rng.choice(values)
    angle = np.linspace(0, 40, many)
    spiral = np.stack([5000 + 4000 * np.cos(angle), 5000 + 4000 * np.sin(7 * angle)], axis=1).tolist()
    texts: tuple[Callable[[], object], ...] = (
        lambda: _collection(_polygon([*SQUARE[:2], [odd, 5], *SQUARE[2:]])),
        lambda: _collection(_polygon([*SQUARE[:2], odd, *SQUARE[2:]])),
        lambda: _collection(_polygon(SQUARE, odd)),
        lambda: _collection(_polygon([["x" * 50_000, 0], *([[0, 0]] * 3000)])),
        lambda: _collection(odd, _polygon(SQUARE)),
        lambda: _collection(_polygon([*spiral, spiral[0]])),
        lambda: _collection(*[_polygon(SQUARE, HOLE)] * rng.choice((1, 1000))),
        lambda: _collection({"type": "GeometryCollection", "geometries": [_polygon(SQUARE), odd]}),
        lambda: _collection({"type": odd, "coordinates": [SQUARE]}),
        lambda: _collection(_polygon([_polygon(SQUARE)], kind="MultiPolygon")),
        lambda: _polygon([[SQUARE]], kind="MultiPolygon"),
        lambda: {"type": "FeatureCollection", "features": odd, "clam_sha256": odd},
        lambda: odd,
        lambda: [odd] * rng.choice((1, many if len(repr(odd)) < 1000 else 10)),  # megabytes, not gigabytes
    )
    if rng.random() < 0.2:
        deep = rng.choice((100, 1000, 100_000))
        return b'{"type":"Polygon","coordinates":' + b"[" * deep + b"1" + b"]" * rng.choice((0, deep)) + b"}"
    return json.dumps(rng.choice(texts)()).encode(rng.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16")))


def geojson() -> Kind:
    from wsi_core.contours import Contour
    from wsi_core.outlines.find import read_outlines
    from wsi_core.outlines.geojson_file import is_edited, write_geojson

    square = np.array(SQUARE[:-1]).astype(np.int32)
    hole = np.array(HOLE[:-1]).astype(np.int32)

    def made(folder: Path) -> list[bytes]:
        return [
            _saved(lambda path: write_geojson(path, [Contour(square, [hole], 0), Contour(square, [], 1)]), folder),
            json.dumps(_collection(_polygon(SQUARE, HOLE), {"type": "Point", "coordinates": [1, 2]})).encode(),
            json.dumps(
                [{"type": "Feature", "geometry": _polygon([SQUARE], [SQUARE, HOLE], kind="MultiPolygon")}]
            ).encode(),
        ]

    def read(path: Path) -> object:
        return tried(lambda: len(read_outlines(path, SLIDE_SIZE)), lambda: is_edited(path))

    return Kind(".geojson", _of_folder(made, _strange_geojson), read)


def contour_pickles() -> Kind:
    from wsi_core.outlines.find import read_outlines

    value = {"tissue": [np.array(SQUARE[:-1], np.int32)[:, None]], "holes": [[np.array(HOLE[:-1], np.int32)[:, None]]]}
    bases = [pickle.dumps(value, protocol) for protocol in range(6)]

    def strange(rng: random.Random, _folder: Path) -> bytes:
        base = rng.choice(bases[2:])
        place = rng.randrange(2, len(base))
        return base[:place] + rng.choice((*PICKLES, *SPLICES)) + base[place:]

    return Kind(".pkl", changed_or(bases, strange), lambda path: len(read_outlines(path, SLIDE_SIZE)))


def annotation_xml() -> Kind:
    from wsi_core.outlines.find import read_outlines

    aperio = (
        '<Annotations MicronsPerPixel="0.5"><Annotation Id="1"><Regions><Region Id="1" Type="0" NegativeROA="0">'
        "<Vertices>"
        '<Vertex X="0" Y="0"/><Vertex X="900" Y="0"/><Vertex X="900" Y="800"/></Vertices></Region><Region Id="2" '
        'NegativeROA="1"><Vertices><Vertex X="600" Y="100"/><Vertex X="700" Y="100"/><Vertex X="700" Y="150"/>'
        "</Vertices></Region></Regions></Annotation></Annotations>"
    )
    asap = (
        '<ASAP_Annotations><Annotations><Annotation Name="a" Type="Polygon"><Coordinates>'
        '<Coordinate Order="0" X="1" Y="2"/>'
        '<Coordinate Order="1" X="50,5" Y="2"/><Coordinate Order="2" X="1" Y="60"/></Coordinates></Annotation>'
        "</Annotations></ASAP_Annotations>"
    )
    laughs = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
        f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' if i else '<!ENTITY a0 "ha">' for i in range(20)
    ) + "]>"  # fmt: skip

    def strange(rng: random.Random, folder: Path) -> bytes:
        secret = f'<!DOCTYPE x [<!ENTITY s SYSTEM "file://{folder}/secret.txt">]>'
        (folder / "secret.txt").write_text("the-secret-of-another-file")
        base = rng.choice((aperio, asap))
        deep = rng.choice((100, 10_000, 200_000))
        texts = (
            lambda: laughs + base.replace('"1"', '"&a19;"', 1),
            lambda: secret + base.replace('Id="1"', 'Id="&s;"').replace("<Regions>", "<Regions>&s;"),
            lambda: "<a>" * deep + "</a>" * deep,
            lambda: base.replace('"1"', f'"{rng.choice(CELLS)}"', 1).replace("\0", ""),
            lambda: base.replace("</Vertices>", '<Vertex X="5" Y="6"/>' * 10_000 + "</Vertices>"),
            lambda: base.replace(
                "<Region ", base.partition("<Regions>")[2].partition("</Regions>")[0] * 300 + "<Region ", 1
            ),
            lambda: "<x " + " ".join(f'a{i}="1"' for i in range(deep)) + "/>",
        )
        return rng.choice(texts)().encode("utf-8", "replace")

    bases = [aperio.encode(), asap.encode()]
    return Kind(".xml", changed_or(bases, strange), lambda path: len(read_outlines(path, SLIDE_SIZE)))


def heatmap_layers() -> Kind:
    from wsi_core.heatmap_layers import read_layers

    good = {
        "slide_id": "a", "slide_file": "a.svs", "size_level0": [1, 2], "patch_size_level0": 256,
        "contours": "a.geojson",
        "thumbnail": "a.jpg", "overlay": "b.jpg", "layers": [{"model": "m", "blockmap": "a.h5"}],
        "predictions": [{"model": "m", "head": "clam_sb", "values": {"x": 0.5, "y": 0.5}}],
    }  # fmt: skip

    def strange(rng: random.Random, _folder: Path) -> bytes:
        value = dict(good)
        value[rng.choice([*good])] = rng.choice(
            ("../x", "a\0", 10**400, [], {}, None, [[]], "\x1b", "a" * 10**6, 1e400, -1)
        )
        return json.dumps(value).encode()

    def read(path: Path) -> object:
        layers = read_layers(path)
        return layers, [said.has_probabilities for said in layers.predictions]

    return Kind(".json", changed_or([json.dumps(good).encode()], strange), read)


def careless() -> Kind:
    """Make a kind whose reader does what no reader may, to see that it is noticed."""

    def _loop() -> None:
        while True:
            pass

    deeds: tuple[Callable[[], object], ...] = (
        lambda: {}["missing"],
        lambda: np.zeros(2 * 1024**3, np.uint8),
        lambda: open("written", "w").close(),
        lambda: subprocess.run(["true"], check=False),
        lambda: __import__("fuzz_canary"),
        lambda: "the-secret-of-another-file",
        _loop,
        lambda: os.kill(os.getpid(), signal.SIGKILL),
    )
    made: list[int] = []

    def make(rng: random.Random, folder: Path) -> bytes:
        drawn = rng.random()
        made[:] = [number for number in range(len(deeds)) if random.Random(f"careless {number}").random() == drawn]
        return b""

    return Kind(".x", make, lambda path: deeds[made[0]](), work_s=0.2)


KINDS: dict[str, Callable[[], Kind]] = {
    kind.__name__: kind
    for kind in (
        coords, features_h5, checkpoints, process_lists, tasks, geojson,
        features_pt, contour_pickles, annotation_xml, heatmap_layers, heatmap_configs, careless,
    )
}  # fmt: skip
