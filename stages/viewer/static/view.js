/* One picture to zoom into: the slide, attention over it, outlines of the tissue, a marked patch. */
import { ScaleBar } from "./scale_bar.js";
import { Tiles, boundsOf, toLevel0, toMap } from "./tiles.js";

const MOST_ENLARGED = 3; // times doubled beyond the pixels of level 0
const MARGIN_PX = 12;
const COLOURS = { contour: "#12b886", mark: "#ffffff", markEdge: "#111111" };

export class View {
  /**
   * @param box element to fill
   * @param facts of the slide
   * @param base address of the slide's pictures
   */
  constructor(box, facts, base) {
    this.box = box;
    this.facts = facts;
    this.bounds = boundsOf(facts.size_level0);
    this.map = L.map(box, {
      crs: L.CRS.Simple,
      attributionControl: false,
      zoomControl: false,
      keyboard: false, // the page has its own keys, which work wherever the focus is
      fadeAnimation: false,
      zoomSnap: 0.25,
      wheelPxPerZoomLevel: 90,
      maxZoom: MOST_ENLARGED,
      minZoom: -facts.max_shrink - 2,
      maxBounds: this.bounds.pad(0.6),
      maxBoundsViscosity: 0.8,
      preferCanvas: true,
    });
    this._watch();
    this._addPanes();
    this._addSlide(base);
    new ScaleBar({ mpp: facts.mpp }).addTo(this.map);
  }

  /** Show the whole slide, also when the box changes, until one moves. */
  fit() {
    this.isFitting = true;
    this.map.fitBounds(this.bounds, { padding: [MARGIN_PX, MARGIN_PX], animate: false });
    this.isFitting = false;
  }

  /** The middle and the zoom; null where the whole slide is shown. */
  get place() {
    return this.isWhole ? { x: null, y: null, zoom: null } : this.exactPlace;
  }

  get exactPlace() {
    const { x, y } = toLevel0(this.map.getCenter());
    return { x: Math.round(x), y: Math.round(y), zoom: Math.round(100 * this.map.getZoom()) / 100 };
  }

  show({ x, y, zoom }, options) {
    if (zoom === null) this.fit();
    else this.map.setView(toMap(x, y), zoom, options);
  }

  /** Follow the size of the box, which changes with the window, and when another picture stands beside it. */
  resize() {
    const { isWhole } = this;
    this.isFitting = isWhole; // Leaflet may move the map back into its bounds, which is no move of the visitor's
    this.map.invalidateSize({ animate: false });
    this.isFitting = false;
    if (isWhole) this.fit();
  }

  /** Put other attention on the slide; the old one goes when the new one is there, so that nothing flickers. */
  setOverlay(address) {
    if (address === this.overlayAddress) return;
    this.overlayAddress = address;
    const stale = this.overlays ?? [];
    if (!address) {
      stale.forEach((layer) => layer.remove());
      this.overlays = [];
      return;
    }
    const fresh = this._tiles((place) => address.replace("{place}", place), { pane: "attention" });
    this.overlays = [...stale, fresh];
    fresh.once("load", () => {
      const old = this.overlays.slice(0, this.overlays.indexOf(fresh));
      old.forEach((layer) => layer.remove());
      this.overlays = this.overlays.filter((layer) => !old.includes(layer));
    });
    fresh.addTo(this.map);
  }

  setOpacity(percent) { this.map.getPane("attention").style.opacity = percent / 100; }

  /** Show outlines, [[outline, hole, ...], ...] of [x, y]; null: none. */
  setContours(contours) {
    this.contours?.remove();
    this.contours = contours && L.polygon(
      contours.map((rings) => rings.map((ring) => ring.map(([x, y]) => toMap(x, y)))),
      { color: COLOURS.contour, weight: 2, fill: false, interactive: false, smoothFactor: 1.5 },
    ).addTo(this.map);
  }

  /** Mark a patch, or none. */
  mark(patch) {
    this.marked?.remove();
    if (!patch) return;
    const side = this.facts.patch_size_level0;
    const corners = [toMap(patch.x, patch.y + side), toMap(patch.x + side, patch.y)];
    const style = { fill: false, interactive: false, pane: "mark" };
    this.marked = L.layerGroup([
      L.rectangle(corners, { ...style, color: COLOURS.markEdge, weight: 5 }),
      L.rectangle(corners, { ...style, color: COLOURS.mark, weight: 2.5 }),
    ]).addTo(this.map);
  }

  /** Write in a corner which of two pictures this is. */
  setName(text) {
    this.name?.remove();
    if (!text) return;
    this.name = L.control({ position: "topright" });
    this.name.onAdd = () => Object.assign(document.createElement("div"), { className: "view-name", textContent: text });
    this.name.addTo(this.map);
  }

  /** Show where the pointer is in the other picture, or nowhere. */
  point(place) {
    if (!place) { this.pointer?.remove(); return; }
    this.pointer ??= L.circleMarker(place, {
      radius: 7, color: COLOURS.mark, weight: 2.5, fill: false, interactive: false, pane: "mark",
    });
    this.pointer.setLatLng(place).addTo(this.map);
  }

  _addPanes() {
    this.map.createPane("attention").style.zIndex = 300;
    const mark = this.map.createPane("mark");
    mark.style.zIndex = 450;
    mark.style.pointerEvents = "none";
  }

  _addSlide(base) {
    // until tiles are there, and where the slide's file is gone
    L.imageOverlay(`${base}/thumbnail`, this.bounds, { pane: "tilePane" }).addTo(this.map);
    if (this.facts.note) return;
    this._tiles((place) => `${base}/tiles/${place}.jpg?v=${this.facts.version}`, {
      isSharp: devicePixelRatio > 1, zIndex: 2,
    }).addTo(this.map);
  }

  _tiles(address, options) {
    const layer = new Tiles(address, this.facts, options);
    this.layers = (this.layers ?? []).concat(layer);
    layer.on("loading load", () => this._tellBusy());
    layer.on("remove", () => { this.layers = this.layers.filter((other) => other !== layer); this._tellBusy(); });
    return layer;
  }

  _tellBusy() { this.box.setAttribute("aria-busy", (this.layers ?? []).some((layer) => layer.isLoading())); }

  _watch() {
    this.map.on("movestart", () => { this.isWhole = this.isFitting; });
    this.map.on("zoomend", () => this.box.classList.toggle("fractional", !Number.isInteger(this.map.getZoom())));
    new ResizeObserver(() => this.resize()).observe(this.box);
  }
}
