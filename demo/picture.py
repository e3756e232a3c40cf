"""One picture of what the programs made of a slide: the slide, its segmentation, the kept patches, the heatmap."""

from pathlib import Path

from PIL import Image

PANEL_PX = (460, 345)
GAP_PX = 8


def side_by_side(pictures: list[Path], path: Path) -> None:
    """Put pictures beside one another, each as large as fits, and save them."""
    width, height = PANEL_PX
    sheet = Image.new("RGB", (len(pictures) * (width + GAP_PX) - GAP_PX, height), "white")
    for number, picture in enumerate(pictures):
        with Image.open(picture) as image:
            sheet.paste(image.convert("RGB").resize(PANEL_PX, Image.Resampling.LANCZOS), (number * (width + GAP_PX), 0))
    sheet.save(path)
