// Calls of /api. Every refusal becomes an ApiError with the server's own sentence.
import { atServer } from "./address.ts";
import { csrfToken } from "./csrf.ts";

export class ApiError extends Error {
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

let onDenied: () => void = () => undefined;

/** Sets what to do once the login has ended. */
export function whenDenied(denied: () => void): void {
  onDenied = denied;
}

export type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>;

export function withQuery(path: string, query: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === "") continue;
    for (const one of Array.isArray(value) ? value : [value]) search.append(name, String(one));
  }
  const text = search.toString();
  return text === "" ? path : `${path}?${text}`;
}

export async function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  return call<T>(withQuery(path, query), {
    method: "GET",
    headers: csrfHeader(),
    ...(signal ? { signal } : {}),
  });
}

export async function post<T>(path: string, body: object = {}): Promise<T> {
  return call<T>(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...csrfHeader() },
    body: JSON.stringify(body),
  });
}

// Reads need it too: the cookie alone may be known to other programs of the server's host.
function csrfHeader(): Record<string, string> {
  const csrf = csrfToken();
  return csrf === "" ? {} : { "X-Swarm-CSRF": csrf };
}

/** Loads a file, whatever it holds. */
export async function getFile(path: string, query: Query): Promise<Blob> {
  const response = await answer(withQuery(path, query), { method: "GET", headers: csrfHeader() });
  return response.blob();
}

async function call<T>(path: string, init: RequestInit): Promise<T> {
  const text = await (await answer(path, init)).text();
  return (text === "" ? null : JSON.parse(text)) as T;
}

async function answer(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(atServer(path), { ...init, credentials: "same-origin", cache: "no-store" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "UNREACHABLE", "swarmd can't be reached; is it running?");
  }
  if (response.ok) return response;
  if (response.status === 401) onDenied();
  throw refusal(response.status, await response.text());
}

function refusal(status: number, text: string): ApiError {
  try {
    const { error } = JSON.parse(text) as { error: { reason: string; message: string } };
    return new ApiError(status, error.reason, error.message);
  } catch {
    return new ApiError(status, "UNKNOWN", `the server answered with status ${status}`);
  }
}
