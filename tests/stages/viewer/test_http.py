"""What is answered to whom: nobody gets what is not in the results, whatever is asked for."""

import pytest

from stages.viewer.security import HEADERS, Access
from stages.viewer.serve import address_of
from tests.stages.viewer.conftest import key_of, visitor
from tests.stages.viewer.fabricated import ODD_ID

LOCAL, OPEN = "127.0.0.1", "0.0.0.0"


@pytest.fixture(scope="module")
def slide(viewer):
    return f"/slides/{key_of(viewer, 'right')}"


def addresses(slide: str) -> dict[str, str]:
    return {
        "/": "text/html",
        slide: "text/html",
        f"{slide}/facts.json": "application/json",
        f"{slide}/contours.json": "application/json",
        f"{slide}/layers/0/ranking.json": "application/json",
        f"{slide}/layers/0/block/score.json?x=900&y=700": "application/json",
        f"{slide}/thumbnail": "image/jpeg",
        f"{slide}/overlay": "image/jpeg",
        f"{slide}/tiles/0/1_1.jpg": "image/jpeg",
        f"{slide}/layers/0/fine/2/0_0.png?colours=jet&from=50": "image/png",
        f"{slide}/layers/0/patches/3.jpg": "image/jpeg",
        f"{slide}/colours/viridis.png": "image/png",
        "/leaflet/leaflet.js": "text/javascript",
        "/static/slide.js": "text/javascript",
        "/static/icon.svg": "image/svg+xml",
    }


def test_every_address_answers_with_its_kind_and_the_headers_that_keep_pages_safe(client, slide):
    for address, kind in addresses(slide).items():
        answer = client.get(address)
        assert (answer.status_code, answer.mimetype) == (200, kind), address
        assert HEADERS.items() <= dict(answer.headers).items(), address
        assert client.head(address).status_code == 200
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch", "options", "trace"])
def test_nothing_can_be_changed(client, slide, method):
    for address in ("/", slide, f"{slide}/tiles/0/1_1.jpg", "/nowhere"):
        assert getattr(client, method)(address).status_code == 405


UP = ["..", "%2e%2e", "..%2f..", "%2e%2e%2f", "%252e%252e%252f", "..\\", "..%5c", "%00", "a%00.jpg", "....//", "%2fetc"]


@pytest.mark.parametrize("up", UP)
def test_paths_lead_nowhere(client, slide, up):
    for address in (
        f"/{up}/config.yaml",
        f"/slides/{up}",
        f"/slides/{up}/thumbnail",
        f"{slide}/{up}/config.yaml",
        f"{slide}/tiles/{up}/0_0.jpg",
        f"{slide}/colours/{up}.png",
        f"/static/{up}/app.py",
        f"/static/{up}%2fapp.py",
        f"/leaflet/{up}/__init__.py",
        f"/leaflet/{up}",
    ):
        answer = client.get(address)
        assert (answer.status_code, answer.mimetype) == (404, "text/plain"), address


@pytest.mark.parametrize("name", ["app.py", "../app.py", "..%2fapp.py", "templates/slide.html", "leaflet-src.js"])
def test_only_pages_and_their_parts_are_handed_out(client, name):
    assert client.get(f"/static/{name}").status_code == 404
    assert client.get(f"/leaflet/{name}").status_code == 404


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("/slides/0123456789abcdef", 404),
        ("/slides/0123456789ABCDEF", 404),
        ("SLIDE/tiles/0/-1_0.jpg", 404),
        ("SLIDE/tiles/0/8_0.jpg", 404),
        ("SLIDE/tiles/99/0_0.jpg", 404),
        (f"SLIDE/tiles/0/{'9' * 5000}_0.jpg", 404),
        ("SLIDE/tiles/0/1.5_0.jpg", 404),
        ("SLIDE/tiles/0/\u0661_0.jpg", 404),
        ("SLIDE/layers/7/block/0/0_0.png?colours=jet", 404),
        ("SLIDE/layers/0/other/0/0_0.png?colours=jet", 404),
        ("SLIDE/layers/0/block/0/0_0.png?colours=nowhere", 404),
        ("SLIDE/layers/0/block/0/0_0.png", 404),
        ("SLIDE/layers/0/block/0/0_0.png?colours=jet&from=101", 400),
        ("SLIDE/layers/0/block/0/0_0.png?colours=jet&from=-1", 400),
        ("SLIDE/layers/0/block/0/0_0.png?colours=jet&from=1e1", 400),
        ("SLIDE/layers/0/block/0/0_0.png?colours=jet&from=\u0661", 400),
        ("SLIDE/layers/0/block/score.json?x=nan&y=1", 400),
        ("SLIDE/layers/0/block/score.json?x=inf&y=1", 400),
        ("SLIDE/layers/0/block/score.json?x=1", 400),
        ("SLIDE/layers/0/patches/80.jpg", 404),
        ("SLIDE/colours/gist_ncar.png", 404),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(client, slide, address, code):
    answer = client.get(address.replace("SLIDE", slide))
    assert (answer.status_code, answer.mimetype) == (code, "text/plain")
    assert answer.text.count("\n") == 1 and "Traceback" not in answer.text


def test_what_goes_wrong_inside_is_not_told(viewer, slide, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(viewer, "facts", fail)
    client = visitor(viewer, Access.of(LOCAL, None))
    answer = client.get(f"{slide}/facts.json")
    assert (answer.status_code, answer.mimetype) == (500, "text/plain")
    assert "secret" not in answer.text and "Error" not in answer.text.replace("Internal Server Error", "")


def test_a_slide_whose_file_is_gone_says_so_and_shows_its_attention(client, viewer):
    slide = f"/slides/{key_of(viewer, 'gone')}"
    assert "gone.tif is not there" in client.get(f"{slide}/facts.json").json["note"]
    assert client.get(f"{slide}/tiles/0/1_1.jpg").status_code == 404
    for address in ("thumbnail", "layers/0/block/0/1_1.png?colours=jet", "layers/0/ranking.json"):
        assert client.get(f"{slide}/{address}").status_code == 200


def test_names_of_slides_are_text(client, viewer):
    for page in ("/", f"/slides/{key_of(viewer, ODD_ID)}"):
        text = client.get(page).text
        assert "<img src=x" not in text and "&lt;img src=x onerror=alert(1)&gt; #?%2f" in text


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("localhost", 200), ("localhost:8080", 200), ("127.0.0.1:1", 200), ("127.0.0.5", 200), ("[::1]:8080", 200),
        ("evil.example", 400), ("evil.example:8080", 400), ("localhost.evil.example", 400),
        ("127.0.0.1.evil.example", 400), ("192.168.0.1", 400), ("", 400),
    ],
)  # fmt: skip
def test_on_this_machine_only_its_own_names_are_answered(client, host, code):
    assert client.get("/", headers={"Host": host}).status_code == code


def test_on_this_machine_no_token_is_asked_for_unless_one_is_wanted():
    assert Access.of(LOCAL, None).token == Access.of("::1", None).token == Access.of("localhost", None).token == ""
    assert Access.of(LOCAL, "mine").token == "mine"
    assert len(Access.of(LOCAL, "").token) >= 32


@pytest.mark.parametrize("host", [OPEN, "::", "192.168.0.1", "example.org", ""])
@pytest.mark.parametrize("token", [None, ""])
def test_elsewhere_there_is_always_a_token(host, token):
    first, second = Access.of(host, token), Access.of(host, token)
    assert len(first.token) >= 32 and first.token != second.token
    assert address_of(first, 8080).endswith(f":8080/?token={first.token}")


def test_only_who_knows_the_token_or_has_been_there_with_it_may_look(viewer, slide):
    access = Access.of(OPEN, "se cret/é")
    client = visitor(viewer, access)
    for address in (*addresses(slide), "/nowhere", "/?token=", "/?token=wrong", "/?token=%FF"):
        assert client.get(address).status_code == 403, address
    client.set_cookie(access.cookie_name, "wrong")
    assert client.get("/").status_code == 403
    there = {"base_url": "http://anything.example/"}
    answer = client.get(address_of(access, 80).partition(":80")[2], **there)
    assert answer.status_code == 200
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "se cret" not in cookie
    assert client.get(slide, **there).status_code == 200


def test_addresses_name_a_host_that_a_browser_can_open():
    assert address_of(Access(LOCAL, ""), 8080) == "http://127.0.0.1:8080/"
    assert address_of(Access("::1", ""), 8080) == "http://[::1]:8080/"
    assert OPEN not in address_of(Access(OPEN, "x"), 8080)
