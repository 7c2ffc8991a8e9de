// Draws openapi.json, which carries no references, and sends calls to the server that it came from.
"use strict";

let token = "";

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// A value that fits a schema, for the reader to change.
function example(schema = {}) {
  if (schema.default !== undefined) return schema.default;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.examples) return schema.examples[0];
  if (schema.anyOf) return example(schema.anyOf.find((choice) => choice.type !== "null"));
  switch (Array.isArray(schema.type) ? schema.type[0] : schema.type) {
    case "object":
      return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, part]) => [name, example(part)]));
    case "array": return [];
    case "integer": case "number": return 0;
    case "boolean": return false;
    case "string": return "";
    default: return null;
  }
}

function describe(schema) {
  return make("pre", { textContent: JSON.stringify(schema, null, 2) });
}

function answers(responses) {
  const rows = Object.entries(responses).map(([status, response]) => {
    const cell = make("td", {}, response.description ?? "");
    for (const [type, content] of Object.entries(response.content ?? {})) {
      const shown = content.schema ? describe(content.schema) : "";
      cell.append(make("details", {}, make("summary", { textContent: type }), make("div", {}, shown)));
    }
    return make("tr", {}, make("th", { textContent: status }), cell);
  });
  return make("table", {}, ...rows);
}

async function send(method, path, text) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (text !== null) headers["Content-Type"] = "application/json";
  // Relative, so that it works behind a proxy that adds a prefix.
  const response = await fetch(path.replace(/^\//, ""), { method, headers, body: text ?? undefined });
  return { status: `${response.status} ${response.statusText}`, ok: response.ok, body: await response.text() };
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

function tryOut(method, path, operation) {
  const schema = operation.requestBody?.content?.["application/json"]?.schema;
  const input = schema ? make("textarea", { value: JSON.stringify(example(schema), null, 2), spellcheck: false }) : null;
  const where = make("input", { value: path, size: 50, className: "path" });
  const shown = make("pre", { hidden: true });
  const button = make("button", { type: "button", textContent: "Send" });
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const { status, body } = await send(method, where.value, input ? input.value : null);
      shown.textContent = `${status}\n\n${pretty(body)}`;
    } catch (error) {
      shown.textContent = String(error);
    }
    shown.hidden = false;
    button.disabled = false;
  });
  return make("div", {}, make("h3", { textContent: "Try it" }), ...(input ? [input] : []), where, button, shown);
}

function draw(path, method, operation) {
  const body = make("div", {}, make("p", { textContent: operation.description ?? "" }));
  const schema = operation.requestBody?.content?.["application/json"]?.schema;
  if (schema) body.append(make("h3", { textContent: "Body" }), describe(schema));
  body.append(make("h3", { textContent: "Answers" }), answers(operation.responses ?? {}), tryOut(method, path, operation));
  const head = make(
    "summary", {},
    make("span", { className: "method", textContent: method }),
    make("span", { className: "path", textContent: path }),
    make("span", { className: "note", textContent: operation.security ? "login needed" : "" }),
  );
  return make("details", {}, head, body);
}

async function main() {
  const api = await (await fetch("openapi.json")).json();
  document.getElementById("about").replaceChildren(
    `${api.info.description} Version ${api.info.version}. For programs: `,
    make("a", { href: "openapi.json", textContent: "openapi.json" }), ".",
  );
  const groups = new Map();
  for (const [path, operations] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const group = operation.tags?.[0] ?? "other";
      if (!groups.has(group)) groups.set(group, [make("h2", { textContent: group })]);
      groups.get(group).push(draw(path, method.toUpperCase(), operation));
    }
  }
  document.getElementById("operations").replaceChildren(...[...groups.values()].flat());
  const login = Object.keys(api.paths).find((path) => path.endsWith("/auth"));
  document.getElementById("login").addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(event.target));
    const { ok, body } = await send("POST", login, JSON.stringify(fields));
    const answer = JSON.parse(body);
    token = ok ? answer.token : "";
    document.getElementById("who").textContent = ok ? `Logged in as ${fields.username}.` : answer.message;
  });
}

main();
