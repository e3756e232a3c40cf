/* Small pictures of the patches that score highest and lowest. */
import { element } from "./page.js";
import { percentileText } from "./score.js";

/**
 * Fill the strip.
 * @param box element to fill
 * @param ranking of the server
 * @param address function of a patch's number; null: there are no pictures
 * @param onChoose called with the patch that was clicked on
 */
export function showStrip(box, ranking, address, onChoose) {
  const group = (title, patches) => element("div", {},
    element("h2", {}, title),
    element("div", { class: "patches" }, ...patches.map((patch) => button(patch, address, onChoose))));
  box.replaceChildren(group("Highest", ranking.highest), group("Lowest", ranking.lowest));
}

export function markInStrip(box, number) {
  for (const patch of box.querySelectorAll("button")) patch.setAttribute("aria-current", patch.value === String(number));
}

function button(patch, address, onChoose) {
  const picture = address ? [element("img", { alt: "", loading: "lazy", src: address(patch.number) })] : [];
  const title = `Rank ${patch.rank}, percentile ${percentileText(patch.percentile)}`;
  const made = element("button", { type: "button", value: patch.number, title, "aria-label": title },
    ...picture, percentileText(patch.percentile));
  made.addEventListener("click", () => onChoose(patch));
  return made;
}
