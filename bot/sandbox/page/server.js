/* Requests to the sandbox. */

import { toast } from "./dialogs.js";

export function postJson(path, body) {
  return fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function post(what, body) {
  const response = await postJson(`/do/${what}`, body);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `The sandbox answered ${response.status}.`);
  return answer;
}

/** Do something on the server; a failure is shown, and null returned. */
export async function ask(what, body) {
  try {
    return await post(what, body);
  } catch (error) {
    const isOffline = error instanceof TypeError;
    toast(isOffline ? "The sandbox cannot be reached. Is it still running?" : error.message);
    return null;
  }
}
