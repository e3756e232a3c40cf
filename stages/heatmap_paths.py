"""Where the files of a heatmap experiment go: the names users know."""

from dataclasses import dataclass
from pathlib import Path

from stages.heatmap_config import HeatmapConfig, Sample

RESULTS_DIR = Path("heatmaps") / "results"


@dataclass(frozen=True)
class HeatmapPaths:
    """Files of one slide.

    Attributes:
        config: the configuration.
        slide_id: the slide.
        group: its label, or ``Unspecified``.
    """

    config: HeatmapConfig
    slide_id: str
    group: str

    def raw(self, ending: str) -> Path:
        """Return ``<raw_save_dir>/<exp>/<group>/<slide>/<slide><ending>``."""
        exp = self.config.exp_arguments
        return Path(exp.raw_save_dir) / exp.save_exp_code / self.group / self.slide_id / f"{self.slide_id}{ending}"

    @property
    def fine_scores(self) -> Path:
        """Scores of the overlapping patches."""
        roi = self.config.heatmap_arguments.use_roi
        return self.raw(f"_{self.config.patching_arguments.overlap}_roi_{roi}.h5")

    @property
    def heatmap(self) -> Path:
        """The finished picture; its name states how it was made."""
        show = self.config.heatmap_arguments
        name = (
            f"{self.slide_id}_{self.config.patching_arguments.overlap}_roi_{int(show.use_roi)}_blur_{int(show.blur)}"
            f"_rs_{int(show.use_ref_scores)}_bc_{int(show.blank_canvas)}_a_{show.alpha}_l_{show.vis_level}"
            f"_bi_{int(show.binarize)}_{show.binary_thresh}.{show.save_ext}"
        )
        return self._production / self.group / name

    @property
    def original(self) -> Path:
        """The slide without colours, at the level of the heatmap."""
        show = self.config.heatmap_arguments
        return self._production / self.group / f"{self.slide_id}_orig_{show.vis_level}.{show.save_ext}"

    def sampled_patch(self, sample: Sample, predicted: int, rank: int, corner: tuple[int, int], score: float) -> Path:
        """Return the file of one sampled patch."""
        folder = self._production / "sampled_patches" / f"label_{self.group}_pred_{predicted}" / sample.name
        return folder / f"{rank}_{self.slide_id}_x_{corner[0]}_y_{corner[1]}_a_{score:.3f}.png"

    @property
    def _production(self) -> Path:
        exp = self.config.exp_arguments
        return Path(exp.production_save_dir) / exp.save_exp_code


def config_copy(config: HeatmapConfig) -> Path:
    """Return where the configuration as used is kept."""
    exp = config.exp_arguments
    return Path(exp.raw_save_dir) / exp.save_exp_code / "config.yaml"


def results_table(config: HeatmapConfig) -> Path:
    """Return where the predictions go: named after the process list, or the experiment without one."""
    listed = config.data_arguments.process_list
    name = Path(listed).stem if listed else config.exp_arguments.save_exp_code
    return RESULTS_DIR / f"{name}.csv"
