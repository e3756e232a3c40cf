/* What models say of the slide: in a line, and number by number. */
import { element } from "./page.js";

const SHOWN_MODELS = 3;

function numberText(prediction, name) {
  const spread = prediction.spread[name];
  return prediction.values[name].toFixed(3) + (spread === undefined ? "" : ` ± ${spread.toFixed(3)}`);
}

/** Whether the label is known to a model and another class was predicted. */
function isWrong(prediction, label) {
  return Boolean(prediction.predicted) && label in prediction.values && label !== prediction.predicted;
}

/** Fill the line above the slide. */
export function showSaid(box, { label, predictions }) {
  const part = (name, value, isWrongOne) => element("span", isWrongOne ? { class: "wrong" } : {},
    `${name} `, element("b", {}, value), ...(isWrongOne ? [element("span", { class: "tag" }, "wrong")] : []));
  const models = predictions.slice(0, SHOWN_MODELS).map((prediction) => {
    const name = prediction.predicted || Object.keys(prediction.values)[0];
    const value = `${name} ${name in prediction.values ? numberText(prediction, name) : ""}`;
    return part(predictions.length > 1 ? prediction.model : "Predicted", value, isWrong(prediction, label));
  });
  box.replaceChildren(...(label ? [part("Label", label, false)] : []), ...models);
}

/** Fill the tables of all numbers, one for each model. */
export function showPredictions(box, { predictions }) {
  box.replaceChildren(...predictions.map((prediction) => {
    const facts = [
      ...(prediction.head === prediction.model ? [] : [prediction.head]),
      ...(prediction.n_folds > 1 ? [`${prediction.n_folds} folds`] : []),
    ];
    const caption = prediction.model + (facts.length ? ` (${facts.join(", ")})` : "");
    const rows = Object.keys(prediction.values).map((name) => element("tr",
      name === prediction.predicted ? { class: "predicted" } : {},
      element("td", {}, name), element("td", {}, numberText(prediction, name))));
    return element("table", {}, element("caption", {}, caption),
      element("tbody", {}, ...rows));
  }));
}
