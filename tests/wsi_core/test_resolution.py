import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsi_core.resolution import (
    FROM_COLUMN,
    FROM_FLAG,
    FROM_METADATA,
    FROM_OBJECTIVE,
    FROM_OME,
    FROM_TIFF_TAGS,
    Resolution,
    resolution_of,
    shown_properties,
    stated_resolution,
)

METADATA = {"openslide.mpp-x": "0.263", "openslide.mpp-y": "0.264"}
TAGS = {"tiff.XResolution": "40000", "tiff.YResolution": "20000", "tiff.ResolutionUnit": "centimeter"}
OBJECTIVE = {"openslide.objective-power": "40"}


def ome(attributes):
    return {
        "tiff.ImageDescription": '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" {attributes}/></Image></OME>'
    }


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        (METADATA, Resolution((0.263, 0.264), FROM_METADATA)),
        (TAGS, Resolution((0.25, 0.5), FROM_TIFF_TAGS)),
        ({**TAGS, "tiff.ResolutionUnit": "inch"}, Resolution((0.635, 1.27), FROM_TIFF_TAGS)),
        (OBJECTIVE, Resolution((0.25, 0.25), FROM_OBJECTIVE)),
        (ome('PhysicalSizeX="0.325" PhysicalSizeY="0.326"'), Resolution((0.325, 0.326), FROM_OME)),
        (
            ome('PhysicalSizeX="325" PhysicalSizeXUnit="nm" PhysicalSizeY="0.000326" PhysicalSizeYUnit="mm"'),
            Resolution((0.325, 0.326), FROM_OME),
        ),
        ({**METADATA, **TAGS, **OBJECTIVE}, Resolution((0.263, 0.264), FROM_METADATA)),
        ({**TAGS, **OBJECTIVE}, Resolution((0.25, 0.5), FROM_TIFF_TAGS)),
    ],
)
def test_the_most_certain_source_is_taken_as_it_is(properties, expected):
    found = stated_resolution(properties)
    assert found is not None and found.source == expected.source
    assert found.mpp_xy == pytest.approx(expected.mpp_xy, rel=1e-12)


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"openslide.mpp-x": "0.5"},
        {"openslide.mpp-x": "", "openslide.mpp-y": "?"},
        {"openslide.mpp-x": "nan", "openslide.mpp-y": "nan"},
        {"openslide.mpp-x": "0", "openslide.mpp-y": "0"},
        {"tiff.XResolution": "72", "tiff.YResolution": "72", "tiff.ResolutionUnit": "inch"},  # of a screen
        {"openslide.mpp-x": "352.7", "openslide.mpp-y": "352.7"},  # the same, as OpenSlide reports it
        {"tiff.XResolution": "40000", "tiff.YResolution": "40000", "tiff.ResolutionUnit": "none"},
        {"tiff.XResolution": "0", "tiff.YResolution": "0", "tiff.ResolutionUnit": "centimeter"},
        {"openslide.objective-power": "0"},
        ome('PhysicalSizeX="0.5"'),
        ome('PhysicalSizeX="0.5" PhysicalSizeXUnit="pixel" PhysicalSizeY="0.5" PhysicalSizeYUnit="pixel"'),
        {"tiff.ImageDescription": "<OME><broken"},
        {"tiff.ImageDescription": '<!DOCTYPE x [<!ENTITY a "0.5">]><OME><Pixels PhysicalSizeX="&a;"/></OME>'},
    ],
)
def test_what_is_not_stated_is_not_guessed(properties):
    assert stated_resolution(properties) is None


def test_what_the_user_says_comes_first_and_a_difference_is_told(caplog):
    assert resolution_of(METADATA, name="a", in_row=None, in_command=None).mpp == pytest.approx(0.2635)
    assert resolution_of(METADATA, name="a", in_row=None, in_command=0.5) == Resolution((0.5, 0.5), FROM_FLAG)
    assert resolution_of(METADATA, name="a", in_row=0.25, in_command=0.5) == Resolution((0.25, 0.25), FROM_COLUMN)
    assert "a states 0.2635 µm per pixel; 0.5 is taken (--mpp)" in caplog.text
    caplog.clear()
    assert resolution_of({}, name="a", in_row=None, in_command=0.263).mpp == 0.263
    assert not caplog.text


def test_oblong_pixels_are_told_where_nobody_says_otherwise(caplog):
    oblong = {"openslide.mpp-x": "0.2", "openslide.mpp-y": "0.4"}
    resolution_of(oblong, name="a", in_row=None, in_command=0.3)
    assert "oblong" not in caplog.text
    assert resolution_of(oblong, name="a", in_row=None, in_command=None).mpp == pytest.approx(0.3)
    assert "a has oblong pixels, 0.2 x 0.4 µm (metadata): the mean 0.3 is taken" in caplog.text


def test_a_property_of_several_lines_is_shown_in_one():
    assert shown_properties({"aperio.AppMag": "40\r\nx"}) == "aperio.AppMag=40 x"


def test_the_properties_that_matter_are_shown():
    shown = shown_properties({**OBJECTIVE, "openslide.vendor": "aperio", "aperio.User": "secret"})
    assert shown == "openslide.objective-power=40, openslide.vendor=aperio"
    assert shown_properties({}) == "none"


@given(st.dictionaries(st.sampled_from([*METADATA, *TAGS, *OBJECTIVE, "tiff.ImageDescription"]), st.text()))
def test_any_text_is_survived(properties):
    found = stated_resolution(properties)
    assert found is None or 0.01 <= found.mpp < 10
