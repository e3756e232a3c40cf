/* Small things that several modules need of a page. */

/** Make an element with attributes and children; text is only ever set as text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Get JSON, or throw an error with the server's one line. */
export async function getJson(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer.json();
}

/** Take the token out of the address bar: the browser has its cookie now. */
export function hideToken() {
  const address = new URL(location.href);
  if (!address.searchParams.has("token")) return;
  address.searchParams.delete("token");
  history.replaceState(null, "", address);
}

/** Let the help button and "?" open the dialog of keys, and the given keys do what they say. */
export function listenToKeys(actions) {
  const help = document.getElementById("help");
  const showHelp = () => help.showModal();
  document.getElementById("help-button").addEventListener("click", showHelp);
  document.addEventListener("keydown", (event) => {
    if (help.open || event.ctrlKey || event.metaKey || event.altKey) return;
    const action = { "?": showHelp, ...actions }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || isTypedInto(event.target, event.key)) return;
    event.preventDefault();
    action(event);
  });
}

/** Whether a control takes the key itself: text fields all, sliders and menus those that change them. */
function isTypedInto(target, key) {
  if (!target.matches("input, select")) return false;
  if (target.type === "checkbox") return key === " ";
  if (target.type === "range") return key.startsWith("Arrow") || key === "Home" || key === "End";
  return key !== "Escape";
}

/** The order of slides in the list as it was last seen in this tab. */
export const listOrder = {
  get keys() { return JSON.parse(sessionStorage.getItem("order") || "[]"); },
  set keys(keys) { sessionStorage.setItem("order", JSON.stringify(keys)); },
  get address() { return sessionStorage.getItem("list") || "/"; },
  set address(address) { sessionStorage.setItem("list", address); },
};
