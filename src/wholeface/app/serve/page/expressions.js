// Sliders for the named expressions, and expressions ready made.

import { byId, make } from "./dom.js";
import { expressionWords, PRESETS } from "./words.js";

const MOVE_MS = 250;

export class Expressions {
  /** @param change is given all weights whenever they change */
  constructor(change) {
    this.change = change;
    this.place = byId("expressions");
  }

  /** Sliders for these expressions. */
  show(names, initial) {
    this.names = names;
    this.weights = [...initial];
    this.inputs = [];
    if (!names.length) {
      this.place.replaceChildren(make("p", { class: "note" }, "This head was saved without its expressions; --expressions writes them."));
      return;
    }
    const known = Object.entries(PRESETS).filter(([, weights]) => Object.keys(weights).every((name) => names.includes(name)));
    const presets = make("div", { class: "presets", role: "group", "aria-label": "Ready-made expressions" },
      make("button", { type: "button", click: () => this.#move(initial) }, "As in the photo"),
      ...known.map(([label, weights]) => make("button", { type: "button", "data-preset": label, click: () => this.#move(names.map((name) => weights[name] ?? 0)) }, label)));
    const search = make("input", { type: "search", placeholder: "Find an expression", "aria-label": "Find an expression", input: () => this.#filter(search.value) });
    this.sliders = make("div", { class: "sliders" });
    this.#fill();
    this.place.replaceChildren(presets, search, this.sliders, make("p", { class: "note" }, "Left and right are the face's own."));
  }

  #fill() {
    const groups = new Map();
    this.names.forEach((name, number) => {
      const words = expressionWords(name);
      if (!groups.has(words.group)) groups.set(words.group, new Map());
      const rows = groups.get(words.group);
      if (!rows.has(words.base)) rows.set(words.base, { label: words.label, parts: [] });
      rows.get(words.base).parts.push({ name, number, side: words.side });
    });
    for (const [group, rows] of groups) {
      const section = make("section", {}, make("h3", {}, group));
      for (const row of rows.values()) section.append(this.#row(row));
      this.sliders.append(section);
    }
  }

  #row({ label, parts }) {
    const pair = make("div", { class: "pair" });
    for (const { name, number, side } of [...parts].sort((a, b) => b.side.localeCompare(a.side))) {
      const statistical = /^expression_\d+$/.test(name);
      const input = make("input", {
        type: "range", min: statistical ? -3 : 0, max: statistical ? 3 : 1, step: 0.01, "data-expression": name,
        "aria-label": side ? `${label}, ${side}` : label, title: name, input: () => this.#slid(number, input),
      });
      input.value = this.weights[number];
      this.inputs[number] = input;
      pair.append(make("label", {}, make("span", { class: "hand", "aria-hidden": "true" }, side ? side[0].toUpperCase() : ""), input));
    }
    return make("div", { class: "expression", "data-words": `${label} ${parts.map((part) => part.name).join(" ")}`.toLowerCase() }, make("span", {}, label), pair);
  }

  #slid(number, input) {
    cancelAnimationFrame(this.moving);
    this.weights[number] = Number(input.value);
    this.change(this.weights);
  }

  #filter(text) {
    const wanted = text.trim().toLowerCase();
    for (const row of this.sliders.querySelectorAll(".expression")) row.hidden = !row.dataset.words.includes(wanted);
    for (const section of this.sliders.children) section.hidden = !section.querySelector(".expression:not([hidden])");
  }

  #move(target) {
    cancelAnimationFrame(this.moving);
    const from = [...this.weights];
    const begun = performance.now();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const step = (now) => {
      const share = still ? 1 : Math.min(Math.max((now - begun) / MOVE_MS, 0), 1);
      const eased = share * share * (3 - 2 * share);
      this.weights = from.map((weight, i) => weight + eased * (target[i] - weight));
      this.inputs.forEach((input, i) => { input.value = this.weights[i]; });
      this.change(this.weights);
      if (share < 1) this.moving = requestAnimationFrame(step);
    };
    step(begun + (still ? MOVE_MS : 0));
  }
}
