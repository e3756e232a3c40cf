import math
from xml.sax.saxutils import quoteattr

import cv2
import numpy as np
import pytest
from hypothesis import given, settings

from tests.wsi_core.outlines.shapes import FAR_SQUARE, HOLE, SLIDE_PX, SQUARE, outlines, plain
from utils.errors import ItemError
from wsi_core.outlines.annotation_xml import read_annotation_xml

INNER_SQUARE = [[200, 300], [700, 300], [700, 800], [200, 800]]


def region(vertices, kind="0", number=1, negative=0):
    written = "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in vertices)
    vertices = f"<Vertices>{written}</Vertices>"
    return f'<Region Id="{number}" Type="{kind}" Zoom="0.04" Text="" NegativeROA="{negative}">{vertices}</Region>'


def aperio(*regions):
    """Write the regions as ImageScope does, with an attribute table that is not of interest."""
    attributes = '<RegionAttributeHeaders><AttributeHeader Id="9999" Name="Region"/></RegionAttributeHeaders>'
    layer = (
        f'<Annotation Id="1" Name="" LineColor="65280"><Regions>{attributes}{"".join(regions)}</Regions></Annotation>'
    )
    return f'<Annotations MicronsPerPixel="0.252">{layer}</Annotations>'


def asap(*annotations):
    groups = '<AnnotationGroups><Group Name="tumour" PartOfGroup="None" Color="#ff0000"/></AnnotationGroups>'
    inner = f"<Annotations>{''.join(annotations)}</Annotations>"
    return f'<?xml version="1.0"?><ASAP_Annotations>{inner}{groups}</ASAP_Annotations>'


def annotation(points, kind="Polygon", name="Annotation 0", order=None):
    written = [f'<Coordinate Order="{i}" X="{x}" Y="{y}"/>' for i, (x, y) in enumerate(points)]
    inner = "".join(written[i] for i in order or range(len(written)))
    return (
        f'<Annotation Name={quoteattr(name)} Type="{kind}" PartOfGroup="tumour" Color="#F4FA58">'
        f"<Coordinates>{inner}</Coordinates></Annotation>"
    )


@pytest.fixture
def read(tmp_path):
    def read_text(text):
        path = tmp_path / "a.xml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_annotation_xml(path, SLIDE_PX)

    return read_text


def test_polygons_of_imagescope_are_read_in_their_order(read):
    second_layer = aperio(region(FAR_SQUARE)).partition(">")[2]
    text = aperio(region(SQUARE)).replace("</Annotations>", second_layer)
    assert plain(read(text)) == [(0, SQUARE, []), (1, FAR_SQUARE, [])]


@given(outlines)
@settings(deadline=None, max_examples=30)
def test_both_programs_keep_every_point(tmp_path_factory, outline):
    path = tmp_path_factory.getbasetemp() / "a.xml"
    for text in (aperio(region(outline.tolist())), asap(annotation(outline.tolist()))):
        path.write_text(text)
        assert plain(read_annotation_xml(path, SLIDE_PX)) == [(0, outline.tolist(), [])]


@pytest.mark.parametrize("corners", [SQUARE, [SQUARE[0], SQUARE[2]]])
def test_a_rectangle_has_four_corners_or_two(read, corners):
    assert plain(read(aperio(region(corners, "1")))) == [(0, SQUARE, [])]


@pytest.mark.parametrize("corners", [SQUARE, [SQUARE[0], SQUARE[2]], [SQUARE[2], SQUARE[0]]])
def test_an_ellipse_fills_its_bounding_box_as_far_as_ellipses_do(read, corners):
    (ellipse,) = read(aperio(region([(x, 2 * y) for x, y in corners], "2")))
    assert cv2.boundingRect(ellipse.outline) == (100, 400, 801, 1601)
    assert cv2.contourArea(ellipse.outline) == pytest.approx(math.pi * 400 * 800, rel=0.01)


def test_arrows_and_rulers_are_passed_over_and_counted(read, caplog):
    line = [[5, 5], [9, 9]]
    assert plain(read(aperio(region(line, "3"), region(SQUARE), region(line, "4")))) == [(0, SQUARE, [])]
    assert "a.xml: 2 shapes without an area" in caplog.text


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_a_negative_region_is_a_hole_of_the_smallest_around_it(read, order):
    regions = [region(SQUARE), region(HOLE, negative=1), region(INNER_SQUARE)]
    by_outline = {str(outline): holes for _, outline, holes in plain(read(aperio(*(regions[i] for i in order))))}
    assert by_outline == {str(SQUARE): [], str(INNER_SQUARE): [HOLE]}


def test_a_hole_that_hangs_over_its_region_a_little_is_a_hole_of_it(read):
    over = [[500, 500], [1000, 600], [600, 800], [550, 700]]
    assert plain(read(aperio(region(SQUARE), region(over, negative=1)))) == [(0, SQUARE, [over])]


def test_a_hole_in_a_bent_region_is_found_though_its_middle_is_outside(read):
    bent = [[0, 0], [1000, 0], [1000, 100], [100, 100], [100, 1000], [0, 1000]]
    hole = [[20, 20], [980, 20], [980, 80], [80, 80], [80, 980], [20, 980]]
    assert not cv2.pointPolygonTest(np.array(bent, np.int32), np.mean(hole, axis=0).tolist(), False) > 0
    assert plain(read(aperio(region(bent), region(hole, negative=1)))) == [(0, bent, [hole])]


def test_a_negative_region_in_no_other_is_passed_over_with_a_warning(read, caplog):
    assert plain(read(aperio(region(SQUARE), region(FAR_SQUARE, negative=1, number=5)))) == [(0, SQUARE, [])]
    assert "a.xml, annotation 1, region 5: is negative, but no region is around it" in caplog.text


def test_a_region_that_crosses_itself_is_read(read):
    bow = [[100, 100], [900, 900], [900, 100], [100, 900]]
    assert plain(read(aperio(region(bow), region([[120, 200], [120, 300], [160, 250]], negative=1)))) == [
        (0, bow, [[[120, 200], [120, 300], [160, 250]]])
    ]


@pytest.mark.parametrize("kind", ["Polygon", "Rectangle", "Spline"])
def test_areas_of_asap_are_read_by_the_order_of_their_points(read, kind):
    text = asap(annotation(SQUARE, kind, order=(2, 0, 3, 1)), annotation(FAR_SQUARE, kind))
    assert plain(read(text)) == [(0, SQUARE, []), (1, FAR_SQUARE, [])]


def test_points_of_asap_are_passed_over_and_counted(read, caplog):
    text = asap(annotation([[1, 1]], "Dot"), annotation(SQUARE), annotation([[1, 1], [2, 2]], "PointSet"))
    assert plain(read(text)) == [(0, SQUARE, [])]
    assert "a.xml: 2 shapes without an area" in caplog.text


def test_decimals_may_have_a_comma(read):
    (contour,) = read(asap(annotation([(f"{x},25", f"{y}.75") for x, y in SQUARE])))
    assert contour.outline.tolist() == [[x, y + 1] for x, y in SQUARE]


BOMB = """<?xml version="1.0"?>
<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<Annotations><Annotation Name="&b;"/></Annotations>"""
OUTSIDE_FILE = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><Annotations>&a;</Annotations>'
OUTSIDE_DTD = '<!DOCTYPE Annotations SYSTEM "http://example.org/a.dtd"><Annotations/>'


@pytest.mark.parametrize("text", [BOMB, OUTSIDE_FILE, OUTSIDE_DTD])
def test_entities_and_references_are_refused(read, text):
    with pytest.raises(ItemError, match=r"^a\.xml has a DTD or entities, which are refused"):
        read(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.xml is no XML that can be read: ParseError"),
        (aperio(region(SQUARE))[:200], "is no XML that can be read"),
        (b"\xff\xfe\x00", "is no XML that can be read"),
        ('<?xml version="1.0" encoding="nonsense"?><Annotations/>', "is no XML that can be read"),
        ("<html/>", "html is no root of Aperio's or ASAP's annotations"),
        ("<Annotations/>", "a.xml: no polygon in it"),
        (aperio(), "a.xml: no polygon in it"),
        (aperio(region(HOLE, negative=1)), "a.xml: no polygon in it"),
        (aperio(region([[1, 1], [2, 2]], "3")), "a.xml: no polygon in it"),
        (asap(annotation([[1, 1]], "Dot")), "a.xml: no polygon in it"),
        (
            aperio(region(SQUARE), region([[1, 1], [2, 2]], number=7)),
            "annotation 1, region 7: a ring needs 3 different",
        ),
        (aperio(region([], "2")), "region 1: a ring needs 3 different"),
        (aperio(region([[5, 5], [5, 5]], "2")), "region 1: a ring needs 3 different"),
        (aperio(region([[5, 5]], "1")), "region 1: a ring needs 3 different"),
        (aperio(region(SQUARE), region([[1, 1], [2, 2]], negative=1, number=2)), "region 2: a ring needs 3 different"),
        (aperio(region([["nan", 1], [2, 2], [3, 9]])), "region 1: X='nan' is no number"),
        (aperio(region([[1, "inf"], [2, 2]], "2")), "region 1: Y='inf' is no number"),
        (aperio(region([[1, "&#10;"], [2, 2], [3, 3]])), "region 1: Y='' is no number"),
        (aperio(region(SQUARE).replace(' Y="200"', "")), "region 1: Y='' is no number"),
        (aperio(region(SQUARE, number="1&#10;2").replace('"900"', '"90000"')), "region 1 2: x 100 to 90000"),
        (asap(annotation(SQUARE).replace(' Order="1"', "")), "annotation Annotation 0: Order='' is no number"),
        (asap(annotation(SQUARE), annotation([[1, 1]], name="Tumour")), "annotation Tumour: a ring needs 3"),
        (aperio(region([[x, 4 * y] for x, y in SQUARE])), "y 800 to 4000 is outside the slide, 4000x3000 px"),
    ],
)
def test_what_does_not_serve_is_told_in_one_line(read, text, message):
    with pytest.raises(ItemError) as error:
        read(text)
    assert message in str(error.value) and "a.xml" in str(error.value) and "\n" not in str(error.value)
    assert error.value.status == "failed_seg"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ItemError, match=r"a\.xml"):
        read_annotation_xml(tmp_path / "a.xml", SLIDE_PX)
