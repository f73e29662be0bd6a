// Which rows are ticked for a bulk action.
import { signal } from "@preact/signals";

export class TickedRows {
  readonly ids = signal<ReadonlySet<string>>(new Set());

  toggle(id: string): void {
    const next = new Set(this.ids.value);
    if (!next.delete(id)) next.add(id);
    this.ids.value = next;
  }

  clear(): void {
    if (this.ids.value.size > 0) this.ids.value = new Set();
  }
}
