"""Where the files of a heatmap experiment go: the names users know."""

from dataclasses import dataclass
from pathlib import Path

from stages.heatmap_config import HeatmapArguments, HeatmapConfig, Sample

UNLABELLED = "unlabelled"
MASK, CONTOURS, THUMBNAIL = "_mask.png", "_contours.geojson", "_thumbnail.jpg"
RESULTS_DIR = Path("heatmaps") / "results"


@dataclass(frozen=True)
class HeatmapPaths:
    """Files of one slide.

    Attributes:
        config: the configuration.
        slide_id: the slide.
        label: as it stands in the list: the name or number of a class, or nothing.
    """

    config: HeatmapConfig
    slide_id: str
    label: str

    @property
    def group(self) -> str:
        """The folder of the slide's files: its label by name, or ``unlabelled`` where it has none of the classes."""
        return self.class_label or UNLABELLED

    @property
    def class_label(self) -> str:
        """The label by name, or nothing where that is no class or there is none."""
        names, number = self.config.class_names, self.config.class_number(self.label)
        if number is None:
            return "" if names else self.label
        return self.label if self.label in names[number].split("|") else names[number]

    @property
    def raw_folder(self) -> Path:
        """``<raw_save_dir>/<exp>/<group>/<slide>``."""
        exp = self.config.exp_arguments
        return Path(exp.raw_save_dir) / exp.save_exp_code / self.group / self.slide_id

    def raw(self, ending: str) -> Path:
        """Return ``<raw_save_dir>/<exp>/<group>/<slide>/<slide><ending>``."""
        return self.raw_folder / f"{self.slide_id}{ending}"

    def blockmap(self, tag: str, extension: str = ".h5") -> Path:
        """Return the file of the scores, or the picture, of the patches that the slide is predicted from."""
        return self.raw(f"_blockmap{tag}{extension}")

    def overlay(self, tag: str) -> Path:
        """Return the small picture of the slide with a layer's attention."""
        return self.raw(f"_overlay{tag}.jpg")

    def fine_scores(self, tag: str) -> Path:
        """Return the file of the overlapping patches' scores; its name has the overlap as the configuration writes it.

        Args:
            tag: of the layer.
        """
        return self.raw(f"_{self._overlap}_roi_{self.config.heatmap_arguments.use_roi}{tag}.h5")

    def heatmap(self, tag: str, level: int, extension: str) -> Path:
        """Return the finished picture of a layer; its name states how it was made, 1 as 1.0."""
        show = self.config.heatmap_arguments
        overlap, alpha, threshold = map(float, (self._overlap, show.alpha, show.binary_thresh))
        return self.made(
            f"_{overlap}_roi_{int(show.use_roi)}_blur_{int(show.blur)}"
            f"_rs_{int(show.use_ref_scores)}_bc_{int(show.blank_canvas)}_a_{alpha}_l_{level}"
            f"_bi_{int(show.binarize)}_{threshold}{_unlike_original(show)}{tag}.{extension}"
        )

    def original(self, level: int, extension: str) -> Path:
        """Return the file of the slide without colours, at the level of the heatmap."""
        return self.made(f"_orig_{level}.{extension}")

    def made(self, ending: str) -> Path:
        """Return ``<production_save_dir>/<exp>/<group>/<slide><ending>``."""
        return self._production / self.group / f"{self.slide_id}{ending}"

    def sampled_patch(
        self, sample: Sample, model: str, predicted: int, rank: int, corner: tuple[int, int], score: float
    ) -> Path:
        """Return the file of one sampled patch; where no class is predicted, its folder does not tell one."""
        prediction = f"_pred_{predicted}" if self.config.class_names else ""
        label = self.label if self.class_label else UNLABELLED  # one that is no class may hold anything
        by = f"_{model}" if model else ""
        folder = self._production / "sampled_patches" / f"label_{label}{prediction}{by}" / sample.name
        return folder / f"{rank}_{self.slide_id}_x_{corner[0]}_y_{corner[1]}_a_{score:.3f}.png"

    @property
    def _overlap(self) -> int | float:
        return self.config.patching_arguments.overlap

    @property
    def _production(self) -> Path:
        return production_folder(self.config)


def _unlike_original(show: HeatmapArguments) -> str:
    """Return what tells pictures apart that the original could not make."""
    touching = "_touching" if show.use_roi and show.roi_patches == "touching" else ""
    return f"{touching}_{show.convert}" if show.convert != "percentile" else touching


def production_folder(config: HeatmapConfig) -> Path:
    """Return the folder of the finished pictures."""
    exp = config.exp_arguments
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
