/* The list of slides: sort, filter, move with the keyboard. Its state is in the address. */
import { hideToken, listenToKeys, listOrder } from "./page.js";

const table = document.getElementById("slides");
const body = table.tBodies[0];
const rows = [...body.rows];
const filters = document.getElementById("filters").elements;
const heads = [...table.tHead.rows[0].cells];
const sorted = { column: -1, descending: false };
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function labelOf(row) { return row.dataset.label; }
function predictedOf(row) { return JSON.parse(row.dataset.predicted).filter(Boolean); }

function offer(select, values) {
  const distinct = [...new Set(values)].filter(Boolean).sort(collator.compare);
  for (const value of distinct) select.add(new Option(value, value));
}

function isShown(row) {
  const text = filters.text.value.trim().toLowerCase();
  return (!text || row.textContent.toLowerCase().includes(text))
    && (!filters.label.value || labelOf(row) === filters.label.value)
    && (!filters.predicted.value || predictedOf(row).includes(filters.predicted.value))
    && (!filters.verdict.value || row.dataset.verdict.split(" ").includes(filters.verdict.value));
}

/** Compare two rows by the sorted column; those without a value come last, whichever way it is sorted. */
function compare(one, other) {
  const [a, b] = [one, other].map((row) => row.cells[sorted.column].dataset.value);
  if (!a || !b) return (a ? 0 : 1) - (b ? 0 : 1);
  const isNumber = heads[sorted.column].querySelector("button").dataset.kind === "number";
  const order = isNumber ? Number(a) - Number(b) : collator.compare(a, b);
  return sorted.descending ? -order : order;
}

function show() {
  const ordered = sorted.column < 0 ? rows : [...rows].sort(compare);
  body.append(...ordered);
  for (const row of ordered) row.hidden = !isShown(row);
  const shown = shownLinks();
  document.getElementById("count").textContent =
    shown.length === rows.length ? `${rows.length} slides` : `${shown.length} of ${rows.length} slides`;
  document.getElementById("nothing").hidden = shown.length > 0;
  heads.forEach((head, column) => head.setAttribute(
    "aria-sort", column !== sorted.column ? "none" : sorted.descending ? "descending" : "ascending"));
  remember(shown);
}

function remember(shown) {
  const state = new URLSearchParams();
  for (const { name, value } of filters) if (name && value) state.set(name, value);
  if (sorted.column >= 0) state.set("sort", (sorted.descending ? "-" : "") + sorted.column);
  const hash = state.toString();
  history.replaceState(null, "", location.pathname + (hash ? `#${hash}` : ""));
  listOrder.address = location.pathname + location.hash;
  listOrder.keys = shown.map((link) => link.pathname.split("/").pop());
}

function restore() {
  const state = new URLSearchParams(location.hash.slice(1));
  for (const field of filters) if (field.name) field.value = state.get(field.name) ?? "";
  const sort = state.get("sort") ?? "";
  const column = Number(sort.replace("-", "") || -1);
  sorted.column = heads[column]?.querySelector("button") ? column : -1;
  sorted.descending = sort.startsWith("-");
}

function sortBy(column) {
  sorted.descending = sorted.column === column && !sorted.descending;
  sorted.column = column;
  show();
}

function shownLinks() {
  return [...body.rows].filter((row) => !row.hidden).map((row) => row.querySelector(".name a"));
}

function step(by) {
  const links = shownLinks();
  const at = links.indexOf(document.activeElement);
  const next = links[at < 0 ? 0 : Math.min(Math.max(at + by, 0), links.length - 1)];
  next?.focus();
  next?.closest("tr").scrollIntoView({ block: "nearest" });
}

hideToken();
offer(filters.label, rows.map(labelOf));
offer(filters.predicted, rows.flatMap(predictedOf));
restore();
show();
heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => sortBy(column)));
document.getElementById("filters").addEventListener("input", show);
document.getElementById("filters").addEventListener("submit", (event) => { event.preventDefault(); step(1); });
addEventListener("hashchange", () => { restore(); show(); });
body.addEventListener("click", (event) => {
  if (!event.target.closest("a") && !getSelection().toString()) event.target.closest("tr")?.querySelector(".name a").click();
});
listenToKeys({
  "/": () => filters.text.focus(),
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  Escape: () => document.activeElement.blur(),
});
