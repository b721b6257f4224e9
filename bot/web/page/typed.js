// What the text before the caret is about: which command, which option, which word of it.
// The server reads the finished line (bot/typed.py); this only helps while one types.

const NAMED = /(?:^|\s)(?:--([\w-]+)(?:=|\s+)|([\w-]+)=)("[^"]*"|'[^']*'|\S+)(?=\s)/g;
const normal = (name) => name.toLowerCase().replaceAll("-", "_");

/** Null for plain text; else { stage: "command" | "name" | "value" | "text", … , typed, from }.
 *  `from` is where the text that a proposal replaces begins. */
export function situate(text, commands) {
  if (!text.startsWith("/")) return null;
  const command = commandOf(text, commands);
  if (!command) return { stage: "command", typed: text.slice(1).toLowerCase(), from: 0 };
  const start = headLength(text, command);
  return { command, ...optionAt(text, start, command) };
}

function headLength(text, command) {
  const words = command.name.replace(" ", "\\s+");
  return text.match(new RegExp(`^/\\s*${words}\\s+`, "i"))?.[0].length ?? 0;
}

function commandOf(text, commands) {
  const fitting = commands.filter((command) => headLength(text, command));
  return fitting.sort((a, b) => b.name.length - a.name.length)[0];
}

function optionAt(text, start, command) {
  const token = text.slice(start).match(/\S*$/)[0];
  const from = text.length - token.length;
  const byName = new Map(command.options.map((option) => [option.name, option]));
  const { given, words } = read(text.slice(start, from), byName);
  const free = command.options.filter((option) => !(option.name in given));
  const about = { given, words, free, typed: token, from };

  const pending = text.slice(start, from).match(/(?:^|\s)--([\w-]+)\s+$/);
  const waiting = pending && byName.get(normal(pending[1]));
  if (waiting) return { ...about, stage: "value", option: waiting, named: true };

  const named = token.match(/^(?:--)?([\w-]+)=(.*)$/);
  const option = named && byName.get(normal(named[1]));
  if (option) {
    const typed = named[2].replace(/^["']/, "");
    return { ...about, stage: "value", option, named: true, typed, from: text.length - named[2].length };
  }
  if (token.startsWith("--")) return { ...about, stage: "name", typed: normal(token.slice(2)) };
  return { ...about, ...positional(about, command) };
}

/** Options given by name, and the words that are not. */
function read(text, byName) {
  const given = {};
  const rest = `${text} `.replace(NAMED, (whole, dashed, bare, value) => {
    const name = normal(dashed ?? bare);
    if (!byName.has(name)) return whole;
    given[name] = value.replace(/^(["'])(.*)\1$/, "$2");
    return " ";
  });
  return { given, words: rest.split(/\s+/).filter(Boolean) };
}

function positional({ given, words, free }, command) {
  const required = command.options.filter((option) => option.required);
  const takers = (required.length ? required : command.options.slice(0, 1))
    .filter((option) => free.includes(option));
  const option = takers[words.length];
  const placed = takers.slice(0, words.length).map((taker, i) => [taker.name, words[i]]);
  if (option && (option.required || option.complete || option.choices.length)) {
    const last = option === takers.at(-1);
    return { stage: "value", option, last, given: { ...given, ...Object.fromEntries(placed) } };
  }
  return { stage: "text", option: takers.at(-1), begun: words.length > 0 };
}
