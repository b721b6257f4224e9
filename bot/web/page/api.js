// The server's small API (bot/web/server.py).

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The bot cannot be reached. Is it still running?");
  }
  if (response.status === 401) location.reload(); // the login page stands there now
  if (!response.ok) {
    const answer = await response.json().catch(() => ({}));
    throw new Error(answer.error ?? `The bot answered with an error (${response.status}).`);
  }
  return response;
}

function json(body, signal) {
  const headers = { "Content-Type": "application/json" };
  return { method: "POST", headers, body: JSON.stringify(body), signal };
}

export const page = async () => (await ask("/api/page")).json();

export const settings = async (channel) =>
  (await ask(`/api/channels/${encodeURIComponent(channel)}`)).json();

export const complete = async (body, signal) =>
  (await ask("/api/complete", json(body, signal))).json();

export const stop = (id) => ask(`/api/calls/${id}`, { method: "DELETE" });

/** Send what was typed and hand each event of the answer to `onEvent`; ends after `done`. */
export async function call(body, onEvent) {
  const response = await ask("/api/calls", json(body));
  let rest = "";
  let ended = false;
  try {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const lines = (rest + part.value).split("\n");
      rest = lines.pop();
      for (const event of lines.map((line) => JSON.parse(line))) {
        ended ||= event.type === "done";
        onEvent(event);
      }
    }
  } catch {
    ended = false;
  }
  if (!ended) throw new Error("The connection to the bot broke in the middle of this answer.");
}
