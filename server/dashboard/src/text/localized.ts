// Texts of the server have times in UTC, as RFC 3339 writes them; a reader wants those of their own clock.
import { clock } from "./format.ts";

const TIME = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g;

/** The text with its times as this browser's clock shows them. */
export function localized(text: string): string {
  return text.replace(TIME, (found) => clock(found));
}
