// Log entries as rows of one height: split at line ends, and at the width of the window. Pure, and appended to:
// a hundred thousand lines are laid out once, not at each new one.
import type { LogLine } from "../api/documents.ts";
import { visible } from "../text/visible.ts";

// How much of a row a cut at a blank must fill.
const NEAR = 0.6;

export interface LogRow {
  readonly entry: LogLine;
  readonly text: string;
  /** The first row of an entry has its time and mark. */
  readonly first: boolean;
  /** Announces a session instead of showing text. */
  readonly heading: boolean;
}

export class LogRows {
  readonly rows: LogRow[] = [];
  private session = "";
  private readonly columns: number;

  /** `columns` 0 does not wrap. */
  constructor(columns: number) {
    this.columns = columns;
  }

  add(entries: readonly LogLine[]): void {
    for (const entry of entries) {
      if (entry.session_id !== this.session) {
        this.session = entry.session_id;
        this.rows.push({ entry, text: headingOf(entry), first: true, heading: true });
      }
      this.addText(entry);
    }
  }

  private addText(entry: LogLine): void {
    let first = true;
    for (const line of visible(entry.text.replace(/\r?\n$/, "")).split(/\r?\n/)) {
      for (const text of chunks(line, this.columns)) {
        this.rows.push({ entry, text, first, heading: false });
        first = false;
      }
    }
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
