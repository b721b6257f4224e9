// The list over the input, after the ARIA pattern "editable combobox with list autocomplete".

export class Combobox {
  #items = [];
  #active = -1;
  #asked = null;
  #stale = false; // whether the list was made for an older text

  /** `propose(text, signal)` says what can be chosen (proposals.js). */
  constructor({ input, popup, hint, list }, propose) {
    Object.assign(this, { input, popup, hint, list, propose });
    // Pressing the mouse must not take the focus from the input.
    popup.addEventListener("pointerdown", (event) => event.preventDefault());
    list.addEventListener("click", (event) => {
      const row = event.target.closest("[role=option]");
      if (row) this.accept(Number(row.dataset.index));
    });
  }

  get isOpen() {
    return !this.popup.hidden;
  }

  /** Look at the input anew. A newer look makes an older one, still waiting, void. */
  async refresh() {
    this.#asked?.abort();
    const asked = (this.#asked = new AbortController());
    this.#setStale(true);
    try {
      const found = await this.propose(this.input.value, asked.signal);
      if (!asked.signal.aborted) this.#show(found);
    } catch {
      if (!asked.signal.aborted) this.close(); // proposals are a help; sending tells what is wrong
    }
  }

  close() {
    this.#asked?.abort();
    this.#show({ hint: null, items: [], preselect: false });
  }

  /** Whether the key was for the list. */
  handleKey(event) {
    if (!this.isOpen) return false;
    if (event.key === "Escape") return this.close(), true;
    // An old list must not replace what was typed since: Enter sends that.
    if (this.#stale) return event.key === "Tab" && !event.shiftKey;
    if (!this.#items.length) return false;
    if (event.key === "ArrowDown") return this.#move(1), true;
    if (event.key === "ArrowUp") return this.#move(-1), true;
    if (event.key === "Tab" && !event.shiftKey) return this.accept(Math.max(this.#active, 0)), true;
    if (event.key === "Enter" && !event.shiftKey && this.#active >= 0) {
      return this.accept(this.#active);
    }
    return false;
  }

  /** Put a proposal into the input. False where that changes nothing. */
  accept(index) {
    const text = this.#items[index].text;
    if (text.trimEnd() === this.input.value.trimEnd()) return false;
    this.input.value = text;
    this.input.setSelectionRange(text.length, text.length);
    this.input.dispatchEvent(new Event("input", { bubbles: true }));
    return true;
  }

  #setStale(stale) {
    this.#stale = stale;
    this.list.ariaBusy = String(stale);
  }

  #show({ hint, items, preselect }) {
    this.#setStale(false);
    this.#items = items;
    this.hint.replaceChildren(...(hint ? [tagged("b", hint.name), ` ${hint.help}`] : []));
    this.hint.hidden = !hint;
    this.list.replaceChildren(...items.map(row));
    this.list.hidden = !items.length;
    this.popup.hidden = !hint && !items.length;
    this.input.setAttribute("aria-expanded", String(items.length > 0));
    this.#activate(preselect ? 0 : -1);
  }

  #move(by) {
    const count = this.#items.length;
    this.#activate(this.#active < 0 ? (by > 0 ? 0 : count - 1) : (this.#active + by + count) % count);
  }

  #activate(index) {
    this.#active = index;
    [...this.list.children].forEach((element, i) =>
      element.setAttribute("aria-selected", String(i === index)));
    if (index < 0) {
      this.input.removeAttribute("aria-activedescendant");
      this.list.scrollTop = 0;
    } else {
      this.input.setAttribute("aria-activedescendant", `proposal-${index}`);
      this.list.children[index].scrollIntoView({ block: "nearest" });
    }
  }
}

function row({ label, detail }, index) {
  const element = document.createElement("li");
  element.id = `proposal-${index}`;
  element.role = "option";
  element.dataset.index = index;
  element.append(tagged("b", label), tagged("span", detail));
  return element;
}

function tagged(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}
