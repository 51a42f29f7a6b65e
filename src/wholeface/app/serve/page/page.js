// The page: what is shown when.

import { byId, make, say, showOnly } from "./dom.js";
import { ResultView } from "./result.js";
import { ask, hashFields, signIn } from "./session.js";
import { offerTheme } from "./theme.js";
import { Upload } from "./upload.js";
import { offerCamera } from "./webcam.js";

let view;
let upload;
let shown;

offerTheme(byId("theme"));
begin().catch((error) => say(error.message));

async function begin() {
  const token = hashFields().get("token");
  if (token) {
    history.replaceState(null, "", location.pathname);
    await signIn(token).catch((error) => say(error.message));
  }
  const about = await ask("v1/about");
  if (about.token_needed && !about.signed_in) {
    askForToken();
    return;
  }
  view ??= new ResultView();
  if (about.mode === "view") await showAll();
  else await serve(about.limits);
}

function askForToken() {
  showOnly("signin");
  byId("token").focus();
  byId("signin").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await signIn(byId("token").value);
      say();
      await begin();
    } catch (error) {
      say(error.message);
    }
  }, { once: false });
}

async function showAll() {
  const results = await ask("v1/reconstructions");
  const choice = byId("results");
  choice.hidden = results.length < 2;
  choice.replaceChildren(...results.map((result, i) => make("option", { value: i }, result.title)));
  choice.addEventListener("change", () => view.show(results[choice.value]));
  byId("api").hidden = true;
  showOnly("result");
  await view.show(results[0]);
}

async function serve(limits) {
  upload = new Upload(limits, (answer) => {
    location.hash = new URLSearchParams({ result: answer.id });
    open(answer);
  });
  offerCamera((photo) => upload.send(photo));
  byId("again").addEventListener("click", () => { location.hash = ""; });
  window.addEventListener("hashchange", () => route().catch((error) => say(error.message)));
  await route();
}

async function route() {
  const id = hashFields().get("result");
  if (id && id === shown) return;
  if (!id) {
    shown = undefined;
    byId("again").hidden = true;
    showOnly("start");
    return;
  }
  try {
    const answer = await ask(`v1/reconstructions/${encodeURIComponent(id)}`);
    if (answer.status === "done") await open(answer);
    else if (answer.status === "failed") throw new Error(answer.error.message);
    else upload.follow(id);
  } catch (error) {
    history.replaceState(null, "", location.pathname);
    showOnly("start");
    say(error.message);
  }
}

async function open(answer) {
  shown = answer.id;
  say();
  byId("again").hidden = false;
  showOnly("result");
  await view.show(answer);
}
