// Talking to the server.

/** The JSON of an answer; refusals become errors with the server's words. */
export async function ask(url, options) {
  let answer;
  try {
    answer = await fetch(url, options);
  } catch {
    throw new Error("The server does not answer.");
  }
  const body = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const error = new Error(sentence(body.error?.message ?? `The server answers ${answer.status}.`));
    error.status = answer.status;
    throw error;
  }
  return body;
}

/** With a capital at its start and a full stop at its end. */
export function sentence(text) {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

export const signIn = (token) => ask("v1/session", { method: "POST", body: new URLSearchParams({ token }) });

/** The names and values behind `#` in the address. */
export const hashFields = () => new URLSearchParams(location.hash.slice(1));
