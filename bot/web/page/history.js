// The conversation of each channel, kept in this browser, bounded.

const EXCHANGES = 60;
const CHARACTERS = 400_000;
const key = (channel) => `chinwag.timeline.${channel}`;

/** An exchange: { id, text, at, state, prose, notice?, items: [{ kind, text, name? }] }. */
export function load(channel) {
  try {
    const exchanges = JSON.parse(localStorage.getItem(key(channel))) ?? [];
    // What was running when the page was left has been called off with it.
    for (const one of exchanges) if (one.state === "running") one.state = "stopped";
    return exchanges;
  } catch {
    return [];
  }
}

export function save(channel, exchanges) {
  const kept = exchanges.slice(-EXCHANGES);
  let text = JSON.stringify(kept);
  while (kept.length > 1 && text.length > CHARACTERS) {
    kept.shift();
    text = JSON.stringify(kept);
  }
  try {
    localStorage.setItem(key(channel), text);
  } catch {
    // Storage full or forbidden: the conversation still stands on the page.
  }
}

export const forget = (channel) => localStorage.removeItem(key(channel));
