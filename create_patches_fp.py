"""Find the tissue of whole-slide images and lay a grid of patches over it."""

import argparse
import sys
from collections.abc import Sequence

from utils.cli import new_parser, path, positive_int, program

DESCRIPTION = """\
Find the tissue of the slides in a folder and lay a grid of patches over it.

Writes masks/, patches/ and stitches/ below SAVE_DIR, and process_list_autogen.csv: one row a slide with its
parameters and status. Look at the masks, edit a copy of that list (parameters, process 1 or 0, keep_ids,
exclude_ids; the parameter contour_fn is one of four_pt: ANY of four points around the patch's centre lies in
the tissue, four_pt_hard: all four, center, basic: the corner) and pass it with --process_list.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this program's command line."""
    parser = new_parser(DESCRIPTION)
    add = parser.add_argument
    add("--source", type=path, required=True, metavar="DIR", help="folder of slides")
    add("--save_dir", type=path, required=True, metavar="DIR", help="folder for the results")
    add("--patch_size", type=positive_int, default=256, help="side of a patch, in pixels of the patch level")
    add("--step_size", type=positive_int, help="distance of patches, likewise (default: patch_size)")
    add("--patch_level", type=int, default=0, help="level of the slide's pyramid to take patches from; 0 is the finest")
    add("--custom_downsample", type=positive_int, default=1, help="read patches this much larger and resize them down")
    add("--preset", type=path, metavar="NAME.csv|PATH", help="parameters for a kind of slide; names in presets/")
    add("--process_list", type=path, metavar="NAME.csv", help="edited list, in SAVE_DIR: work on its slides")
    add("--seg", action="store_true", help="draw the segmentation: masks/")
    add("--patch", action="store_true", help="make coordinates: patches/")
    add("--stitch", action="store_true", help="draw the kept patches: stitches/")
    add("--no_auto_skip", action="store_true", help="work again on slides that have coordinates")
    return parser


@program
def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    args = build_parser().parse_args(argv)
    from stages.patching import create_patches
    from stages.patching_config import PatchingConfig

    return create_patches(
        PatchingConfig(
            source=args.source,
            save_dir=args.save_dir,
            patch_size_px=args.patch_size,
            step_size_px=args.step_size or args.patch_size,
            patch_level=args.patch_level,
            custom_downsample=args.custom_downsample,
            preset=args.preset,
            process_list=args.process_list,
            seg=args.seg,
            patch=args.patch,
            stitch=args.stitch,
            auto_skip=not args.no_auto_skip,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
