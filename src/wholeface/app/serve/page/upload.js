// A photo on its way to the server, and what the server says about it.

import { byId, say, showOnly } from "./dom.js";
import { ask, sentence } from "./session.js";
import { STAGES } from "./words.js";

export class Upload {
  /** @param finished is given the answer of a photo that is done */
  constructor(limits, finished) {
    this.limits = limits;
    this.finished = finished;
    this.form = byId("upload");
    const drop = byId("drop");
    for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
    for (const name of ["dragleave", "drop"]) drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.remove("over"); });
    drop.addEventListener("drop", (event) => { if (event.dataTransfer.files[0]) this.send(event.dataTransfer.files[0]); });
    document.addEventListener("paste", (event) => { if (!byId("start").hidden && event.clipboardData.files[0]) this.send(event.clipboardData.files[0]); });
    byId("photo").addEventListener("change", (event) => { if (event.target.files[0]) this.send(event.target.files[0]); });
    byId("cancel").addEventListener("click", () => this.#cancel());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    const kept = limits.keep_seconds >= 5400 ? `${Math.round(limits.keep_seconds / 3600)} hours` : `${Math.max(1, Math.round(limits.keep_seconds / 60))} minutes`;
    byId("limits").textContent = `At most ${Math.round(limits.max_bytes / 2 ** 20)} MiB and ${Math.round(limits.max_pixels / 1e6)} million pixels. Photo and result are deleted after ${kept}.`;
  }

  async send(photo) {
    say();
    byId("photo").value = "";
    if (photo.size > this.limits.max_bytes) {
      say(`This photo is too large: at most ${Math.round(this.limits.max_bytes / 2 ** 20)} MiB.`);
      return;
    }
    const fields = new FormData(this.form);
    fields.delete("photo");
    for (const [name, value] of [...fields]) if (value === "") fields.delete(name);
    fields.set("photo", photo, "photo");
    this.#begin(photo);
    try {
      const { id } = await ask("v1/reconstructions", { method: "POST", body: fields });
      this.follow(id);
    } catch (error) {
      this.#end(error.message);
    }
  }

  #begin(photo) {
    showOnly("work");
    const image = byId("work-photo");
    if (photo) {
      URL.revokeObjectURL(image.src);
      image.hidden = true;
      image.onload = () => { image.hidden = false; };
      image.src = URL.createObjectURL(photo);
    }
    byId("work-stage").textContent = "sending the photo";
    byId("work-bar").removeAttribute("value");
    const begun = Date.now();
    clearInterval(this.clock);
    this.clock = setInterval(() => { byId("work-time").textContent = `${Math.round((Date.now() - begun) / 1000)} s`; }, 1000);
    byId("work-time").textContent = "";
  }

  /** Listens to what becomes of a photo. */
  follow(id) {
    this.id = id;
    if (byId("work").hidden) this.#begin(null);
    this.events?.close();
    this.events = new EventSource(`v1/reconstructions/${id}/events`);
    this.events.addEventListener("status", (event) => this.#told(JSON.parse(event.data)));
    this.events.addEventListener("gone", () => this.#end("This photo is no longer on the server."));
    this.events.addEventListener("error", () => {
      if (this.events.readyState === EventSource.CLOSED) this.#end("The server does not answer.");
    });
  }

  #told(answer) {
    const bar = byId("work-bar");
    if (answer.status === "queued") {
      byId("work-stage").textContent = answer.position > 1 ? `waiting, ${answer.position - 1} before yours` : "waiting for a worker";
      bar.removeAttribute("value");
    } else if (answer.status === "running" && answer.progress) {
      const { stage, step, steps } = answer.progress;
      byId("work-stage").textContent = STAGES[stage] ?? stage;
      bar.max = steps;
      bar.value = step - 0.5;
    } else if (answer.status === "failed") this.#end(sentence(answer.error.message));
    else if (answer.status === "done") {
      this.#stop();
      this.finished(answer);
    }
  }

  #stop() {
    this.events?.close();
    clearInterval(this.clock);
  }

  #end(message) {
    this.#stop();
    showOnly("start");
    say(message);
    byId("photo").focus();
  }

  async #cancel() {
    if (this.id) await ask(`v1/reconstructions/${this.id}`, { method: "DELETE" }).catch(() => {});
    this.#end("");
  }
}
