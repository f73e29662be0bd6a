// Loads the list of tasks page by page as it is scrolled, and keeps what is loaded alive.
import { signal } from "@preact/signals";
import type { Task } from "../../api/documents.ts";
import { api } from "../../api/swarm.ts";
import type { Step } from "../../live/reduce.ts";
import { throttled } from "../../state/throttle.ts";
import type { TaskQuery } from "./query.ts";
import { appended, mayMove, patched } from "./rows.ts";

const PAGE = 500;
const REFRESH_MS = 1500;

export class TaskList {
  readonly rows = signal<readonly Task[]>([]);
  readonly total = signal<number | null>(null);
  readonly error = signal<unknown>(null);
  /** Something moved while someone reads far down: only they may say when to load anew. */
  readonly stale = signal(false);

  private query: TaskQuery;
  private next: string | null = null;
  private wanted = PAGE;
  private inSwarm: number | null = null;
  private under: AbortController | null = null;
  private readonly refresh = throttled(() => void this.load(), REFRESH_MS);

  constructor(query: TaskQuery) {
    this.query = query;
  }

  show(query: TaskQuery): void {
    this.query = query;
    this.wanted = PAGE;
    this.refresh.cancel();
    void this.load();
  }

  reload(): void {
    void this.load();
  }

  /** Told how far the list is being looked at. */
  want(end: number): void {
    this.wanted = Math.max(PAGE, end);
    if (end > this.rows.value.length && this.next !== null && this.under === null) void this.more();
  }

  step(step: Step): void {
    const before = this.rows.value;
    if (this.isOther(step) || mayMove(before, step.changed, this.query)) {
      if (this.wanted <= PAGE) this.refresh();
      else this.stale.value = true;
    }
    this.rows.value = patched(before, step.changed);
  }

  /** Whether the swarm has other tasks than before. */
  private isOther(step: Step): boolean {
    const before = this.inSwarm;
    this.inSwarm = step.swarm.status?.total ?? null;
    return step.everything || step.removed.length > 0 || (before !== null && before !== this.inSwarm);
  }

  close(): void {
    this.refresh.cancel();
    this.under?.abort();
  }

  private async load(): Promise<void> {
    await this.fetch(async (signal) => {
      let rows: Task[] = [];
      let after: string | null = null;
      do {
        const page = await this.page(after, signal);
        rows = appended(rows, page.tasks);
        after = page.next;
        this.total.value = page.total;
      } while (after !== null && rows.length < this.wanted);
      this.rows.value = rows;
      this.next = after;
      this.stale.value = false;
    });
  }

  private async more(): Promise<void> {
    await this.fetch(async (signal) => {
      while (this.next !== null && this.rows.value.length < this.wanted) {
        const page = await this.page(this.next, signal);
        this.rows.value = appended(this.rows.value, page.tasks);
        this.next = page.next;
        this.total.value = page.total;
      }
    });
  }

  private page(after: string | null, signal: AbortSignal) {
    const { sort, order, ...filter } = this.query;
    const sorted = sort === null ? {} : { sort, order };
    return api.tasks(filter, { ...sorted, limit: PAGE, ...(after === null ? {} : { after }) }, signal);
  }

  private async fetch(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.under?.abort();
    const controller = new AbortController();
    this.under = controller;
    try {
      await work(controller.signal);
      this.error.value = null;
    } catch (error) {
      if (!controller.signal.aborted) this.error.value = error;
    } finally {
      if (this.under === controller) this.under = null;
    }
  }
}
