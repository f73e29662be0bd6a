// Reads a task's log from a cursor, page after page, and goes on as long as sessions write. Its one rule: an
// entry is taken once, in the order of its cursor, whatever is asked twice.
import type { LogLine } from "../api/documents.ts";
import type { LogPage } from "../api/swarm.ts";

export interface LogSource {
  /** The entries after that cursor; `wait` lets the server wait for the next if there is none yet. */
  page(after: number | undefined, wait: boolean, limit: number, signal: AbortSignal): Promise<LogPage>;
}

export interface FollowerEvents {
  added(entries: readonly LogLine[]): void;
  state(state: FollowState): void;
}

export interface FollowState {
  readonly loading: boolean;
  readonly ended: boolean;
  readonly error: unknown;
}

// The most that the server gives at once.
export const PAGE = 5000;
// The server answers when there is something new; this only gathers what comes in a burst.
const REST_MS = 150;
const RETRY_MS = 3000;

export class LogFollower {
  private cursor: number | undefined;
  private timer: number | null = null;
  private under: AbortController | null = null;
  private closed = false;
  private again = false;
  private caughtUp = false;
  private readonly source: LogSource;
  private readonly events: FollowerEvents;

  constructor(source: LogSource, events: FollowerEvents) {
    this.source = source;
    this.events = events;
  }

  /** Looks now: at the start, and when something tells that there may be more. */
  poke(): void {
    if (this.closed) return;
    if (this.under !== null) {
      // A page on its way that waits for news tells them by itself.
      this.again = true;
      return;
    }
    if (this.timer !== null) window.clearTimeout(this.timer);
    this.timer = null;
    void this.read();
  }

  close(): void {
    this.closed = true;
    if (this.timer !== null) window.clearTimeout(this.timer);
    this.under?.abort();
  }

  private async read(): Promise<void> {
    const controller = new AbortController();
    this.under = controller;
    let delayMs: number | null = REST_MS;
    try {
      delayMs = await this.pages(controller.signal);
    } catch (error) {
      delayMs = RETRY_MS;
      if (!this.closed) this.events.state({ loading: false, ended: false, error });
    }
    this.under = null;
    if (this.closed) return;
    if (this.again) {
      this.again = false;
      delayMs = 0;
    }
    if (delayMs !== null) this.timer = window.setTimeout(() => this.poke(), delayMs);
  }

  /** Reads up to the end; how long to wait before looking again, null for not at all. */
  private async pages(signal: AbortSignal): Promise<number | null> {
    for (;;) {
      const page = await this.source.page(this.cursor, this.caughtUp, PAGE, signal);
      if (this.closed) return null;
      const after = this.cursor ?? -1;
      const fresh = page.entries.filter((entry) => entry.cursor > after);
      if (page.next !== null) this.cursor = Math.max(this.cursor ?? 0, page.next);
      if (fresh.length > 0) this.events.added(fresh);
      const more = page.entries.length >= PAGE;
      this.caughtUp = !more;
      this.events.state({ loading: more, ended: page.ended, error: null });
      if (!more) return page.ended ? null : REST_MS;
    }
  }
}
