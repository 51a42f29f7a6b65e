// The OpenAPI description, for people.

import { byId, make } from "./dom.js";
import { offerTheme } from "./theme.js";

offerTheme(byId("theme"));
const schema = await (await fetch("openapi.json")).json();
byId("about").textContent = schema.info.description.replace(/`/g, "");
for (const [path, methods] of Object.entries(schema.paths)) {
  for (const [method, operation] of Object.entries(methods)) byId("operations").append(described(path, method, operation));
}

function described(path, method, operation) {
  const form = operation.requestBody?.content?.["multipart/form-data"]?.schema ?? operation.requestBody?.content?.["application/x-www-form-urlencoded"]?.schema;
  const fields = form ? Object.entries(resolved(form).properties ?? {}) : [];
  return make("section", { class: "card operation" },
    make("h2", {}, make("span", { class: "method" }, method.toUpperCase()), " ", make("code", {}, path)),
    make("p", {}, (operation.description ?? operation.summary ?? "").replace(/`/g, "")),
    fields.length > 0 && table(fields.map(([name, field]) => [make("code", {}, name), kind(field), field.description ?? ""])),
    make("h3", {}, "Answers"),
    table(Object.entries(operation.responses).map(([status, answer]) => [make("code", {}, status), answer.description ?? "", ""])),
    make("pre", {}, example(path, method, fields.length > 0 && path.endsWith("reconstructions"))));
}

function resolved(part) {
  return part.$ref ? schema.components.schemas[part.$ref.split("/").pop()] : part;
}

function kind(field) {
  const one = field.anyOf?.find((option) => option.type !== "null") ?? field;
  const words = one.enum ? one.enum.join(", ") : one.format ?? one.type ?? "";
  return field.default == null ? words : `${words}; default ${field.default}`;
}

function example(path, method, photo) {
  const url = `${location.origin}${path.replace(/{(\w+)}/g, (_, name) => name.toUpperCase())}`;
  return `curl ${method === "get" ? "" : `-X ${method.toUpperCase()} `}${photo ? "-F photo=@photo.jpg " : ""}${url}`;
}

function table(rows) {
  return make("table", {}, make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell))))));
}
