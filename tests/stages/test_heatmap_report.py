"""One page of a heatmap run that needs nothing but itself, whatever users call their slides."""

import base64
import hashlib
import html
import json
import re
import tracemalloc
from html.parser import HTMLParser

import pytest
from PIL import Image

from stages import heatmap_report
from stages.embedded_picture import EmbeddedPicture
from stages.heatmap_report import (
    PATCHES_BYTES,
    PICTURE_BYTES,
    REPORT_BYTES,
    HeatmapReport,
    ModelPrediction,
    SlideEntry,
    write_heatmap_report,
)

EVIL = "</script><script>alert('x')</script>\"' onload=\"x"
WITHOUT_END = {"meta", "img", "br", "input"}


class Elements(HTMLParser):
    """Collects elements with their attributes; every one that begins must end."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.open += [] if tag in WITHOUT_END else [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def of(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def prediction(tumor=0.75, *, model="clam", spread=None):
    predicted = "tumor" if tumor > 0.5 else "normal"
    values = {"tumor": tumor, "normal": 1 - tumor}
    return ModelPrediction(model=model, head="clam_sb", predicted=predicted, values=values, spread=spread or {})


def slide(slide_id="a", label="tumor", predictions=(), **more):
    return SlideEntry(slide_id, label, predictions or [prediction()], **{"pictures": []} | more)


@pytest.fixture
def picture(tmp_path):
    Image.new("RGB", (40, 30), "purple").save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.fixture
def written(tmp_path):
    def write(*slides, title="A run", settings=None, failed=()):
        report = HeatmapReport(title, settings or {}, slides, failed)
        return write_heatmap_report(tmp_path / "out" / "report.html", report).read_text(encoding="utf-8")

    return write


def test_a_report_is_one_file_that_loads_nothing(written, picture, tmp_path):
    text = written(slide(pictures=[("thumbnail", picture), ("overlay", picture)], patches=picture))
    elements = Elements(text)
    images = elements.of("img")
    assert len(images) == 3 and all(image["src"].startswith("data:image/jpeg;base64,") for image in images)
    assert not {"link", "iframe", "object", "a"} & {tag for tag, _ in elements.found}
    assert "://" not in text and "url(" not in text
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.html"]


def test_every_picture_says_what_it_is_to_those_who_cannot_see_it(written, picture):
    images = Elements(written(slide("s1", pictures=[("overlay", picture)], patches=picture))).of("img")
    assert [image["alt"] for image in images] == ["overlay of s1", "sampled patches of s1"]


def test_a_browser_runs_our_script_and_no_other(written):
    text = written(slide())
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.S)
    sha256 = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [meta["content"] for meta in Elements(text).of("meta") if "http-equiv" in meta]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["script-src"] == f"'sha256-{sha256}'"
    assert (rules["default-src"], rules["img-src"], rules["style-src"]) == ("'none'", "data:", "'unsafe-inline'")


def test_names_of_users_are_text_and_never_markup(written, picture):
    plain = Elements(written(slide("a", "b", [prediction(model="c")]), title="t", settings={"k": "v"}))
    evil = ModelPrediction(model=EVIL, head=EVIL, predicted=EVIL, values={EVIL: 0.5, "other": 0.5}, spread={EVIL: 0.1})
    text = written(
        slide(EVIL, EVIL, [evil], pictures=[(EVIL, picture)], note=EVIL, patches=picture.with_name("<script>.png")),
        title=EVIL,
        settings={EVIL: EVIL},
        failed=[(EVIL, EVIL, EVIL)],
    )
    elements = Elements(text)
    assert len(elements.of("script")) == len(plain.of("script")) == 1
    assert not [attributes for _, attributes in elements.found if "onload" in attributes]
    (article,) = elements.of("article")
    assert article["data-id"] == EVIL and json.loads(article["data-predicted"]) == [EVIL]
    assert json.loads(article["data-figures"]) == {EVIL: 0.5, "other": 0.5, f"± {EVIL}": 0.1}


def test_all_is_shown_without_the_script(written):
    elements = Elements(written(slide("a"), slide("b")))
    assert ["hidden" in article for article in elements.of("article")] == [False, False]
    (form,) = elements.of("form")
    assert "hidden" in form  # controls that would do nothing


def test_slides_carry_what_they_are_filtered_and_sorted_by(written):
    two = [prediction(0.75, spread={"tumor": 0.1}), prediction(0.25, model="abmil")]
    text = written(slide("a", "tumor", two), slide("b", "normal", [prediction(float("nan"))]), slide("c", ""))
    a, b, c = Elements(text).of("article")
    assert json.loads(a["data-figures"]) == {
        "clam: tumor": 0.75,
        "clam: normal": 0.25,
        "clam: ± tumor": 0.1,
        "abmil: tumor": 0.25,
        "abmil: normal": 0.75,
    }
    assert json.loads(b["data-figures"]) == {}  # what is undefined comes last
    assert [json.loads(article["data-predicted"]) for article in (a, b, c)] == [
        ["tumor", "normal"],
        ["normal"],
        ["tumor"],
    ]
    assert [article["data-label"] for article in (a, b, c)] == ["tumor", "normal", ""]
    assert [article["data-agreement"] for article in (a, b, c)] == ["other than labelled", "as labelled", ""]
    options = re.findall(r"<option[^>]*>([^<]*)</option>", text)
    assert {"tumor", "normal", "other than labelled", "as labelled", "clam: tumor", "abmil: normal"} <= set(options)


def test_numbers_that_are_no_probabilities_are_shown_without_bars(written):
    survival = ModelPrediction(
        model="cox", head="clam_sb", values={"risk": -1.25, "days": 1532.25, "x": float("nan"), "y": 1e-5}
    )
    text = written(slide(predictions=[survival]))
    assert re.findall(r"<td>([^<]*)</td>", text) == ["-1.250", "1,532.2", "undefined", "1e-05"]
    assert '<td class="bar">' not in text
    assert written(slide()).count('<td class="bar">') == 2


def test_of_many_classes_the_most_probable_come_first(written):
    values = {f"class {number:02d}": number / 190 for number in range(20)}
    text = written(slide(predictions=[ModelPrediction(model="m", head="h", predicted="class 19", values=values)]))
    names = re.findall(r'<th scope="row">([^<]*)</th>', text)
    assert names == sorted(values, reverse=True)
    assert text.index("12 more") > text.index(names[7])


def test_what_failed_is_said_with_its_reason(written):
    text = html.unescape(written(failed=[("s.svs", "failed_open", "it's damaged")]))
    assert "<td>s.svs</td><td>failed_open</td><td>it's damaged</td>" in text
    assert "0 slides, and 1 without a heatmap." in text


def test_a_picture_that_cannot_be_read_is_said_so(written, tmp_path):
    text = written(slide(pictures=[("overlay", tmp_path / "nowhere.png")]))
    assert "nowhere.png cannot be read as a picture" in text and "<img" not in text


@pytest.mark.parametrize("n_slides", [1, 100, 500, 5000])
def test_a_page_stays_below_60_mb_however_many_slides_it_shows(n_slides, tmp_path):
    pictures = [("thumbnail", tmp_path), ("overlay", tmp_path)]
    report = HeatmapReport("A run", {}, [slide(pictures=pictures, patches=tmp_path)] * n_slides)
    of_slide = report.picture_share * (2 * PICTURE_BYTES + PATCHES_BYTES) * 4 / 3
    assert n_slides * of_slide <= REPORT_BYTES + 1 < 60e6
    assert n_slides > 1 or report.picture_share == 1


def test_memory_does_not_grow_with_the_number_of_slides(written, picture, monkeypatch):
    monkeypatch.setattr(
        heatmap_report, "embedded_picture", lambda path, max_bytes: EmbeddedPicture("x" * 100_000, (1, 1))
    )
    written(slide())  # imports and the template
    tracemalloc.start()
    text_size = len(written(*[slide(pictures=[("overlay", picture)])] * 10))
    tracemalloc.reset_peak()
    report = HeatmapReport("A run", {}, [slide(pictures=[("overlay", picture)])] * 200)
    before = tracemalloc.get_traced_memory()[0]
    path = write_heatmap_report(picture.with_name("report.html"), report)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert path.stat().st_size > 18 * text_size and peak < 3e6
