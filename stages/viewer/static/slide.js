/* The page of a slide: puts its parts together. */
import { getJson, hideToken, listOrder, listenToKeys } from "./page.js";
import { showPredictions, showSaid } from "./predictions.js";
import { showScore } from "./score.js";
import { step, tieSettings } from "./settings.js";
import { State } from "./state.js";
import { markInStrip, showStrip } from "./strip.js";
import { synchronise } from "./sync.js";
import { toLevel0 } from "./tiles.js";
import { View } from "./view.js";

const PATCH_ON_SCREEN_PX = 220; // of a patch that was chosen in the strip
const PAN_PX = 160;
const OVERLAY = ["model", "class_name", "scores_of", "colours", "from", "overlay"];

const byId = (id) => document.getElementById(id);
const key = document.body.dataset.key;
const base = `/slides/${key}`;

function defaultsOf(facts) {
  const [first] = facts.layers;
  return {
    x: null, y: null, zoom: null,
    model: first?.model ?? "", class_name: first?.class_name ?? "", scores_of: first?.has_fine ? "fine" : "block",
    colours: facts.colour_map, opacity: facts.opacity_percent, from: 0,
    overlay: true, contours: false, side: false,
  };
}

class Page {
  constructor(facts) {
    this.facts = facts;
    this.state = new State(defaultsOf(facts));
    this.main = new View(byId("map"), facts, base);
    this.views = [this.main];
  }

  start() {
    const { facts, state } = this;
    this.settle();
    showSaid(byId("said"), facts);
    showPredictions(byId("predictions"), facts);
    byId("note").textContent = facts.note;
    byId("note").hidden = !facts.note;
    tieSettings(byId("settings"), facts, state);
    this.place();
    L.control.zoom({ position: "topleft" }).addTo(this.main.map);
    this.main.map.on("moveend", () => { state.change(this.main.place); this.linkNeighbours(); });
    this.listenToClicks(this.main);
    state.onChange((changed) => this.update(changed));
    this.update(new Set([...OVERLAY, "opacity", "contours", "side"]));
    listenToKeys(this.keys());
    state.write();
  }

  /** Show the place of the address, or the whole slide. */
  place() {
    const [x, y, zoom] = ["x", "y", "zoom"].map((name) => this.state.get(name));
    this.main.show({ x, y, zoom }, { animate: false });
  }

  get layer() {
    const { layers } = this.facts;
    const isOf = (name) => (layer) => layer[name] === this.state.get(name);
    const ofModel = layers.filter(isOf("model"));
    const chosen = ofModel.find(isOf("class_name")) ?? ofModel[0] ?? layers[0];
    return { ...chosen, number: layers.indexOf(chosen) };
  }

  /** Put what there is in the place of what an address asks for and this slide has not. */
  settle() {
    const { state, facts, layer } = this;
    const colours = facts.colour_maps.includes(state.get("colours")) ? state.get("colours") : facts.colour_map;
    const scores_of = layer.has_fine && state.get("scores_of") === "fine" ? "fine" : "block";
    if (layer.number >= 0) state.change({ model: layer.model, class_name: layer.class_name, scores_of, colours });
  }

  get layerAddress() { return `${base}/layers/${this.layer.number}`; }

  get scoresAddress() { return `${this.layerAddress}/${this.state.get("scores_of")}`; }

  update(changed) {
    const has = (...names) => names.some((name) => changed.has(name));
    const { state } = this;
    this.settle();
    if (has("side")) this.setSide(state.get("side"));
    if (has("zoom", "x", "y") && !this.isShown()) this.place();
    if (has(...OVERLAY)) this.updateOverlay();
    if (has("opacity")) this.main.setOpacity(state.get("opacity"));
    if (has("contours", "side")) this.updateContours();
    if (has("model", "class_name")) this.updateStrip();
    if (has("model", "class_name", "scores_of")) this.choose(null);
    if (has("colours")) byId("legend").querySelector("img").src = `${base}/colours/${encodeURIComponent(state.get("colours"))}.png`;
    this.linkNeighbours();
  }

  isShown() {
    const shown = this.main.place;
    return ["x", "y", "zoom"].every((name) => shown[name] === this.state.get(name));
  }

  updateOverlay() {
    const { state, facts } = this;
    const asked = new URLSearchParams({ colours: state.get("colours"), from: state.get("from"), v: facts.version });
    const isOn = state.get("overlay") && this.layer.number >= 0;
    this.main.setOverlay(isOn ? `${this.scoresAddress}/{place}.png?${asked}` : "");
  }

  async updateContours() {
    const isOn = this.state.get("contours");
    if (isOn) this.contours ??= await getJson(`${base}/contours.json`).catch(() => []);
    for (const view of this.views) view.setContours(this.state.get("contours") ? this.contours : null);
  }

  async updateStrip() {
    if (this.layer.number < 0) return;
    const address = this.layerAddress;
    const ranking = await getJson(`${address}/ranking.json`).catch((error) => error);
    if (address !== this.layerAddress) return; // another layer was chosen meanwhile
    if (ranking instanceof Error) {
      byId("strip").replaceChildren(ranking.message);
      return;
    }
    const picture = this.facts.note ? null : (number) => `${address}/patches/${number}.jpg?v=${this.facts.version}`;
    showStrip(byId("strip"), ranking, picture, (patch) => this.visit(patch));
  }

  /** Move to a patch of the strip. */
  visit(patch) {
    const half = this.facts.patch_size_level0 / 2;
    const zoom = Math.min(this.main.map.getMaxZoom(), Math.log2(PATCH_ON_SCREEN_PX / this.facts.patch_size_level0));
    this.main.map.closePopup();
    this.main.show({ x: patch.x + half, y: patch.y + half, zoom: Math.round(4 * zoom) / 4 });
    this.choose(patch);
    byId("views").scrollIntoView({ block: "nearest" });
  }

  /** Mark a patch in the views and in the strip. */
  choose(patch) {
    for (const view of this.views) view.mark(patch);
    markInStrip(byId("strip"), patch?.number);
    if (!patch) this.main.map.closePopup();
  }

  listenToClicks(view) {
    view.map.on("click", async ({ latlng }) => {
      if (this.layer.number < 0) return;
      const { x, y } = toLevel0(latlng);
      const asked = new URLSearchParams({ x: x.toFixed(1), y: y.toFixed(1) });
      const answer = await getJson(`${this.scoresAddress}/score.json?${asked}`).catch(() => ({ patch: null }));
      this.choose(answer.patch);
      showScore(view, answer, latlng);
    });
  }

  setSide(isOn) {
    byId("plain").hidden = !isOn;
    this.main.resize();
    if (isOn && this.views.length < 2) this.addPlain();
    this.plain?.resize();
    this.plain?.show(this.main.exactPlace, { animate: false });
    this.main.setName(isOn ? "attention" : "");
  }

  addPlain() {
    this.plain = new View(byId("plain"), this.facts, base);
    this.views.push(this.plain);
    this.plain.setName("original");
    this.listenToClicks(this.plain);
    this.plain.show(this.main.exactPlace, { animate: false });
    synchronise(this.main, this.plain, () => this.state.get("side"));
  }

  /** Lead to the slides before and after, in the order of the list, with the same settings. */
  linkNeighbours() {
    const keys = listOrder.keys.includes(key) ? listOrder.keys : this.facts.keys;
    const at = keys.indexOf(key);
    for (const [id, other] of [["previous", keys[at - 1]], ["next", keys[at + 1]]]) {
      if (other) byId(id).href = `/slides/${other}${this.state.hash({ withPlace: false })}`;
    }
  }

  keys() {
    const { state } = this;
    const { map } = this.main;
    const toggle = (name) => () => state.change({ [name]: !state.get(name) });
    const zoomIn = () => map.zoomIn(1);
    return {
      "+": zoomIn, "=": zoomIn, "-": () => map.zoomOut(1), 0: () => this.main.fit(),
      ArrowLeft: () => map.panBy([-PAN_PX, 0]), ArrowRight: () => map.panBy([PAN_PX, 0]),
      ArrowUp: () => map.panBy([0, -PAN_PX]), ArrowDown: () => map.panBy([0, PAN_PX]),
      n: () => byId("next").click(), p: () => byId("previous").click(), l: () => byId("back").click(),
      o: toggle("overlay"), c: toggle("contours"), s: toggle("side"),
      ",": () => step(state, "opacity", -1), ".": () => step(state, "opacity", 1),
      "[": () => step(state, "from", -1), "]": () => step(state, "from", 1),
      Escape: () => this.choose(null),
    };
  }
}

hideToken();
byId("back").href = listOrder.address;
getJson(`${base}/facts.json`).then((facts) => new Page(facts).start()).catch((error) => {
  byId("note").textContent = error.message;
  byId("note").hidden = false;
});
