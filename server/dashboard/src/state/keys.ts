// The keyboard: single keys and `g` followed by one, never while someone types.

export interface Binding {
  readonly keys: string;
  readonly what: string;
  readonly run: (event: KeyboardEvent) => void;
}

const CHORD_MS = 1200;
const ACTED_ON = "a, button, summary, [role=button]";
const layers: (readonly Binding[])[] = [];
let prefix: { key: string; atMs: number } | null = null;

/** Adds bindings until the returned function is called; later ones win over earlier ones. */
export function bind(bindings: readonly Binding[]): () => void {
  layers.push(bindings);
  return () => {
    const at = layers.indexOf(bindings);
    if (at >= 0) layers.splice(at, 1);
  };
}

export function boundKeys(): readonly Binding[] {
  const seen = new Set<string>();
  return [...layers]
    .reverse()
    .flat()
    .filter((binding) => !seen.has(binding.keys) && seen.add(binding.keys));
}

export function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}

/** What was pressed, with the key before it if that began a chord. Exported for tests. */
export function pressed(event: KeyboardEvent, nowMs: number): string {
  const chord = prefix !== null && nowMs - prefix.atMs < CHORD_MS ? `${prefix.key} ${event.key}` : event.key;
  prefix = chord === "g" ? { key: "g", atMs: nowMs } : null;
  return chord;
}

function dispatch(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  // A dialog has its own keys; so has a field, but for Escape, which leaves the field with what was typed.
  if (document.querySelector("dialog[open]") !== null) return;
  if (typing(event.target)) {
    if (event.key === "Escape") leaveField(event);
    return;
  }
  // Enter on a button or a link is that button's.
  if (event.key === "Enter" && event.target instanceof Element && event.target.closest(ACTED_ON) !== null)
    return;
  const keys = pressed(event, performance.now());
  const found = boundKeys().find((binding) => binding.keys === keys);
  if (found === undefined) return;
  event.preventDefault();
  found.run(event);
}

// A browser would empty a search field.
function leaveField(event: KeyboardEvent): void {
  event.preventDefault();
  if (event.target instanceof HTMLElement) event.target.blur();
}

export function listenToKeys(): void {
  document.addEventListener("keydown", dispatch);
}
