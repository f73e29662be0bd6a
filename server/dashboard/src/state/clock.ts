// The time of day, once a second while someone looks: ages tick from this one signal.
import { signal } from "@preact/signals";

export const nowMs = signal(Date.now());

export function startClock(): void {
  window.setInterval(() => {
    if (!document.hidden) nowMs.value = Date.now();
  }, 1000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) nowMs.value = Date.now();
  });
}
