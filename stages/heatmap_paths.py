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
        label: as it stands in the list: the name or number of a class, or ``Unspecified``.
    """

    config: HeatmapConfig
    slide_id: str
    label: str

    @property
    def group(self) -> str:
        """The folder of the slide's files: its label by name."""
        names = self.config.class_names
        if self.label in names.values() or not self.label.isdecimal():
            return self.label
        return names.get(int(self.label), self.label)

    def raw(self, ending: str) -> Path:
        """Return ``<raw_save_dir>/<exp>/<group>/<slide>/<slide><ending>``."""
        exp = self.config.exp_arguments
        return Path(exp.raw_save_dir) / exp.save_exp_code / self.group / self.slide_id / f"{self.slide_id}{ending}"

    @property
    def fine_scores(self) -> Path:
        """Scores of the overlapping patches; the name has the overlap as the configuration writes it."""
        return self.raw(f"_{self._overlap}_roi_{self.config.heatmap_arguments.use_roi}.h5")

    @property
    def heatmap(self) -> Path:
        """The finished picture; its name states how it was made, 1 as 1.0."""
        show = self.config.heatmap_arguments
        overlap, alpha, threshold = map(float, (self._overlap, show.alpha, show.binary_thresh))
        name = (
            f"{self.slide_id}_{overlap}_roi_{int(show.use_roi)}_blur_{int(show.blur)}"
            f"_rs_{int(show.use_ref_scores)}_bc_{int(show.blank_canvas)}_a_{alpha}_l_{show.vis_level}"
            f"_bi_{int(show.binarize)}_{threshold}.{show.save_ext}"
        )
        return self._production / self.group / name

    def original(self, level: int) -> Path:
        """Return the file of the slide without colours, at the level of the heatmap."""
        return self._production / self.group / f"{self.slide_id}_orig_{level}.{self.config.heatmap_arguments.save_ext}"

    def sampled_patch(self, sample: Sample, predicted: int, rank: int, corner: tuple[int, int], score: float) -> Path:
        """Return the file of one sampled patch; where no class is predicted, its folder does not tell one."""
        prediction = f"_pred_{predicted}" if self.config.class_names else ""
        folder = self._production / "sampled_patches" / f"label_{self.label}{prediction}" / sample.name
        return folder / f"{rank}_{self.slide_id}_x_{corner[0]}_y_{corner[1]}_a_{score:.3f}.png"

    @property
    def _overlap(self) -> int | float:
        return self.config.patching_arguments.overlap

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
