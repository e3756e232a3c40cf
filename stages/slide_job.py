"""One slide of a patching run: what is asked of it, and how it is opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from stages.patching_config import PatchingConfig
from utils.errors import ItemError
from utils.names import slide_id_of
from wsi_core.params import SlideParams, SlideResolution
from wsi_core.patch_request import PatchRequest
from wsi_core.resolution import Resolution, resolution_of
from wsi_core.segmentation import SEGMENTATION_DOWNSAMPLE, resolve_level
from wsi_core.slide import Slide
from wsi_core.tissue_scale import TissueScale


@dataclass(frozen=True)
class SlideJob:
    """One slide and what its row of the process list says.

    Attributes:
        name: the slide, as it stands in the list.
        path: its file; where there is none, what is wrong with that.
        params: its parameters of segmentation and grid.
        resolution: what is said of its resolution.
        fault: why nothing can be named after it, or would get in the way of another slide's files; empty: nothing.
        config: the run.
    """

    name: str
    path: Path | ItemError
    params: SlideParams
    config: PatchingConfig
    resolution: SlideResolution = field(default_factory=SlideResolution)
    fault: str = ""

    @property
    def slide_id(self) -> str:
        """The name of its files."""
        return slide_id_of(self.name)

    @property
    def request(self) -> PatchRequest:
        """The patches to make: the row comes before the command."""
        return self.config.request.for_row(self.resolution)

    def open(self) -> Slide:
        """Open the slide as the run says.

        Raises:
            ItemError: it is missing or cannot be read (status ``failed_open``).
        """
        with failing_as("failed_open"):
            if isinstance(self.path, ItemError):
                raise self.path
            return Slide(
                self.path,
                reader=self.config.reader,
                max_memory_gb=self.config.max_memory_gb,
                background=self.config.request.background,
            )

    def resolution_of(self, slide: Slide) -> Resolution | None:
        """Return the resolution of the slide, or None where neither the user nor the file states one."""
        return resolution_of(slide.properties, name=self.name, in_row=self.resolution.mpp, in_command=self.config.mpp)

    def params_on(self, slide: Slide, scale: TissueScale) -> SlideParams:
        """Return the parameters with levels that the slide has in place of -1, where no scale decides.

        Args:
            slide: the slide.
            scale: the scale at which tissue is looked for.

        Raises:
            ItemError: it lacks a level (status ``failed_seg``).
        """
        with failing_as("failed_seg"):
            levels = {
                "seg_level": scale.level_on(slide, self.params.seg_level, SEGMENTATION_DOWNSAMPLE),
                "vis_level": resolve_level(slide, self.params.vis_level, SEGMENTATION_DOWNSAMPLE, name="vis_level"),
            }
        return self.params.model_copy(update=levels)


@contextmanager
def failing_as(status: str) -> Iterator[None]:
    """Give an ItemError raised inside the status of the step that it broke."""
    try:
        yield
    except ItemError as error:
        raise ItemError(str(error), status) from error
