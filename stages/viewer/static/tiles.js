/* Layers of tiles as the server cuts them: <shrink>/<column>_<row>, counted from the slide's top left corner. */

/** Level-0 pixels as Leaflet's coordinates: y runs upwards there. */
export function toMap(x, y) { return L.latLng(-y, x); }
export function toLevel0(place) { return { x: place.lng, y: -place.lat }; }
export function boundsOf([width, height]) { return L.latLngBounds(toMap(0, height), toMap(width, 0)); }

export const Tiles = L.GridLayer.extend({
  /**
   * @param address function of "<shrink>/<column>_<row>"
   * @param facts of the slide
   * @param options Leaflet's, and isSharp: tiles of half the size, for screens with finer pixels
   */
  initialize(address, facts, { isSharp = false, ...options } = {}) {
    this._address = address;
    this._facts = facts;
    this._finer = isSharp ? 1 : 0;
    L.setOptions(this, {
      tileSize: facts.tile_px >> this._finer,
      maxNativeZoom: -this._finer,
      minNativeZoom: -facts.max_shrink - this._finer,
      bounds: boundsOf(facts.size_level0),
      minZoom: -Infinity, // zoom 0 is 1:1 here, not the whole world
      noWrap: true,
      updateWhenZooming: false,
      keepBuffer: 1,
      ...options,
    });
  },

  createTile(place, done) {
    const tile = document.createElement("img");
    const shrink = -place.z - this._finer;
    tile.alt = "";
    this._fit(tile, shrink, place);
    tile.onload = () => done(null, tile);
    tile.onerror = () => { tile.hidden = true; done(new Error("no tile"), tile); };
    tile.src = this._address(`${shrink}/${place.x}_${place.y}`);
    return tile;
  },

  /** Tiles at the right and lower edge are smaller; the style sheet takes it from here. */
  _fit(tile, shrink, place) {
    const full = this._facts.tile_px;
    const [width, height] = this._facts.size_level0.map((side) => Math.ceil(side / 2 ** shrink));
    tile.style.setProperty("--width", `${Math.min(full, width - place.x * full) / 2 ** this._finer}px`);
    tile.style.setProperty("--height", `${Math.min(full, height - place.y * full) / 2 ** this._finer}px`);
  },
});
