// Log entries as rows of one height: split at line ends, and at the width of the window. Pure, and appended to:
// a hundred thousand lines are laid out once, not at each new one.
import type { LogLine } from "../api/documents.ts";
import { visible } from "../text/visible.ts";
import { type Layout, MarkdownReader, plain, type Span, sliced } from "./markdown.ts";

// How much of a row a cut at a blank must fill.
const NEAR = 0.6;
// What an agent did, which is read on demand.
const FOLDED: ReadonlySet<string> = new Set(["tool_started", "tool_completed"]);

export interface LogRow {
  readonly entry: LogLine;
  readonly text: string;
  readonly spans: readonly Span[];
  readonly layout: Layout;
  /** The first row of an entry has its time and mark. */
  readonly first: boolean;
  /** Announces a session instead of showing text. */
  readonly heading: boolean;
  /** On the first row of an entry that folds: how many rows it has beside this one. */
  readonly folds: number;
}

export interface LogShape {
  /** 0 does not wrap. */
  readonly columns: number;
  /** Tool calls are shown whole. */
  readonly open: boolean;
  /** The entries are what a search has found, somewhere in their text: prompts and tool calls are shown whole. */
  readonly found: boolean;
}

export class LogRows {
  readonly rows: LogRow[] = [];
  private session = "";
  private replies = new MarkdownReader();
  private readonly shape: LogShape;
  private readonly opened: Set<number>;

  /** `opened` has the cursors of the entries that are shown whole; `toggle` changes it. */
  constructor(shape: LogShape, opened: Set<number> = new Set()) {
    this.shape = shape;
    this.opened = opened;
  }

  add(entries: readonly LogLine[]): void {
    for (const entry of entries) {
      if (entry.session_id !== this.session) {
        this.session = entry.session_id;
        this.replies = new MarkdownReader();
        const text = headingOf(entry);
        this.rows.push({
          entry,
          text,
          spans: plain(text),
          layout: "text",
          first: true,
          heading: true,
          folds: 0,
        });
      }
      if (entry.kind === "prompt" && !this.shape.found) continue;
      if (entry.kind !== "reply") this.replies = new MarkdownReader();
      const rows = this.rowsOf(entry);
      this.rows.push(...(this.folds(entry) && !this.opened.has(entry.cursor) ? rows.slice(0, 1) : rows));
    }
  }

  private folds({ kind }: LogLine): boolean {
    return FOLDED.has(kind) && !this.shape.open && !this.shape.found;
  }

  /** Folds or unfolds the entry whose first row that is. */
  toggle(index: number): void {
    const row = this.rows[index];
    if (row === undefined || row.folds === 0) return;
    const { entry } = row;
    if (this.opened.delete(entry.cursor)) this.rows.splice(index + 1, row.folds);
    else {
      this.opened.add(entry.cursor);
      this.rows.splice(index + 1, 0, ...this.rowsOf(entry).slice(1));
    }
  }

  private rowsOf(entry: LogLine): LogRow[] {
    const rows: LogRow[] = [];
    for (const line of visible(entry.text.replace(/\r?\n$/, "")).split(/\r?\n/)) {
      const flat = line.replaceAll("\t", "    ");
      const read = entry.kind === "reply" ? this.replies.line(flat) : null;
      if (entry.kind === "reply" && read === null) continue;
      const spans = read?.spans ?? plain(flat);
      const layout = read?.layout ?? "text";
      let at = 0;
      for (const text of chunks(spans.map((span) => span.text).join(""), this.shape.columns)) {
        const part = sliced(spans, at, at + text.length);
        at += text.length;
        const first = rows.length === 0;
        rows.push({ entry, text, spans: part, layout, first, heading: false, folds: 0 });
      }
    }
    const [first, ...others] = rows;
    if (first === undefined) return rows;
    const folds = this.folds(entry) ? others.length : 0;
    return [{ ...first, folds }, ...others];
  }
}

function headingOf(entry: LogLine): string {
  return `${entry.role}, attempt ${entry.attempt}, session ${entry.session_id}`;
}

/** The line in pieces of at most so many characters, cut at a blank if one is near; a tab becomes four blanks. */
export function chunks(line: string, columns: number): string[] {
  const flat = line.replaceAll("\t", "    ");
  if (columns <= 0 || flat.length <= columns) return [flat];
  const pieces = [];
  for (let at = 0; at < flat.length; ) {
    const blank = flat.lastIndexOf(" ", at + columns - 1);
    const near = blank >= at + columns * NEAR && at + columns < flat.length;
    const end = near ? blank + 1 : at + columns;
    pieces.push(flat.slice(at, end));
    at = end;
  }
  return pieces;
}
