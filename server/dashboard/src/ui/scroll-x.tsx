import type { ComponentChildren } from "preact";

/** Something wider than a phone, such as a table: it scrolls by itself, by keys too. */
export function ScrollX({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys
    <section class="scroll-x" aria-label={label} tabIndex={0}>
      {children}
    </section>
  );
}
