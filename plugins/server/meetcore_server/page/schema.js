// JSON schemas: in words, as a tree of fields, and as an example to begin with.

import { element } from "./dom.js";

const DEEPEST = 5;

/** @typedef {Record<string, any>} Schema */

/**
 * Follow a reference.
 * @param {Record<string, any>} api The whole description.
 * @param {Schema} schema
 * @returns {Schema}
 */
export function resolve(api, schema) {
  let found = schema ?? {};
  for (let steps = 0; found.$ref && steps < 10; steps += 1) {
    found = found.$ref.replace(/^#\//, "").split("/").reduce((at, part) => at?.[part.replaceAll("~1", "/").replaceAll("~0", "~")], api) ?? {};
  }
  return found;
}

/** The choices of a schema that are not null, and whether null is one. @param {Record<string, any>} api @param {Schema} schema */
function choices(api, schema) {
  const all = (schema.oneOf ?? schema.anyOf ?? [schema]).map((each) => ({ raw: each, schema: resolve(api, each) }));
  const some = all.filter((each) => each.schema.type !== "null");
  return { some, nullable: some.length < all.length };
}

/** A type in words: `text`, `list of Bot`, `whole number or null`. @param {Record<string, any>} api @param {Schema} schema @returns {string} */
export function typeWords(api, schema) {
  const { some, nullable } = choices(api, schema);
  const words = some.map(({ schema: each }) => oneType(api, each)).join(" or ") || "anything";
  return nullable ? `${words} or null` : words;
}

/** @param {Record<string, any>} api @param {Schema} schema @returns {string} */
function oneType(api, schema) {
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.title && schema.properties) return schema.title;
  const types = [schema.type ?? []].flat();
  const names = { string: schema.format === "date-time" ? "date and time" : "text", integer: "whole number", number: "number", boolean: "true or false", null: "null" };
  const words = types.map((type) => {
    if (type === "array") return `list of ${typeWords(api, schema.items ?? {})}`;
    if (type === "object") return typeof schema.additionalProperties === "object" && Object.keys(schema.additionalProperties).length ? `object of ${typeWords(api, schema.additionalProperties)}` : "object";
    return names[type] ?? type;
  });
  return words.join(" or ") || "anything";
}

/** Limits of a value in words. @param {Record<string, any>} api @param {Schema} schema */
export function limits(api, schema) {
  const one = choices(api, schema).some[0]?.schema ?? {};
  const parts = [
    schema.default !== undefined && `default ${JSON.stringify(schema.default)}`,
    one.minimum !== undefined && `from ${one.minimum}`,
    one.maximum !== undefined && `to ${one.maximum}`,
    one.maxLength !== undefined && `up to ${one.maxLength} characters`,
  ];
  return parts.filter(Boolean).join(", ");
}

/** The fields behind a schema, through lists and null. @param {Record<string, any>} api @param {Schema} schema @returns {Schema | null} */
function fieldsOf(api, schema) {
  for (const { schema: each } of choices(api, resolve(api, schema)).some) {
    if (each.properties) return each;
    const inner = each.items ?? (typeof each.additionalProperties === "object" ? each.additionalProperties : null);
    const found = inner ? fieldsOf(api, inner) : null;
    if (found) return found;
  }
  return null;
}

/**
 * Show the fields of a schema; those that have fields themselves can be opened.
 * @param {Record<string, any>} api
 * @param {Schema} schema
 * @param {number} [depth]
 * @returns {HTMLElement | null} Null where there are none.
 */
export function fieldTree(api, schema, depth = 0) {
  const found = fieldsOf(api, schema);
  if (!found || depth > DEEPEST) return null;
  const required = new Set(found.required ?? []);
  const entries = Object.entries(found.properties).map(([name, each]) => {
    const head = [
      element("code", { class: "field-name", text: name }),
      element("span", { class: "type", text: typeWords(api, each) }),
      required.has(name) ? element("span", { class: "required", text: "required" }) : null,
      limits(api, each) ? element("span", { class: "hint", text: limits(api, each) }) : null,
    ];
    const note = resolve(api, each).description;
    const inner = fieldTree(api, each, depth + 1);
    const words = note && !inner ? element("p", { class: "hint", text: note }) : null;
    if (!inner) return element("li", {}, element("p", { class: "field-head" }, ...head), words);
    return element("li", {}, element("details", {}, element("summary", { class: "field-head" }, ...head), inner));
  });
  return element("ul", { class: "fields" }, ...entries);
}

/**
 * Make an example: what is required, or everything at a depth of one.
 * @param {Record<string, any>} api
 * @param {Schema} schema
 * @param {number} [depth]
 * @returns {unknown}
 */
export function example(api, schema, depth = 0) {
  const one = choices(api, resolve(api, schema ?? {})).some[0]?.schema ?? {};
  if (one.examples?.length) return one.examples[0];
  if (one.default !== undefined) return one.default;
  if (one.enum) return one.enum[0];
  if (one.properties && depth <= DEEPEST) {
    const names = one.required?.length ? one.required : Object.keys(one.properties);
    return Object.fromEntries(names.map((name) => [name, example(api, one.properties[name], depth + 1)]));
  }
  const type = [one.type ?? "object"].flat()[0];
  return { string: "", integer: 0, number: 0, boolean: false, array: [] }[type] ?? {};
}
