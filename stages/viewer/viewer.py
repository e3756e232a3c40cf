"""What the viewer shows: pictures and facts, by slide, layer and place, made when asked for and kept for a while."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image

from stages.viewer.cache import Cache
from stages.viewer.layer_scores import LayerScores, PatchScore
from stages.viewer.overlay_tiles import COLOUR_MAPS, colour_bar, grid_of, overlay_tile
from stages.viewer.results import STATUS_NOT_THERE, Results, ViewedSlide
from stages.viewer.slide_handles import SlideHandle, SlideHandles
from stages.viewer.slide_tiles import as_jpeg, cut_out, read_area
from stages.viewer.tile_grid import TILE_PX, Tile, max_shrink
from utils.errors import ItemError, PipelineError
from utils.pictures import PICTURE_FORMATS
from wsi_core.outlines.geojson_file import read_geojson
from wsi_core.score_map import ScoreGrid

ScoresOf = Literal["block", "fine"]
SCORES_OF: tuple[ScoresOf, ...] = get_args(ScoresOf)
KEPT_PATCHES = 4_000_000  # of layers; about 100 bytes each
KEPT_GRIDS_MIB = 128  # so that other colours and thresholds do not wait for the scores
KEPT_THUMBNAILS = 32
SHOWN_PATCHES = 8  # at either end of the ranking
PATCH_PICTURE_PX = 160


class Viewer:
    """Serves what one set of results holds. Safe to share between threads.

    Args:
        results: the slides.
        handles: their files.
        cache_mib: what is kept of finished tiles, in MiB.
    """

    def __init__(self, results: Results, handles: SlideHandles, cache_mib: int) -> None:
        self.results = results
        self._handles = handles
        self._tiles: Cache[bytes] = Cache(cache_mib * 2**20, len)
        self._grids: Cache[ScoreGrid] = Cache(KEPT_GRIDS_MIB * 2**20, _bytes_of)
        self._scores: Cache[LayerScores] = Cache(KEPT_PATCHES, len)
        self._thumbnails: Cache[Image.Image] = Cache(KEPT_THUMBNAILS, lambda picture: 1)

    def facts(self, key: str) -> dict[str, Any]:
        """Return what the page of a slide starts from, ready for JSON.

        Raises:
            ItemError: there is no such slide.
        """
        viewed = self.results.slide(key)
        layers, show = viewed.layers, viewed.experiment.config.heatmap_arguments
        note, version = "", f"{viewed.read_at_ns:x}"
        try:
            version += f"-{self._handles.get(viewed).version}"
        except PipelineError as error:
            note = str(error)
        return {
            **layers.model_dump(mode="json", include={"slide_id", "slide_file", "label", "size_level0", "mpp"}),
            "patch_size_level0": layers.patch_size_level0,
            "keys": self.results.keys,
            "predictions": [prediction.model_dump(mode="json") for prediction in layers.predictions],
            "layers": [
                {"model": layer.model, "class_name": layer.class_name, "has_fine": bool(layer.fine)}
                for layer in layers.layers
            ],
            "note": note,
            "version": version,
            "tile_px": TILE_PX,
            "max_shrink": max_shrink(layers.size_level0),
            "colour_maps": list(colour_maps(viewed)),
            "colour_map": show.cmap,
            "opacity_percent": round(100 * show.alpha),
        }

    def slide_tile(self, key: str, tile: Tile) -> bytes:
        """Return a tile of the slide, JPEG.

        Raises:
            ItemError: there is no such slide or tile, or the slide's file is missing or damaged.
        """
        viewed = self.results.slide(key)
        size_px = _size_px(viewed, tile)
        handle = self._handles.get(viewed)
        place = (tile.corner_level0, tuple(side * tile.downsample for side in size_px), size_px)
        return self._tiles.get(
            (key, handle.version, tile),
            lambda: as_jpeg(self._picture(viewed, handle, *place)),  # type: ignore[arg-type]
        )

    def overlay_tile(
        self, key: str, layer: int, scores_of: ScoresOf, tile: Tile, colour_map: str, threshold_percent: int
    ) -> bytes:
        """Return a tile of attention, PNG; see ``overlay_tiles.overlay_tile``.

        Raises:
            ItemError: there is no such slide, layer, tile, or colour map on offer.
        """
        viewed = self.results.slide(key)
        size_px = _size_px(viewed, tile)
        _require_on_offer(colour_map, viewed)
        place = (key, viewed.read_at_ns, layer, scores_of, tile)

        def scores() -> ScoreGrid:
            return grid_of(self.scores(viewed, layer, scores_of).map, tile, size_px)

        def paint() -> bytes:
            return overlay_tile(self._grids.get(place, scores), colour_map, threshold_percent)

        return self._tiles.get((place, colour_map, threshold_percent), paint)

    def score_at(self, key: str, layer: int, scores_of: ScoresOf, x_level0: float, y_level0: float) -> dict[str, Any]:
        """Return the score at a point: ``patch`` or None, and ``of``, the number of patches."""
        scores = self.scores(self.results.slide(key), layer, scores_of)
        patch = scores.at(x_level0, y_level0)
        return {"patch": patch and asdict(patch), "of": len(scores)}

    def ranking(self, key: str, layer: int) -> dict[str, Any]:
        """Return the patches without overlap that score ``highest`` and ``lowest``, and ``of``, their number."""
        scores = self.scores(self.results.slide(key), layer, "block")
        n_shown = min(SHOWN_PATCHES, (len(scores) + 1) // 2)

        def listed(patches: list[PatchScore]) -> list[dict[str, Any]]:
            return [asdict(patch) for patch in patches]

        return {
            "highest": listed(scores.highest(n_shown)),
            "lowest": listed(scores.lowest(min(n_shown, len(scores) - n_shown))),
            "of": len(scores),
        }

    def patch_picture(self, key: str, layer: int, number: int) -> bytes:
        """Return a small picture of a patch without overlap, JPEG.

        Raises:
            ItemError: there is no such slide, layer or patch, or the slide's file is missing or damaged.
        """
        viewed = self.results.slide(key)
        patch = self.scores(viewed, layer, "block").patch(number)
        handle = self._handles.get(viewed)
        side, side_px = viewed.layers.patch_size_level0, PATCH_PICTURE_PX
        place = ((patch.x, patch.y), (side, side), (side_px, side_px))
        return self._tiles.get((key, handle.version, place), lambda: as_jpeg(self._picture(viewed, handle, *place)))

    def colour_bar(self, key: str, colour_map: str) -> bytes:
        """Return the colours from the lowest to the highest score, PNG; an ItemError where it is not on offer."""
        _require_on_offer(colour_map, self.results.slide(key))
        return colour_bar(colour_map)

    def contours(self, key: str) -> list[list[list[list[int]]]]:
        """Return the tissue of a slide: of each piece its outline and its holes, lists of [x, y] in level-0 pixels."""
        viewed = self.results.slide(key)
        contours = read_geojson(viewed.file(viewed.layers.contours), viewed.layers.size_level0)
        return [[ring.tolist() for ring in (contour.outline, *contour.holes)] for contour in contours]

    def scores(self, viewed: ViewedSlide, layer: int, scores_of: ScoresOf) -> LayerScores:
        """Return the scores of a layer.

        Raises:
            ItemError: there is no such layer, or its file is missing.
        """
        names = viewed.layer(layer)
        if scores_of == "fine" and not names.fine:
            raise ItemError("no scores of overlapping patches were computed", STATUS_NOT_THERE)
        reference = viewed.file(names.blockmap)
        path = viewed.file(names.fine) if scores_of == "fine" else reference
        side = viewed.layers.patch_size_level0
        asked_for = (path, path.stat().st_mtime_ns, reference, reference.stat().st_mtime_ns, side)
        return self._scores.get(asked_for, lambda: LayerScores.read(path, reference, side))

    def _picture(
        self,
        viewed: ViewedSlide,
        handle: SlideHandle,
        corner_level0: tuple[int, int],
        size_level0: tuple[int, int],
        size_px: tuple[int, int],
    ) -> np.ndarray:
        """Read a part of the slide; where it has no coarse levels, cut it out of the thumbnail instead."""
        image = read_area(handle, corner_level0, size_level0, size_px)
        if image is not None:
            return image
        return cut_out(self._thumbnail(viewed), viewed.layers.size_level0, corner_level0, size_level0, size_px)

    def _thumbnail(self, viewed: ViewedSlide) -> Image.Image:
        path = viewed.file(viewed.layers.thumbnail)
        return self._thumbnails.get((path, path.stat().st_mtime_ns), _opener_of(viewed))


def _opener_of(viewed: ViewedSlide) -> Callable[[], Image.Image]:
    def read() -> Image.Image:
        try:
            with Image.open(viewed.file(viewed.layers.thumbnail), formats=PICTURE_FORMATS) as picture:
                return picture.convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise ItemError("the thumbnail is damaged", STATUS_NOT_THERE) from error

    return read


def _bytes_of(grid: ScoreGrid) -> int:
    return grid.means.nbytes + grid.covered.nbytes


def colour_maps(viewed: ViewedSlide) -> tuple[str, ...]:
    """Return the colour maps on offer, that of the configuration first."""
    return tuple(dict.fromkeys((viewed.experiment.config.heatmap_arguments.cmap, *COLOUR_MAPS)))


def _require_on_offer(colour_map: str, viewed: ViewedSlide) -> None:
    if colour_map not in colour_maps(viewed):
        raise ItemError("there is no such colour map", STATUS_NOT_THERE)


def _size_px(viewed: ViewedSlide, tile: Tile) -> tuple[int, int]:
    """Return a tile's width and height, or raise an ItemError where it is none of the slide's."""
    size = viewed.layers.size_level0
    width, height = tile.size_px(size) if tile.shrink <= max_shrink(size) else (0, 0)
    if width < 1 or height < 1:
        raise ItemError("there is no such tile", STATUS_NOT_THERE)
    return width, height
