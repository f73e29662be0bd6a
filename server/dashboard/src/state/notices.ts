// Short notes about what an action did; they go by themselves, errors only when dismissed.
import { signal } from "@preact/signals";
import { ApiError } from "../api/http.ts";

export interface Notice {
  id: number;
  kind: "done" | "error";
  text: string;
}

const SHOWN_MS = 6000;
const KEPT = 4;
let last = 0;

export const notices = signal<readonly Notice[]>([]);

export function tell(text: string, kind: Notice["kind"] = "done"): void {
  last += 1;
  const notice = { id: last, kind, text };
  notices.value = [...notices.value, notice].slice(-KEPT);
  if (kind === "done") window.setTimeout(() => dismiss(notice.id), SHOWN_MS);
}

export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

export function sentence(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  return error instanceof Error ? error.message : String(error);
}

/** Runs an action and tells how it went; true if it went well. */
export async function attempt<T>(action: () => Promise<T>, told?: (result: T) => string): Promise<boolean> {
  try {
    const result = await action();
    if (told !== undefined) tell(told(result));
    return true;
  } catch (error) {
    tell(sentence(error), "error");
    return false;
  }
}
