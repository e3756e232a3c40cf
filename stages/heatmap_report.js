"use strict";
// Filters and sorts the slides, and closes an enlarged picture by the Escape key. Without it all slides are shown.
const controls = document.getElementById("controls");
const list = document.getElementById("slides");
const slides = Array.from(list.children, (element, place) => ({
  element,
  place,
  id: element.dataset.id,
  label: element.dataset.label,
  agreement: element.dataset.agreement,
  predicted: JSON.parse(element.dataset.predicted),
  figures: JSON.parse(element.dataset.figures),
}));

function chosen(name) {
  const control = controls.elements.namedItem(name);
  return control === null ? "" : control.value;
}

function isShown(slide) {
  return slide.id.toLowerCase().includes(chosen("search").trim().toLowerCase())
    && ["", slide.label].includes(chosen("label"))
    && ["", slide.agreement].includes(chosen("agreement"))
    && ["", ...slide.predicted].includes(chosen("predicted"));
}

function key(slide, by) {
  if (by.startsWith("figure ")) return slide.figures[by.slice("figure ".length)];
  return { place: slide.place, id: slide.id, label: slide.label, predicted: slide.predicted.join(" ") }[by];
}

function compare(one, other, by, direction) {
  const [a, b] = [key(one, by), key(other, by)];
  if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);  // the last, either way
  return direction * (typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b);
}

function update() {
  const by = chosen("sort");
  const direction = chosen("order") === "down" ? -1 : 1;
  const ordered = [...slides].sort((one, other) => compare(one, other, by, direction) || one.place - other.place);
  for (const slide of slides) slide.element.hidden = !isShown(slide);
  list.append(...ordered.map((slide) => slide.element));
  const count = slides.filter((slide) => !slide.element.hidden).length;
  document.getElementById("count").textContent = `${count} of ${slides.length} shown`;
}

controls.hidden = false;
controls.addEventListener("input", update);
controls.addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const picture of document.querySelectorAll("details.zoom[open]")) picture.open = false;
});
update();
