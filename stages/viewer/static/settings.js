/* The settings beside a slide: they show the state and change it. */

const FINEST_STEP = 5; // percent, of a key

/** Fill the menus with what there is, and tie every control to the state. */
export function tieSettings(form, facts, state) {
  const fields = form.elements;
  offer(fields.model, facts.layers.map((layer) => layer.model));
  offer(fields.colours, facts.colour_maps);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", ({ target }) => {
    const value = target.type === "checkbox" ? target.checked : target.type === "range" ? Number(target.value) : target.value;
    state.change({ [target.name]: value });
  });
  const show = () => {
    const here = facts.layers.filter((layer) => layer.model === state.get("model"));
    offer(fields.class_name, here.map((layer) => layer.class_name));
    fields.scores_of.closest("label").hidden = !here.some((layer) => layer.has_fine);
    for (const field of fields) if (field.name) showValue(field, state.get(field.name));
  };
  state.onChange(show);
  show();
}

/** Move a slider by a step. */
export function step(state, name, by) {
  state.change({ [name]: Math.min(100, Math.max(0, state.get(name) + by * FINEST_STEP)) });
}

function offer(select, values) {
  const distinct = [...new Set(values)];
  if (distinct.join("\n") !== [...select.options].map((option) => option.value).join("\n")) {
    select.replaceChildren(...distinct.map((value) => new Option(value || "all classes", value)));
  }
  select.closest("label").hidden = distinct.length < 2;
}

function showValue(field, value) {
  if (field.type === "checkbox") field.checked = value;
  else field.value = value;
  const output = field.parentElement.querySelector("output");
  if (output) output.value = field.name === "from" ? String(value) : `${value} %`;
}
