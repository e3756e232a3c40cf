"""Write a preset: the parameters that suit a kind of slide, for create_patches_fp.py --preset."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from utils.cli import new_parser, program

DESCRIPTION = """\
Write a preset: the parameters of segmentation and patching that suit a kind of slide.

Writes presets/NAME.csv below the current folder. Use it with create_patches_fp.py --preset NAME, or name it in the
configuration of a heatmap.
"""

NOT_PARAMS = ("preset_name", "no_padding", "white_thresh", "black_thresh", "overwrite")

logger = logging.getLogger(__name__)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this program's command line."""
    from wsi_core.params import CONTOUR_FNS, SlideParams

    default = SlideParams()
    parser = new_parser(DESCRIPTION)
    add = parser.add_argument
    add("--preset_name", required=True, metavar="NAME", help="its name, with or without .csv; no folders")
    add("--seg_level", default=default.seg_level, help="level of the pyramid to segment; -1 chooses one")
    add("--sthresh", default=default.sthresh, help="tissue is what is more saturated than this, 0-255")
    add("--mthresh", default=default.mthresh, help="side of the median filter before, odd, in pixels of that level")
    add("--use_otsu", action="store_true", help="choose sthresh for each slide, by Otsu's method")
    add("--close", default=default.close, help="side of the square that closes gaps, likewise; 0 for none")
    add("--a_t", default=default.a_t, help="least area of tissue, in squares of 512 x 512 level-0 pixels")
    add("--a_h", default=default.a_h, help="least area of a hole, likewise")
    add("--max_n_holes", default=default.max_n_holes, help="most holes in a piece of tissue")
    add("--vis_level", default=default.vis_level, help="level to draw masks at; -1 chooses one")
    add("--line_thickness", default=default.line_thickness, help="of outlines on masks, in level-0 pixels")
    add("--white_thresh", type=_byte, default=5, help="only kept for programs that read presets of the original")
    add("--black_thresh", type=_byte, default=50, help="likewise")
    add("--no_padding", action="store_true", help="leave out patches that hang over the slide's edge")
    add("--contour_fn", default=default.contour_fn, choices=CONTOUR_FNS, help="which patches belong to tissue")
    add("--overwrite", action="store_true", help="replace a preset of that name")
    return parser


@program
def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    args = build_parser().parse_args(argv)
    from utils.errors import UsageError
    from utils.names import check_id
    from wsi_core.params import SlideParams, parse_params
    from wsi_core.preset_file import write_preset

    name = check_id(args.preset_name.removesuffix(".csv"), where="--preset_name")
    cells = {flag: str(value) for flag, value in vars(args).items() if flag not in NOT_PARAMS}
    cells["use_padding"] = str(not args.no_padding)
    params = parse_params(cells, SlideParams(), where=f"preset {name}")
    path = Path("presets") / f"{name}.csv"
    if path.exists() and not args.overwrite:
        raise UsageError(f"{path} is there already; choose another --preset_name or pass --overwrite")
    write_preset(path, params, white_thresh=args.white_thresh, black_thresh=args.black_thresh)
    print(path)
    logger.info("use it with create_patches_fp.py --preset %s", name)
    return 0


def _byte(text: str) -> int:
    """Parse a whole number from 0 to 255, for argparse."""
    number = int(text)
    if not 0 <= number <= 255:
        raise argparse.ArgumentTypeError(f"{number} is not from 0 to 255")
    return number


if __name__ == "__main__":
    sys.exit(main())
