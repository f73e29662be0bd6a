// A patch as rows of one height, below each other or side by side. Pure.
import type { ChangedFile } from "../api/documents.ts";
import { chunks } from "../log/rows.ts";
import { visible } from "../text/visible.ts";
import type { Hunk, Mark, PatchFile, PatchLine } from "./patch.ts";

// In characters, as the style sheet has them.
const NUMBER_PADDING = 2;
const MARK = 2;
const END = 1;
const FEWEST = 10;

export interface Side {
  readonly number: number | null;
  readonly mark: Mark;
  readonly text: string;
}

export type PatchRow =
  | { readonly kind: "file"; readonly path: string; readonly from: string | null; readonly folded: boolean }
  | { readonly kind: "hunk" | "note"; readonly text: string }
  | { readonly kind: "gap" }
  | {
      readonly kind: "line";
      readonly before: number | null;
      readonly after: number | null;
      readonly mark: Mark;
      readonly text: string;
    }
  | { readonly kind: "pair"; readonly left: Side | null; readonly right: Side | null };

export interface PatchShape {
  readonly split: boolean;
  /** How many characters fit into a line of text; 0 does not wrap. */
  readonly columns: number;
  /** The paths of the files of which only the heading is shown. */
  readonly folded: ReadonlySet<string>;
}

export interface LaidOut {
  readonly rows: readonly PatchRow[];
  /** The row of each file's heading, by path. */
  readonly places: ReadonlyMap<string, number>;
}

export function layOut(files: readonly PatchFile[], shape: PatchShape): LaidOut {
  const rows: PatchRow[] = [];
  const places = new Map<string, number>();
  for (const { path, from, notes, hunks } of files) {
    if (rows.length > 0) rows.push({ kind: "gap" });
    // A file that became a link has two parts under one path.
    if (!places.has(path)) places.set(path, rows.length);
    const folded = shape.folded.has(path);
    rows.push({ kind: "file", path, from, folded });
    if (folded) continue;
    for (const note of notes) rows.push({ kind: "note", text: visible(note) });
    for (const hunk of hunks) {
      rows.push({ kind: "hunk", text: visible(hunk.heading) });
      if (shape.split) addPairs(rows, hunk, shape.columns);
      else addLines(rows, hunk, shape.columns);
    }
  }
  return { rows, places };
}

/** How many of the characters that fit side by side are left for text, beside line numbers, marks and padding. */
export function textColumns(
  whole: number,
  { digits, split, narrow }: { digits: number; split: boolean; narrow: boolean },
): number {
  const number = digits + NUMBER_PADDING;
  if (split) return Math.max(FEWEST, Math.floor(whole / 2) - number - MARK - END);
  return Math.max(FEWEST, whole - (narrow ? 1 : 2) * number - MARK - END);
}

/** How many digits the largest line number has. */
export function digitsOf(files: readonly PatchFile[]): number {
  let largest = 0;
  for (const { hunks } of files) {
    for (const { lines } of hunks) {
      for (const { before, after } of lines) largest = Math.max(largest, before ?? 0, after ?? 0);
    }
  }
  return Math.max(2, String(largest).length);
}

/** The files whose path has that text, whatever the case. */
export function matching<T extends PatchFile | ChangedFile>(
  files: readonly T[],
  wanted: string,
): readonly T[] {
  const text = wanted.toLowerCase();
  return text === "" ? files : files.filter(({ path }) => path.toLowerCase().includes(text));
}

function addLines(rows: PatchRow[], hunk: Hunk, columns: number): void {
  for (const line of hunk.lines) {
    let { before, after } = line;
    for (const text of wrapped(line, columns)) {
      rows.push({ kind: "line", before, after, mark: line.mark, text });
      // Only the first row of a wrapped line has its numbers.
      before = after = null;
    }
  }
}

function addPairs(rows: PatchRow[], hunk: Hunk, columns: number): void {
  let removed: PatchLine[] = [];
  let added: PatchLine[] = [];
  const flush = () => {
    for (let at = 0; at < Math.max(removed.length, added.length); at++) {
      addPair(rows, removed[at], added[at], columns);
    }
    removed = [];
    added = [];
  };
  for (const line of hunk.lines) {
    if (line.mark === "-") {
      if (added.length > 0) flush();
      removed.push(line);
    } else if (line.mark === "+") {
      added.push(line);
    } else if (line.mark === "\\") {
      // It belongs to the line before it, on whichever side that is.
      (added.length > 0 || removed.length === 0 ? added : removed).push(line);
    } else {
      flush();
      addPair(rows, line, line, columns);
    }
  }
  flush();
}

function addPair(rows: PatchRow[], left?: PatchLine, right?: PatchLine, columns = 0): void {
  const lefts = left === undefined ? [] : wrapped(left, columns);
  const rights = right === undefined ? [] : wrapped(right, columns);
  for (let at = 0; at < Math.max(lefts.length, rights.length); at++) {
    rows.push({
      kind: "pair",
      left: sideOf(left, lefts[at], at === 0 ? (left?.before ?? null) : null),
      right: sideOf(right, rights[at], at === 0 ? (right?.after ?? null) : null),
    });
  }
}

function sideOf(line: PatchLine | undefined, text: string | undefined, number: number | null): Side | null {
  return line === undefined || text === undefined ? null : { number, mark: line.mark, text };
}

function wrapped(line: PatchLine, columns: number): string[] {
  return chunks(visible(line.text), columns);
}
