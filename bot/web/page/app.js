// The page: channels at the side, a conversation, an input. See typed.js for what is typed.

import * as api from "./api.js";
import { Combobox } from "./combobox.js";
import * as history from "./history.js";
import { propose } from "./proposals.js";
import { Timeline, button, make } from "./timeline.js";

const $ = (id) => document.getElementById(id);
const input = $("input");
const conversations = new Map(); // channel name -> exchanges
const running = new Map(); // exchange -> channel name
const drafts = new Map(); // channel name -> what stood in the input
let page = { channels: [], commands: [] };
let channel = null;
let recalled = null; // how many lines back the input shows; null where it is the user's own

const timeline = new Timeline($("timeline"), $("latest"), fill);
const combobox = new Combobox(
  { input, popup: $("popup"), hint: $("hint"), list: $("proposals") },
  (text, signal) => propose(text, channel.name, page.commands, signal),
);

// --- channels ---

function listChannels() {
  $("channels").replaceChildren(...page.channels.map(({ name }) => {
    const link = make("a", { href: `#${encodeURIComponent(name)}` });
    link.textContent = name;
    return make("li", {}, link);
  }));
}

function showChannel() {
  const wanted = decodeURIComponent(location.hash.slice(1));
  const next = page.channels.find(({ name }) => name === wanted) ?? page.channels[0];
  if (channel) drafts.set(channel.name, input.value);
  channel = next;
  document.title = `#${channel.name} · chinwag`;
  $("channel-name").textContent = channel.name;
  $("channel-topic").textContent = channel.topic;
  for (const link of $("channels").querySelectorAll("a")) {
    if (link.textContent === channel.name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  timeline.show(conversation(channel.name), emptyState());
  showSettings();
  showRunning();
  fill(drafts.get(channel.name) ?? "", { focus: matchMedia("(pointer: fine)").matches });
  combobox.close();
}

function conversation(name) {
  if (!conversations.has(name)) conversations.set(name, history.load(name));
  return conversations.get(name);
}

function emptyState() {
  const heading = make("h2", {});
  heading.textContent = `Nothing said in #${channel.name} yet`;
  const advice = make("p", {});
  advice.textContent = "Write the beginning of a text and the bot goes on from it. To start with:";
  const examples = channel.examples.map((text) => button(text, "Put this into the message box", () => fill(text), "example"));
  return make("div", { className: "empty" }, heading, advice, make("div", { className: "examples" }, ...examples));
}

// --- the settings of the channel ---

async function showSettings() {
  const shown = channel;
  const settings = await api.settings(shown.name).catch(() => []);
  if (shown !== channel) return;
  const telling = settings.filter(({ key, layer }) => isTelling(key, layer));
  $("settings").replaceChildren(...telling.map(({ key, value }) => {
    const item = button("", `Change ${key}`, () => fill(`/settings set ${key} `), "setting");
    const shownValue = make("b", {});
    shownValue.textContent = value.replace(/^"(\S+)"$/, "$1"); // quotes matter around spaces only
    item.append(`${key} `, shownValue);
    return item;
  }));
}

const isTelling = (key, layer) => layer !== "built-in" || key === "model" || key === "temperature";

// --- asking ---

async function send(text) {
  const exchange = { id: newId(), text, at: Date.now(), state: "running", prose: isProse(text), items: [] };
  const { name } = channel;
  conversation(name).push(exchange);
  timeline.add(exchange);
  timeline.toEnd();
  running.set(exchange, name);
  showRunning();
  try {
    await api.call({ id: exchange.id, channel: name, text }, (event) => receive(exchange, event));
  } catch (error) {
    receive(exchange, { type: "refuse", text: error.message });
    receive(exchange, { type: "done", stopped: false });
  }
  running.delete(exchange);
  showRunning();
  history.save(name, conversation(name));
  if (name === channel.name) showSettings();
}

function receive(exchange, event) {
  const { items } = exchange;
  const message = () => items.filter((item) => item.kind === "message")[event.message];
  if (event.type === "notice") exchange.notice = event.text;
  else if (event.type === "post") items.push({ kind: "message", text: event.text });
  else if (event.type === "append") message().text += event.text;
  else if (event.type === "edit") message().text = event.text;
  else if (event.type === "attach") items.push({ kind: "file", name: event.name, text: event.text });
  else if (event.type === "refuse") items.push({ kind: "refusal", text: event.text });
  else exchange.state = event.stopped ? "stopped" : "done";
  timeline.update(exchange, event);
}

/** Whether a model will write the answer: the bot's own notes are set in another face. */
function isProse(text) {
  const typed = `${text.slice(1).trimStart().toLowerCase().replace(/\s+/g, " ")} `;
  return !text.startsWith("/") || page.commands.some(
    ({ name, writes }) => writes && typed.startsWith(`${name} `));
}

/** Unique; crypto.randomUUID is missing where the page has no secure address. */
const newId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

const runningHere = () => [...running].filter(([, name]) => name === channel.name).map(([exchange]) => exchange);

function stopRunning() {
  for (const { id } of runningHere()) api.stop(id).catch(() => {}); // its stream tells how it ended
}

function showRunning() {
  const stops = runningHere().length > 0 && !input.value;
  $("send").textContent = stops ? "Stop" : "Send";
  $("send").classList.toggle("stops", stops);
  for (const link of $("channels").querySelectorAll("a")) {
    link.classList.toggle("busy", [...running.values()].includes(link.textContent));
  }
}

// --- the input ---

function fill(text, { focus = true } = {}) {
  input.value = text;
  if (focus) input.focus();
  input.setSelectionRange(text.length, text.length);
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

function fit() {
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight}px`;
}

function submit() {
  const text = input.value;
  if (!text.trim()) return runningHere().length ? stopRunning() : undefined;
  fill("");
  send(text);
}

/** Go through the lines sent before, as a shell does. */
function recall(by) {
  const lines = conversation(channel.name).map(({ text }) => text);
  const back = Math.min((recalled ?? 0) + by, lines.length);
  fill(back > 0 ? lines[lines.length - back] : "");
  combobox.close();
  recalled = back > 0 ? back : null;
}

function handleKey(event) {
  if (event.isComposing) return;
  const untouched = !input.value || recalled !== null;
  if (combobox.handleKey(event)) event.preventDefault();
  else if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    submit();
  } else if (event.key === "ArrowUp" && untouched) {
    event.preventDefault();
    recall(1);
  } else if (event.key === "ArrowDown" && recalled !== null) {
    event.preventDefault();
    recall(-1);
  } else return;
  event.stopPropagation();
}

input.addEventListener("keydown", handleKey);
input.addEventListener("input", () => {
  recalled = null;
  fit();
  showRunning();
  combobox.refresh();
});
input.addEventListener("blur", () => combobox.close());
input.addEventListener("focus", () => combobox.refresh());
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") stopRunning();
  if (event.key === "/" && !event.target.matches("input, textarea")) {
    event.preventDefault();
    fill(input.value || "/");
  }
});

// --- the rest ---

$("clear").addEventListener("click", () => {
  stopRunning();
  conversations.set(channel.name, []);
  history.forget(channel.name);
  timeline.show([], emptyState());
  input.focus();
});

function showTheme() {
  const chosen = document.documentElement.dataset.theme;
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  $("theme").ariaPressed = String(dark);
  return dark;
}

$("theme").addEventListener("click", () => {
  const theme = showTheme() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("chinwag.theme", theme);
  showTheme();
});

addEventListener("hashchange", showChannel);
addEventListener("pagehide", () => {
  for (const name of new Set(running.values())) history.save(name, conversation(name));
});

showTheme();
try {
  page = await api.page();
  listChannels();
  showChannel();
} catch (error) {
  const note = make("p", { className: "refusal", role: "alert" });
  note.textContent = error.message;
  $("timeline").replaceChildren(note);
}
