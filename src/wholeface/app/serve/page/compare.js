// Photo and completed photo, one over the other, with a boundary that can be moved.

import { byId, make } from "./dom.js";

const ROOM = 0.55; // around the face, in parts of its box

export class Compare {
  constructor() {
    this.place = byId("layers");
    this.divide = byId("divide");
    this.divide.addEventListener("input", () => this.#arrange());
    byId("show-mask").addEventListener("change", () => this.#arrange());
    byId("whole-photo").addEventListener("change", () => this.#arrange());
    this.place.addEventListener("pointerdown", (event) => {
      this.place.setPointerCapture(event.pointerId);
      this.#drag(event);
    });
    this.place.addEventListener("pointermove", (event) => {
      if (this.place.hasPointerCapture(event.pointerId)) this.#drag(event);
    });
  }

  #drag(event) {
    const box = this.place.getBoundingClientRect();
    this.divide.value = Math.round((100 * (event.clientX - box.left)) / box.width);
    this.#arrange();
  }

  /** Shows the images of a face. */
  show(result, face) {
    const layer = (url, alt) => url && make("img", { class: "layer", src: url, alt, draggable: "false" });
    this.photo = result.photo;
    this.face = face;
    const before = layer(result.files["photo.jpg"], "The photo");
    const after = layer(face.files["screen_deoccluded.jpg"] ?? face.files["deoccluded.png"], "The photo without what hides the face");
    this.before = before;
    this.mask = layer(face.files["screen_occluder.png"], "What hides the face, in red");
    this.after = make("div", { class: "after" }, after);
    this.line = make("div", { class: "line" });
    this.layers = [before, after, this.mask].filter(Boolean);
    this.place.replaceChildren(...[before, this.after, this.mask, this.line].filter(Boolean));
    this.divide.disabled = !before || !after;
    const note = byId("compare-note");
    note.hidden = Boolean(before);
    note.textContent = "The photo itself is not where it was when the head was made; --photo says where it is now.";
    this.#arrange();
  }

  #arrange() {
    if (!this.face) return;
    const { width, height } = this.photo;
    const crop = byId("whole-photo").checked || !this.face.box ? [0, 0, width, height] : around(this.face.box, width, height);
    const [left, top, right, bottom] = crop;
    const [w, h] = [right - left, bottom - top];
    this.place.style.aspectRatio = `${w} / ${h}`;
    for (const layer of this.layers) {
      Object.assign(layer.style, { left: `${(-100 * left) / w}%`, top: `${(-100 * top) / h}%`, width: `${(100 * width) / w}%`, height: `${(100 * height) / h}%` });
    }
    const share = this.before ? Number(this.divide.value) : 0;
    this.after.style.clipPath = `inset(0 0 0 ${share}%)`;
    this.line.style.left = `calc(${share}% - 1px)`;
    this.line.hidden = !this.before;
    if (this.mask) this.mask.hidden = !byId("show-mask").checked;
  }
}

/** A box with room around it, inside the photo. */
function around([x0, y0, x1, y1], width, height) {
  const [dx, dy] = [ROOM * (x1 - x0), ROOM * (y1 - y0)];
  return [Math.max(0, x0 - dx), Math.max(0, y0 - 1.2 * dy), Math.min(width, x1 + dx), Math.min(height, y1 + 0.8 * dy)];
}
