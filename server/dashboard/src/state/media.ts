// Whether the screen is narrow: lists then show cards of two lines.
import { signal } from "@preact/signals";

const narrow = window.matchMedia("(max-width: 720px)");
export const isNarrow = signal(narrow.matches);

export function watchWidth(): void {
  narrow.addEventListener("change", (event) => {
    isNarrow.value = event.matches;
  });
}
