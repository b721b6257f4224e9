// The conversation: what was asked, and the messages, files and notes that came back.
// All text goes in as text nodes: nothing that a model writes is ever read as HTML.

const NEAR = 48; // pixels from the end within which the view follows new text

export class Timeline {
  #views = new Map();

  /** `onAgain(text)` puts a line back into the input; `onExample(text)` likewise for examples. */
  constructor(element, latest, onAgain) {
    Object.assign(this, { element, latest, onAgain });
    this.following = true;
    element.addEventListener("scroll", () => {
      this.following = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR;
      latest.hidden = this.following;
    });
    latest.addEventListener("click", () => this.toEnd());
    new ResizeObserver(() => this.#follow()).observe(element);
  }

  /** Show a channel's conversation from the beginning. */
  show(exchanges, empty) {
    this.#views.clear();
    this.element.replaceChildren();
    if (exchanges.length) exchanges.forEach((exchange) => this.add(exchange));
    else this.element.append(empty);
    this.toEnd();
  }

  add(exchange) {
    if (!this.#views.size) this.element.replaceChildren();
    const view = new ExchangeView(exchange, () => this.onAgain(exchange.text));
    this.#views.set(exchange.id, view);
    this.element.append(view.element);
    this.#follow();
  }

  /** Show what an event did to an exchange. An exchange of another channel is not on show. */
  update(exchange, event) {
    this.#views.get(exchange.id)?.apply(event);
    this.#follow();
  }

  toEnd() {
    this.following = true;
    this.latest.hidden = true;
    this.#follow();
  }

  #follow() {
    if (this.following) this.element.scrollTop = this.element.scrollHeight;
  }
}

class ExchangeView {
  #texts = []; // the text node of each message

  constructor(exchange, onAgain) {
    this.exchange = exchange;
    this.answer = make("div", { className: "answer" });
    this.notice = make("p", { className: "standing", role: "status" });
    this.answer.append(this.notice);
    this.element = make("article", { className: "exchange" }, this.#asked(onAgain), this.answer);
    exchange.items.forEach((item) => this.#append(item));
    this.#showState();
  }

  apply(event) {
    const { items } = this.exchange;
    const messages = items.filter((item) => item.kind === "message");
    if (event.type === "append") this.#texts[event.message].appendData(event.text);
    else if (event.type === "edit") this.#texts[event.message].data = messages[event.message].text;
    else if (!["notice", "done"].includes(event.type)) this.#append(items.at(-1));
    this.#showState();
  }

  #asked(onAgain) {
    const at = new Date(this.exchange.at);
    const time = make("time", { dateTime: at.toISOString() });
    time.textContent = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const line = make("p", { className: "line" });
    line.textContent = this.exchange.text;
    return make("div", { className: "asked" }, line, button("Again", "Type this line again", onAgain), time);
  }

  #append({ kind, text, name }) {
    if (kind === "message") this.answer.append(this.#message(text));
    else if (kind === "file") this.answer.append(file(name, text));
    else this.answer.append(refusal(text));
  }

  #message(text) {
    const node = document.createTextNode(text);
    this.#texts.push(node);
    const body = make("p", { className: "text" }, node);
    return make("div", { className: "message" }, body, copyButton(node));
  }

  #showState() {
    const { state, items } = this.exchange;
    this.element.dataset.state = state;
    this.element.classList.toggle("note", !this.exchange.prose);
    const waits = state === "running" && !items.length;
    this.element.classList.toggle("waiting", waits);
    this.notice.textContent = waits ? this.exchange.notice ?? "" : "";
    this.element.ariaBusy = String(state === "running");
    if (state === "stopped" && !this.answer.querySelector(".ended")) {
      const ended = make("p", { className: "ended" });
      ended.textContent = "stopped";
      this.answer.append(ended);
    }
  }
}

function refusal(text) {
  const note = make("p", { className: "refusal", role: "alert" });
  const whose = make("span", { className: "whose" });
  whose.textContent = "Only you see this";
  const sentence = make("span", {});
  sentence.textContent = text;
  note.append(sentence, whose);
  return note;
}

function file(name, text) {
  const link = make("a", { className: "file", download: name });
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  link.textContent = `${name} · ${Math.ceil(text.length / 1000)} KB`;
  return link;
}

function copyButton(node) {
  const copy = button("Copy", "Copy this text", async () => {
    await navigator.clipboard.writeText(node.data);
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  });
  copy.hidden = !navigator.clipboard; // missing where the page has no secure address
  return copy;
}

export function button(text, title, onClick, className = "quiet") {
  const element = make("button", { type: "button", className, title });
  element.textContent = text;
  element.addEventListener("click", onClick);
  return element;
}

export function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
