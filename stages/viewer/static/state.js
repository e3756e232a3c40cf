/* Everything that a link restores. It lives in the part of the address behind "#", which is kept up to date. */

const WRITE_AFTER_MS = 150; // browsers refuse addresses that change too often

const TEXTS = ["model", "class_name", "scores_of", "colours"];
const OF_SLIDE = ["model", "class_name", "scores_of", "colours"];
const PERCENTS = ["opacity", "from"];
const SWITCHES = ["overlay", "contours", "side"];
const PLACE = ["x", "y", "zoom"]; // of the middle, in pixels of level 0; zoom 0 shows them 1:1, -1 half as large

export class State {
  /** @param defaults values of all names; those of PLACE may be null: the whole slide */
  constructor(defaults) {
    this.defaults = defaults;
    this.values = { ...defaults, ...parse(location.hash) };
    this.listeners = [];
    this.known = location.hash;
    addEventListener("hashchange", () => {
      this.known = location.hash;
      this.change({ ...this.defaults, ...parse(location.hash) });
    });
  }

  get(name) { return this.values[name]; }

  /** Call a listener with the set of names that changed. */
  onChange(listener) { this.listeners.push(listener); }

  change(values) {
    const changed = new Set(Object.keys(values).filter((name) => values[name] !== this.values[name]));
    if (!changed.size) return;
    Object.assign(this.values, values);
    this.write();
    for (const listener of this.listeners) listener(changed);
  }

  /** Bring the address up to date, soon. */
  write() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (location.hash !== this.known) return; // another link was opened, of which "hashchange" is about to tell
      history.replaceState(null, "", this.hash());
      this.known = location.hash;
    }, WRITE_AFTER_MS);
  }

  /** Return the address of this view, or, without its place, of the same settings for another slide. */
  hash({ withPlace = true } = {}) {
    const known = new URLSearchParams();
    for (const name of withPlace ? PLACE : []) if (this.values[name] !== null) known.set(name, this.values[name]);
    for (const name of [...TEXTS, ...PERCENTS]) {
      // another slide has a prediction, and so a first layer, of its own
      if (withPlace || !OF_SLIDE.includes(name) || this.values[name] !== this.defaults[name]) known.set(name, this.values[name]);
    }
    for (const name of SWITCHES) known.set(name, this.values[name] ? 1 : 0);
    return `#${known}`;
  }
}

/** Read what an address says; what makes no sense is left out. */
function parse(hash) {
  const found = new URLSearchParams(hash.slice(1));
  const values = {};
  for (const name of TEXTS) if (found.has(name)) values[name] = found.get(name);
  for (const name of PERCENTS) if (/^(\d{1,2}|100)$/.test(found.get(name) ?? "")) values[name] = Number(found.get(name));
  for (const name of SWITCHES) if (found.has(name)) values[name] = found.get(name) === "1";
  const place = PLACE.map((name) => Number.parseFloat(found.get(name)));
  if (place.every(Number.isFinite)) PLACE.forEach((name, n) => { values[name] = place[n]; });
  return values;
}
