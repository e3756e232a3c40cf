"""``heatmaps/process_lists/<name>.csv``: the slides to draw heatmaps of. Owner of that format.

``slide_id`` is all it must have; ``label``, ``process``, a region ``x1, x2, y1, y2`` in level-0 pixels, the column that
chooses among several slide folders, and parameters of segmentation may follow. The results table has the same
rows with what the model said.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from utils.errors import ItemError, UsageError
from utils.names import distinct_slide_ids
from utils.switches import is_on
from utils.tables import read_text_table, write_table
from wsi_core.grid import Region
from wsi_core.params import SlideParams, SlideResolution, parse_params, parse_resolution
from wsi_core.slide_folder import SlideFolder

REGION_COLUMNS = ("x1", "y1", "x2", "y2")


@dataclass(frozen=True)
class HeatmapRow:
    """One slide of the list.

    Attributes:
        name: file name or id, as it stands in the list.
        cells: the row's cells, by column.
    """

    name: str
    cells: dict[str, str]

    @property
    def label(self) -> str:
        """The label as it stands in the list, or nothing."""
        return self.cells.get("label", "")

    def params(self, defaults: SlideParams) -> SlideParams:
        """Return the parameters of segmentation; absent or empty cells take ``defaults``."""
        return parse_params(self.cells, defaults, where=f"heatmap process list, slide {self.name}")

    @property
    def resolution(self) -> SlideResolution:
        """What the row says about the resolution of the slide."""
        return parse_resolution(self.cells, where=f"heatmap process list, slide {self.name}")

    def region(self, slide_size_level0: tuple[int, int]) -> Region:
        """Return the region of interest, as far as it lies in the slide.

        Raises:
            ItemError: a corner is missing, is no number, or the region is empty or outside the slide.
        """
        try:
            x1, y1, x2, y2 = (int(float(self.cells.get(column, ""))) for column in REGION_COLUMNS)
        except (ValueError, OverflowError) as error:
            raise ItemError(f"{self.name}: use_roi needs numbers in columns x1, x2, y1, y2", "bad_roi") from error
        if x2 <= x1 or y2 <= y1:
            raise ItemError(f"{self.name}: empty region x {x1} to {x2}, y {y1} to {y2}", "bad_roi")
        width, height = slide_size_level0
        if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
            raise ItemError(
                f"{self.name}: region x {x1} to {x2}, y {y1} to {y2} is outside the slide of {width}x{height} px",
                "bad_roi",
            )
        return Region((max(x1, 0), max(y1, 0)), (min(x2, width), min(y2, height)))


def read_rows(path: Path) -> list[HeatmapRow]:
    """Read the slides whose ``process`` is not 0.

    Raises:
        UsageError: no such file, no ``slide_id``, a name that is none, a slide twice, or ``process`` neither 1 nor 0.
    """
    where = f"heatmap process list {path}"
    table = read_text_table(path, required=("slide_id",), kind="heatmap process list")
    rows = [HeatmapRow(cells["slide_id"], cells) for cells in table.to_dict("records")]
    chosen = [row for row in rows if is_on(row.cells.get("process", ""), where=f"{where}, slide {row.name}: process")]
    distinct_slide_ids((row.name for row in chosen), where=where)
    return chosen


def rows_of_folder(folder: SlideFolder, slide_ext: str) -> list[HeatmapRow]:
    """Return a row for every slide of a folder that has the extension."""
    names = [name for name in folder.names if name.lower().endswith(slide_ext.lower())]
    if not names:
        raise UsageError(f"no {slide_ext} slides in {folder.folder}; set data_arguments.slide_ext")
    distinct_slide_ids(names, where=str(folder.folder))
    return [HeatmapRow(name, {"slide_id": name}) for name in names]


def write_results(
    path: Path, rows: list[HeatmapRow], predictions: dict[str, dict[str, str]], ours: Collection[str]
) -> None:
    """Write the rows with what is known of each slide by now: ``bag_size, Pred_0, p_0, Pred_1, ...``, atomically.

    Args:
        path: the table.
        rows: of the list.
        predictions: cells of the slides that this process has done.
        ours: names of all slides of this process. Rows of others stay as the file has them, as other processes write
            them; of ours nothing stays, lest a slide that fails now shows what an earlier run said of it.
    """
    before = {} if all(row.name in ours for row in rows) else _rows_before(path)
    others = {name: cells for name, cells in before.items() if name not in ours}
    known = [{**row.cells, **others.get(row.name, {}), **predictions.get(row.name, {})} for row in rows]
    write_table(pd.DataFrame(known).fillna(""), path)


def _rows_before(path: Path) -> dict[str, dict[str, str]]:
    try:
        table = read_text_table(path, required=("slide_id",))
    except UsageError:  # there is none yet
        return {}
    return {cells["slide_id"]: cells for cells in table.to_dict("records")}
