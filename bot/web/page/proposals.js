// What can be chosen at this point of a line, and what the line reads once it is chosen.

import { complete } from "./api.js";
import { situate } from "./typed.js";

const NOTHING = { hint: null, items: [], preselect: false };

/** { hint, items: [{ label, detail, text }], preselect }; `text` is the whole line if chosen. */
export async function propose(text, channel, commands, signal) {
  const at = situate(text, commands);
  if (!at) return NOTHING;
  if (at.stage === "command") return commandsFor(at, commands);
  if (at.stage === "value") return valuesFor(at, text, channel, signal);
  return optionsFor(at, text);
}

function commandsFor({ typed }, commands) {
  const wanted = typed.trimStart().replace(/\s+/g, " ");
  const items = commands
    .filter((command) => command.name.startsWith(wanted))
    .map((command) => ({
      label: `/${command.name}`,
      detail: command.help,
      text: `/${command.name}${command.options.length ? " " : ""}`,
      exact: command.name === wanted,
    }));
  const hint = items.length ? null : { name: `/${wanted}`, help: "There is no such command." };
  // A command that stands there whole is sent by Enter, not completed.
  return { hint, items, preselect: items.length > 0 && !items.some((item) => item.exact) };
}

function optionsFor(at, text) {
  const wanted = at.typed.toLowerCase();
  if (at.stage === "text" && at.begun) return NOTHING;
  const dashes = at.stage === "name" ? "--" : "";
  const items = at.free
    .filter((option) => option !== at.option && option.name.startsWith(wanted))
    .map((option) => ({
      label: `${dashes}${option.name}`,
      detail: describe(option),
      text: `${text.slice(0, at.from)}${dashes}${option.name}=`,
    }));
  const hint = at.option && !wanted ? hintOf(at.option) : null;
  return { hint, items, preselect: false };
}

async function valuesFor(at, text, channel, signal) {
  const { option, typed } = at;
  const values = await valuesOf(at, channel, signal);
  const items = values.map((value) => ({
    label: value,
    detail: "",
    text: text.slice(0, at.from) + (at.named ? quoted(value) : value) + (at.last ? "" : " "),
  }));
  const closed = option.choices.length > 0 || ["model", "setting", "command"].includes(option.complete);
  const standing = values.some((value) => value.toLowerCase() === typed.toLowerCase());
  const preselect = closed && !standing && items.length > 0 && (typed !== "" || option.required);
  return { hint: hintOf(option), items: standing && items.length === 1 ? [] : items, preselect };
}

async function valuesOf({ command, option, typed, given }, channel, signal) {
  const fits = (value) => value.toLowerCase().startsWith(typed.toLowerCase());
  if (option.kind === "boolean") return ["true", "false"].filter(fits);
  if (option.choices.length) return option.choices.filter(fits);
  if (!option.complete) return [];
  return complete({ channel, command: command.name, option: option.name, typed, given }, signal);
}

function quoted(value) {
  if (!/[\s"']/.test(value)) return value;
  return value.includes('"') ? `'${value}'` : `"${value}"`;
}

const hintOf = (option) => ({ name: option.name, help: describe(option) });

/** Such as "number 0–5 · How adventurous the text is." */
function describe(option) {
  return [kindOf(option), option.help].filter(Boolean).join(" · ");
}

function kindOf({ kind, minimum, maximum, required, default: standard }) {
  const range = kind === "text" || minimum === null || maximum === null
    ? "" : ` ${minimum.toLocaleString("en")}–${maximum.toLocaleString("en")}`;
  const usual = standard === null || standard === "" ? "" : `, else ${standard}`;
  return `${kind === "boolean" ? "true or false" : kind}${range}${required ? ", required" : usual}`;
}
