"""Addresses of the viewer, and what is answered there."""

from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, jsonify, render_template, request, send_file, send_from_directory
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from stages.viewer.parameters import KeyConverter, NumberConverter, ScoresConverter, TileConverter, coordinate, percent
from stages.viewer.security import Access, guard
from stages.viewer.slide_list import models_of, row_of
from stages.viewer.tile_grid import Tile
from stages.viewer.viewer import ScoresOf, Viewer
from utils.errors import PipelineError

LEAFLET_FILES = ("leaflet.js", "leaflet.css")
PICTURE_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}
KEPT_BY_BROWSERS = "private, max-age=3600"


def create_app(viewer: Viewer, access: Access, leaflet: Path) -> Flask:
    """Return the application.

    Args:
        viewer: what there is to show.
        access: who may look.
        leaflet: the folder of Leaflet's files.
    """
    app = Flask(__name__, static_folder="static", template_folder="templates")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.merge_slashes = False
    app.url_map.converters.update(key=KeyConverter, number=NumberConverter, tile=TileConverter, scores=ScoresConverter)
    guard(app, access)
    _add_errors(app)
    _add_pages(app, viewer, leaflet)
    _add_facts(app, viewer)
    _add_pictures(app, viewer)
    return app


def _add_errors(app: Flask) -> None:
    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> ResponseReturnValue:
        return _text(error.description or error.name, error.code or 500)

    @app.errorhandler(PipelineError)
    def missing(error: PipelineError) -> ResponseReturnValue:
        return _text(str(error), 404)


def _add_pages(app: Flask, viewer: Viewer, leaflet: Path) -> None:
    @app.get("/")
    def slides() -> str:
        found = viewer.results.scan()
        models = models_of(found)
        experiments = list(dict.fromkeys(slide.experiment.name for slide in found))
        rows = [row_of(slide, models) for slide in found]
        return render_template(
            "slides.html", rows=rows, models=models, experiments=experiments, unreadable=viewer.results.unreadable
        )

    @app.get("/slides/<key:key>")
    def slide(key: str) -> str:
        layers = viewer.results.slide(key).layers
        return render_template("slide.html", key=key, slide_id=layers.slide_id, label=layers.label)

    @app.get("/leaflet/<name>")
    def library(name: str) -> Response:
        if name not in LEAFLET_FILES:
            abort(404)
        return send_from_directory(leaflet, name)


def _add_facts(app: Flask, viewer: Viewer) -> None:
    @app.get("/slides/<key:key>/facts.json")
    def facts(key: str) -> dict[str, Any]:
        return viewer.facts(key)

    @app.get("/slides/<key:key>/contours.json")
    def contours(key: str) -> Response:
        return jsonify(viewer.contours(key))

    @app.get("/slides/<key:key>/layers/<number:layer>/ranking.json")
    def ranking(key: str, layer: int) -> dict[str, Any]:
        return viewer.ranking(key, layer)

    @app.get("/slides/<key:key>/layers/<number:layer>/<scores:scores_of>/score.json")
    def score(key: str, layer: int, scores_of: ScoresOf) -> dict[str, Any]:
        return viewer.score_at(key, layer, scores_of, coordinate("x"), coordinate("y"))


def _add_pictures(app: Flask, viewer: Viewer) -> None:
    @app.get("/slides/<key:key>/thumbnail")
    def thumbnail(key: str) -> Response:
        viewed = viewer.results.slide(key)
        return _picture_file(viewed.file(viewed.layers.thumbnail))

    @app.get("/slides/<key:key>/overlay")
    def overlay(key: str) -> Response:
        viewed = viewer.results.slide(key)
        return _picture_file(viewed.file(viewed.layers.overlay))

    @app.get("/slides/<key:key>/tiles/<tile:tile>.jpg")
    def slide_tile(key: str, tile: Tile) -> Response:
        return _picture(viewer.slide_tile(key, tile), "image/jpeg")

    @app.get("/slides/<key:key>/layers/<number:layer>/<scores:scores_of>/<tile:tile>.png")
    def overlay_tile(key: str, layer: int, scores_of: ScoresOf, tile: Tile) -> Response:
        colour_map, threshold = request.args.get("colours", ""), percent("from")
        return _picture(viewer.overlay_tile(key, layer, scores_of, tile, colour_map, threshold), "image/png")

    @app.get("/slides/<key:key>/layers/<number:layer>/patches/<number:patch>.jpg")
    def patch_picture(key: str, layer: int, patch: int) -> Response:
        return _picture(viewer.patch_picture(key, layer, patch), "image/jpeg")

    @app.get("/slides/<key:key>/colours/<name>.png")
    def bar(key: str, name: str) -> Response:
        return _picture(viewer.colour_bar(key, name), "image/png")


def _text(message: str, code: int) -> Response:
    return Response(message + "\n", code, mimetype="text/plain")


def _picture(content: bytes, kind: str) -> Response:
    return Response(content, mimetype=kind, headers={"Cache-Control": KEPT_BY_BROWSERS})


def _picture_file(path: Path) -> Response:
    if path.suffix.lower() not in PICTURE_TYPES:
        abort(404)
    return send_file(path, PICTURE_TYPES[path.suffix.lower()])
