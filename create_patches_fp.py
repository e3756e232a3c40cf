"""Find the tissue of whole-slide images and lay a grid of patches over it."""

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
    positive_float,
    positive_int,
    program,
)

DESCRIPTION = """\
Find the tissue of the slides in a folder and lay a grid of patches over it.

Writes masks/, contours/ (GeoJSON), patches/ and stitches/ below SAVE_DIR, and
process_list_autogen.csv: one row a slide with its parameters and status. Look
at the masks, edit a copy of that list (parameters, process 1 or 0, keep_ids,
exclude_ids) and pass it with --process_list. The columns mpp, target_mpp and
patch_level, where the list has them, decide for their slide. The parameter
contour_fn says which patches belong to tissue: four_pt, those with ANY of four
points around their centre in it; four_pt_hard, all four; center; basic, the
corner.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this program's command line."""
    parser = new_parser(DESCRIPTION)
    _add_main_flags(parser)
    _add_resolution_flags(parser.add_argument_group("physical resolution, for each slide"))
    _add_slide_flags(parser.add_argument_group("slides"))
    _add_tissue_flags(parser.add_argument_group("tissue by other means than segmentation"))
    _add_quality_flags(parser.add_argument_group("patches to leave out (all off by default)"))
    work = parser.add_argument_group("where and how slides are worked on")
    work.add_argument("--num_workers", type=positive_int, default=1, metavar="N", help="processes, each on a slide")
    add_slide_flags(work)
    add_engine_flags(work)
    return parser


# fmt: off
def _add_main_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--source", type=path, required=True, metavar="DIR", help="folder of slides")
    add("--save_dir", type=path, required=True, metavar="DIR", help="folder for the results")
    add("--patch_size", type=positive_int, default=256, metavar="PX",
        help="side of a patch, in pixels of the patch level or of --target_mpp")
    add("--step_size", type=positive_int, metavar="PX", help="distance of patches, likewise (default: patch_size)")
    add("--overlap", metavar="PX|PART", help="instead: how far patches overlap, such as 64 pixels or 0.25 of the side")
    add("--patch_level", type=non_negative_int, metavar="N",
        help="level of the slide's pyramid to take patches from, 0 the finest (default: 0)")
    add("--custom_downsample", type=positive_int, metavar="N",
        help="read patches this much larger and resize them down (default: 1)")
    add("--preset", type=path, metavar="NAME|PATH", help="parameters for a kind of slide; names in presets/")
    add("--process_list", type=path, metavar="NAME.csv", help="edited list, in SAVE_DIR: work on its slides")
    add("--seg", action="store_true", help="draw the segmentation: masks/, contours/")
    add("--patch", action="store_true", help="make coordinates: patches/")
    add("--stitch", action="store_true", help="draw the kept patches: stitches/")
    add("--contact_sheet", action="store_true", help="draw all masks on one page: contact_sheet.png")
    add("--save_patches", action="store_true", help="store the images of the patches too; features then need no slide")
    add("--no_auto_skip", "--overwrite", action="store_true", help="work again on slides that have coordinates")
    add("--dry_run", action="store_true",
        help="write nothing; list each slide with its format, size, resolution, the patches to come and what the next "
        "stage takes for them")
    add("--patches_per_s", type=positive_float, default=12.0, metavar="N",
        help="for --dry_run: speed of feature extraction, as its last lines told; resnet50_trunc on 2 cores: 12")
    add("--grid", choices=("contour", "global"), default="contour",
        help="a grid for each piece of tissue, as in published coordinates, or one for the slide, without overlaps")


def _add_resolution_flags(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--target_mpp", type=positive_float, metavar="UM",
        help="micrometres per pixel of a patch, such as 0.5: the nearest finer level is read and resized")
    add("--target_mag", type=positive_float, metavar="X", help="the same as a magnification: 10 / X µm, 0.5 at 20")
    add("--mpp", type=positive_float, metavar="UM",
        help="micrometres per level-0 pixel of all slides, instead of what they state; the column mpp comes first")
    add("--allow_upsample", action="store_true", help="enlarge slides that are coarser than the target")


def _add_slide_flags(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--recursive", action="store_true", help="also slides in folders below SOURCE")
    add_reader_flags(group)
    add("--background", choices=("black", "white"), default="black",
        help="outside the slide and where it is transparent")


def _add_tissue_flags(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--mask_dir", type=path, metavar="DIR",
        help="take tissue from <slide>.geojson, .xml (Aperio, ASAP), .png or .pkl; a slide without one fails")
    add("--no_seg", action="store_true", help="take the whole slide for tissue")
    add("--roi", type=path, metavar="DIR|FILE", help="keep only patches in the regions of such files")


def _add_quality_flags(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--min_tissue", type=fraction, metavar="PART", help="less than this part of it is tissue, such as 0.25")
    add("--white_thresh", type=positive_float, metavar="S", help="its mean saturation (0-255) is below this, such as 5")
    add("--black_thresh", type=positive_float, metavar="V",
        help="its mean red, green and blue are below this, such as 50")
    add("--blur_thresh", type=positive_float, metavar="VAR",
        help="its variance of the Laplacian is below this, such as 20")
    add("--pen_thresh", type=fraction, metavar="PART",
        help="more than this part of it is blue or green ink, such as 0.2")
# fmt: on


@program
def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    from stages.engines import EngineSettings
    from stages.patching import create_patches
    from stages.patching_config import PatchingConfig, patch_request
    from stages.patching_survey import survey_patches
    from wsi_core.quality import QualityFilters

    config = PatchingConfig(
        source=args.source,
        save_dir=args.save_dir,
        request=patch_request(
            patch_size_px=args.patch_size,
            step_size_px=args.step_size,
            overlap=args.overlap,
            patch_level=args.patch_level,
            custom_downsample=args.custom_downsample,
            target_mpp=args.target_mpp,
            target_mag=args.target_mag,
            allow_upsample=args.allow_upsample,
            background=args.background,
        ),
        mpp=args.mpp,
        preset=args.preset,
        process_list=args.process_list,
        seg=args.seg,
        patch=args.patch,
        stitch=args.stitch,
        auto_skip=not args.no_auto_skip,
        recursive=args.recursive,
        reader=args.reader,
        max_memory_gb=args.max_memory_gb,
        mask_dir=args.mask_dir,
        no_seg=args.no_seg,
        roi=args.roi,
        grid_origin="slide" if args.grid == "global" else "contour",
        quality=QualityFilters(
            min_tissue=args.min_tissue,
            white_thresh=args.white_thresh,
            black_thresh=args.black_thresh,
            blur_thresh=args.blur_thresh,
            pen_thresh=args.pen_thresh,
        ),
        save_patches=args.save_patches,
        contact_sheet=args.contact_sheet,
        engine=EngineSettings(num_workers=args.num_workers, **engine_settings(args, parser)),
        shard=args.shard,
    )
    return survey_patches(config, args.patches_per_s) if args.dry_run else create_patches(config)


if __name__ == "__main__":
    sys.exit(main())
