// A finished photo: its faces, one at a time.

import { Compare } from "./compare.js";
import { byId, make, percent } from "./dom.js";
import { Expressions } from "./expressions.js";
import { HeadView } from "./head.js";
import { sentence } from "./session.js";
import { FILES, PROVENANCE } from "./words.js";

const LEGENDS = {
  texture: "The photo's colours, completed.",
  clay: "The shape alone.",
  relief: "The shape with wrinkles and folds.",
  confidence: "How sure each colour is: from guessed to seen well.",
};

export class ResultView {
  constructor() {
    this.compare = new Compare();
    this.expressions = new Expressions((weights) => this.head?.express(weights));
    for (const input of document.querySelectorAll("input[name=mode]")) {
      input.addEventListener("change", () => this.#mode(input.value));
    }
    byId("wire").addEventListener("change", (event) => this.head?.showWires(event.target.checked));
    for (const button of document.querySelectorAll("[data-view]")) {
      button.addEventListener("click", () => this.head?.turn(button.dataset.view, this.face));
    }
    byId("snap").addEventListener("click", () => this.#snap());
    byId("faces").addEventListener("keydown", (event) => this.#tabKey(event));
  }

  /** Shows an answer of `GET /v1/reconstructions/{id}` whose status is done. */
  async show(result) {
    this.result = result;
    const tabs = byId("faces");
    tabs.hidden = result.faces.length < 2;
    tabs.replaceChildren(...result.faces.map((face, i) => make("button", {
      type: "button", role: "tab", id: `tab-${face.number}`, "aria-controls": "face", click: () => this.#choose(i),
    }, `Face ${face.number}`)));
    await this.#choose(0);
  }

  #tabKey(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const count = this.result.faces.length;
    const next = (this.result.faces.indexOf(this.face) + step + count) % count;
    this.#choose(next);
    byId("faces").children[next].focus();
  }

  async #choose(number) {
    const face = (this.face = this.result.faces[number]);
    [...byId("faces").children].forEach((tab, i) => {
      tab.setAttribute("aria-selected", String(i === number));
      tab.tabIndex = i === number ? 0 : -1;
    });
    this.compare.show(this.result, face);
    this.#tellVerdict(face);
    this.#offer(face);
    await this.#loadHead(face);
  }

  async #loadHead(face) {
    const place = byId("view");
    try {
      this.head ??= new HeadView(place);
    } catch {
      place.replaceChildren(make("div", { class: "instead" }, make("p", {}, "This browser cannot show 3D (WebGL is off)."), face.files["preview.png"] && make("img", { src: face.files["preview.png"], alt: "The head from three sides" })));
      this.expressions.show([], []);
      return;
    }
    if (!face.files["face.glb"]) {
      this.head.waiting.textContent = "This result has no face.glb.";
      this.head.waiting.hidden = false;
      this.expressions.show([], []);
      return;
    }
    let modes;
    try {
      modes = await this.head.load(face.files["face.glb"]);
    } catch {
      this.head.waiting.textContent = "The head cannot be loaded.";
      return;
    }
    if (!modes) return;
    for (const input of document.querySelectorAll("input[name=mode]")) {
      input.disabled = !modes.includes(input.value);
      input.checked = input.value === this.head.mode;
      input.parentElement.title = input.disabled ? "This result has none" : "";
    }
    const { names, initial } = this.head.shape;
    this.expressions.show(names, initial);
    this.#mode(this.head.mode);
    this.head.turn("photo", face);
    place.dataset.ready = String(face.number);
  }

  #mode(mode) {
    this.head.show(mode);
    const legend = byId("legend");
    if (mode === "provenance") legend.replaceChildren(shares(this.face.provenance));
    else {
      legend.textContent = LEGENDS[mode];
      if (mode === "confidence") legend.append(make("div", { class: "ramp", role: "img", "aria-label": "dark violet: guessed; yellow: seen well" }));
    }
  }

  #tellVerdict(face) {
    const { verdict, reasons } = face.quality;
    const words = { good: "Good", fair: "Fair: look twice", poor: "Poor: a rough guess" };
    const notes = [...(this.result.photo?.warnings ?? []), ...face.warnings];
    const left = this.result.face_count - this.result.faces.length;
    if (left > 0) notes.push(`${this.result.face_count} faces found; ${left} of them not shown here`);
    byId("verdict").replaceChildren(...[
      make("p", { class: `verdict ${verdict}` }, words[verdict] ?? verdict),
      make("p", {}, `${percent(face.hidden_fraction)} of the face was hidden in the photo.`),
      list(reasons),
      notes.length > 0 && make("p", { class: "note" }, "Worth knowing:"),
      list(notes),
      face.provenance && make("details", {}, make("summary", {}, "Where the head's colours come from"), table(face.provenance), make("p", { class: "note" }, "Of the whole head, its back and neck included.")),
      face.relief?.shares && make("details", {}, make("summary", {}, "Where wrinkles and folds come from"), table(face.relief.shares)),
    ].filter(Boolean));
  }

  #offer(face) {
    const link = (name, label, main) => make("li", {}, make("a", { class: main ? "button main" : null, href: `${this.#url(name)}?download=1`, download: true }, label));
    const names = Object.keys(face.files).filter((name) => FILES[name]);
    const order = Object.keys(FILES);
    names.sort((a, b) => order.indexOf(a) - order.indexOf(b));
    const [first, ...rest] = names;
    byId("downloads").replaceChildren(make("ul", { class: "files" },
      first && link(first, face.expressions || first !== "face.glb" ? FILES[first] : "Head (GLB)", true),
      this.result.files["everything.zip"] && make("li", {}, make("a", { href: `${this.result.files["everything.zip"]}?download=1`, download: true }, "Everything (ZIP)")),
      ...rest.map((name) => link(name, FILES[name]))));
  }

  #url(name) {
    return this.face.files[name];
  }

  #snap() {
    if (!this.head) return;
    make("a", { href: this.head.image(), download: `wholeface_face${this.face.number}.png` }).click();
  }
}

const list = (sentences) => (sentences.length ? make("ul", {}, ...sentences.map((text) => make("li", {}, sentence(text)))) : null);

const rowsOf = (found) => Object.entries(PROVENANCE).filter(([name]) => found?.[name] > 0);

const swatch = (colour) => {
  const made = make("span", { class: "swatch", "aria-hidden": "true" });
  made.style.background = colour;
  return made;
};

function shares(found) {
  return make("ul", { "aria-label": "Shares of the whole head's texture, its back and neck included" }, ...rowsOf(found ?? Object.fromEntries(Object.keys(PROVENANCE).map((n) => [n, 1]))).map(([name, [colour, words]]) => make("li", {}, swatch(colour), make("span", {}, found ? `${words}: ${percent(found[name])}` : words))));
}

function table(found) {
  return make("table", {}, make("tbody", {}, ...rowsOf(found).map(([name, [colour, words]]) => make("tr", {}, make("td", {}, swatch(colour)), make("td", {}, words), make("td", { class: "number" }, percent(found[name]))))));
}
