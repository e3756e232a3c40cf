"""Turn the patches of whole-slide images into features."""

import argparse
import sys
from collections.abc import Sequence

from utils.cli import new_parser, path, positive_float, positive_int, program

DESCRIPTION = """\
Encode the patches that create_patches_fp.py chose.

Encoders: resnet50_trunc (ImageNet, 1024 numbers), uni_v1 (1024), conch_v1 (512), handcrafted (stain and texture, no
weights). Weights come from --encoder_ckpt, from UNI_CKPT_PATH or CONCH_CKPT_PATH, or (resnet50_trunc) from the hub.
Writes FEAT_DIR/h5_files/<slide>.h5 and FEAT_DIR/pt_files/<slide>.pt.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this program's command line."""
    parser = new_parser(DESCRIPTION)
    add = parser.add_argument
    add("--data_h5_dir", type=path, required=True, metavar="DIR", help="folder of patches/: SAVE_DIR of patching")
    add("--data_slide_dir", type=path, metavar="DIR", help="folder of slides, with those below it; not needed where "
        "patches were stored with --save_patches")  # fmt: skip
    add("--csv_path", type=path, required=True, metavar="CSV", help="table of slide_id, such as the process list")
    add("--feat_dir", type=path, required=True, metavar="DIR", help="folder for the features")
    add("--batch_size", type=positive_int, default=256, help="patches encoded at once")
    add("--slide_ext", default=".svs", help="extension of slides that the table names without one")
    add("--model_name", default="resnet50_trunc", help="resnet50_trunc, uni_v1, conch_v1 or handcrafted")
    add("--encoder_ckpt", type=path, metavar="FILE", help="local weights (.pt, .pth, .bin, .safetensors)")
    add(
        "--target_patch_size",
        type=int,
        help="side in pixels that patches are resized to before encoding; -1: as they are "
        "(default: the encoder's, 224; handcrafted takes patches as they are)",
    )
    add("--num_workers", type=int, help="processes that read slides (default: one for each processor, up to 8)")
    add("--no_auto_skip", action="store_true", help="encode again what is complete")
    add("--reader", choices=("openslide", "tiffslide"), default="openslide", help="library that reads slides")
    add(
        "--max_memory_gb",
        type=positive_float,
        default=8.0,
        help="GiB that a plain image (png, jpg, flat tiff) may take",
    )
    return parser


@program
def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    args = build_parser().parse_args(argv)
    from stages.extraction import ExtractionConfig, extract_features

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
            reader=args.reader,
            max_memory_gb=args.max_memory_gb,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
