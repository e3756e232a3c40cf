/* A scale bar: micrometres or millimetres, or pixels of level 0 where their size is unknown. */

const WIDEST_PX = 130;

/** Return the roundest length up to `most`: 1, 2 or 5 times a power of ten. */
export function roundLength(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return power * [5, 2, 1].find((factor) => factor * power <= most);
}

/** Write a length given in micrometres, or in pixels. */
export function lengthText(length, isUm) {
  if (!isUm) return `${length} px`;
  return length >= 1000 ? `${length / 1000} mm` : `${length} µm`;
}

export const ScaleBar = L.Control.extend({
  options: { position: "bottomleft", mpp: null },

  onAdd(map) {
    this._box = L.DomUtil.create("div", "scale-bar");
    this._text = L.DomUtil.create("span", "", this._box);
    this._bar = L.DomUtil.create("div", "", this._box);
    map.on("zoom", this._update, this);
    map.whenReady(this._update, this);
    return this._box;
  },

  onRemove(map) { map.off("zoom", this._update, this); },

  _update() {
    const { mpp } = this.options;
    const unitsPerPx = (mpp ?? 1) / 2 ** this._map.getZoom();
    const length = roundLength(WIDEST_PX * unitsPerPx);
    this._text.textContent = lengthText(length, mpp !== null);
    this._bar.style.width = `${length / unitsPerPx}px`;
  },
});
