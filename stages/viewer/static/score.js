/* The score of a patch, in a bubble at its place. */
import { element } from "./page.js";
import { toMap } from "./tiles.js";

const numbers = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const whole = new Intl.NumberFormat("en");

export function percentileText(percentile) { return percentile.toFixed(1); }

/** Return the content of the bubble for an answer of the server. */
export function scoreContent({ patch, of }) {
  if (!patch) return element("p", { class: "hint" }, "No patch here.");
  const rows = [
    ["Percentile", percentileText(patch.percentile)],
    ["Rank", `${whole.format(patch.rank)} of ${whole.format(of)}`],
    ["Raw score", patch.raw === null ? null : numbers.format(patch.raw)],
    ["Spread of folds", patch.spread === null ? null : numbers.format(patch.spread)],
    ["Patch x, y", `${patch.x}, ${patch.y}`],
  ].filter(([, value]) => value !== null);
  return element("dl", { class: "score" },
    ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

/** Open the bubble at a place of a view. */
export function showScore(view, answer, place) {
  const side = view.facts.patch_size_level0 / 2;
  const at = place ?? toMap(answer.patch.x + side, answer.patch.y + side);
  L.popup({ autoPanPadding: [10, 10], minWidth: 120 }).setLatLng(at).setContent(scoreContent(answer)).openOn(view.map);
}
