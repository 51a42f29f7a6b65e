// Elements without a framework.

/** An element with attributes (functions become listeners) and children. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Shows one section of the page, and hides the others. */
export function showOnly(id) {
  for (const other of ["signin", "start", "work", "result"]) byId(other).hidden = other !== id;
}

/** Says something went wrong, or nothing any more. */
export function say(message = "") {
  const place = byId("message");
  place.hidden = !message;
  place.textContent = message;
  if (message) place.scrollIntoView({ block: "nearest" });
}

export const percent = (share) => (share > 0 && share < 0.005 ? "< 1 %" : `${Math.round(100 * share)} %`);
