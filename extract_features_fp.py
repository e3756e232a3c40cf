"""Turn the patches of whole-slide images into features."""

import argparse
import sys
from collections.abc import Sequence

from utils.cli import (
    add_engine_flags,
    add_reader_flags,
    add_slide_flags,
    engine_settings,
    fraction,
    new_parser,
    non_negative_int,
    path,
    positive_int,
    program,
)

DESCRIPTION = """\
Encode the patches that create_patches_fp.py chose.

--list_encoders shows all encoders; timm:NAME and hf-hub:OWNER/NAME are any model of timm. Weights come from
--encoder_ckpt, from the hub, or from UNI_CKPT_PATH or CONCH_CKPT_PATH.
Writes FEAT_DIR/h5_files/<slide>.h5 and FEAT_DIR/pt_files/<slide>.pt; of several encoders in FEAT_DIR/<encoder>/ each.
"""


class _ListEncoders(argparse.Action):
    """Prints the table and ends, as --help does."""

    def __call__(self, parser: argparse.ArgumentParser, *args: object, **kwargs: object) -> None:
        from models.encoders.listing import encoder_table

        print(encoder_table())
        parser.exit()


def _part(text: str) -> float:
    """Parse a part of a whole: 1%, or 0.01."""
    if text == "1":
        raise argparse.ArgumentTypeError("1 may be 1% or all: write 1% or 100%")
    if not text.endswith("%"):
        return fraction(text)
    try:
        return fraction(str(float(text[:-1]) / 100))
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no part from 0% to 100%") from error


def _gpus(text: str) -> tuple[int, ...]:
    """Parse numbers with commas between."""
    return tuple(dict.fromkeys(non_negative_int(number) for number in text.split(",")))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this program's command line."""
    parser = new_parser(DESCRIPTION)
    add = parser.add_argument
    add("--data_h5_dir", type=path, required=True, metavar="DIR", help="folder of patches/: SAVE_DIR of patching")
    add("--data_slide_dir", type=path, metavar="DIR", help="folder of slides, with those below it; not needed where "
        "patches were stored with --save_patches")  # fmt: skip
    add("--csv_path", type=path, required=True, metavar="CSV", help="table of slide_id, such as the process list")
    add("--feat_dir", type=path, required=True, metavar="DIR", help="folder for the features")
    add("--slide_ext", default=".svs", help="extension of slides that the table names without one")
    add("--no_auto_skip", action="store_true", help="encode again what is complete")
    add("--overwrite", action="store_true", help="encode again what another encoder has made of the listed slides")
    _add_encoders(parser.add_argument_group("encoders"))
    _add_reading(parser.add_argument_group("reading"))
    _add_speed(parser.add_argument_group("speed"))
    work = parser.add_argument_group("where slides are worked on")
    add_slide_flags(work, timeout_is="seconds that a block of patches is waited for before its slide is given up")
    add_engine_flags(work)
    return parser


def _add_encoders(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--list_encoders", action=_ListEncoders, nargs=0, help="show the encoders that are known, and end")
    add("--model_name", default="resnet50_trunc", help="the encoder; several with commas between read slides once")
    add("--encoder_ckpt", type=path, metavar="FILE", help="local weights: a file (.pt, .pth, .bin, .safetensors) or "
        "a downloaded folder; of several encoders NAME=FILE,NAME=FILE")  # fmt: skip
    add(
        "--target_patch_size",
        type=int,
        help="side in pixels that patches are resized to before encoding; -1: as they are "
        "(default: the encoder's, mostly 224; handcrafted takes patches as they are)",
    )
    add("--trust_remote_code", action="store_true", help="run code of the hub, for encoders that consist of such")
    add("--stain_norm", choices=("macenko", "reinhard"), help="give all patches the stains of --stain_target")
    add("--stain_target", type=path, metavar="IMAGE", help="an image full of tissue, with the stains wanted")
    add("--slide_pool", choices=("mean",), help="also write one vector a slide, to FEAT_DIR/slide_mean/")


def _add_reading(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--num_workers", type=int, help="processes that read slides; 0: this one does, without limits "
        "of time and memory (default: one for each processor, up to 8)")  # fmt: skip
    add_reader_flags(group)
    add("--max_bad_patches", type=_part, default="1%", metavar="PART", help="part of a slide's patches that may be "
        "unreadable; they are left out and named in the h5, beyond that the slide fails")  # fmt: skip
    add("--cache_dir", type=path, metavar="DIR", help="folder on a local disk to which slides are copied ahead")


def _add_speed(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--batch_size", type=positive_int, default=256, help="patches encoded at once, up to 1 GiB of them, and "
        "on a processor no more than 16; halved when memory runs out")  # fmt: skip
    add("--gpus", type=_gpus, default=(), metavar="0,1", help="GPUs to use, a process each (default: the first visible "
        "one, or the processor)")  # fmt: skip
    add("--dtype", choices=("auto", "fp32", "bf16", "fp16"), default="auto", help="number format of the network; auto: "
        "fp32 on a processor, on a GPU what the encoder is published with")  # fmt: skip
    add("--runtime", choices=("auto", "torch", "onnxruntime", "openvino"), default="auto", help="library that runs the "
        "network; auto: on a processor the fastest that is installed and gives equal features")  # fmt: skip
    add("--compile", action="store_true", help="let torch compile the network: a minute, then faster on a GPU")


@program
def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    from stages.engines import EngineSettings
    from stages.extraction import extract_features
    from stages.extraction_config import ExtractionConfig

    return extract_features(
        ExtractionConfig(
            data_h5_dir=args.data_h5_dir,
            data_slide_dir=args.data_slide_dir,
            csv_path=args.csv_path,
            feat_dir=args.feat_dir,
            batch_size=args.batch_size,
            slide_ext=args.slide_ext,
            model_name=args.model_name,
            encoder_ckpt=args.encoder_ckpt,
            target_patch_size=args.target_patch_size,
            num_workers=args.num_workers,
            auto_skip=not args.no_auto_skip,
            overwrite=args.overwrite,
            reader=args.reader,
            max_memory_gb=args.max_memory_gb,
            max_bad_part=args.max_bad_patches,
            dtype=args.dtype,
            runtime=args.runtime,
            compiled=args.compile,
            trust_remote_code=args.trust_remote_code,
            gpus=args.gpus,
            cache_dir=args.cache_dir,
            stain_norm=args.stain_norm,
            stain_target=args.stain_target,
            slide_pool=args.slide_pool is not None,
            engine=EngineSettings(**engine_settings(args, parser)),
            shard=args.shard,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
