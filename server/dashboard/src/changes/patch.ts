// Reads the patch that git wrote. Lenient: a patch whose secrets were masked may lack lines, and what a builder
// committed may look like anything, so an unknown line is kept as text and nothing is refused.

export type Mark = " " | "+" | "-" | "\\";

export interface PatchLine {
  readonly mark: Mark;
  readonly text: string;
  /** The numbers of the line before and after; null where the line is not there. */
  readonly before: number | null;
  readonly after: number | null;
}

export interface Hunk {
  readonly heading: string;
  readonly lines: PatchLine[];
}

export interface PatchFile {
  path: string;
  /** The path before a rename. */
  from: string | null;
  /** What else happened to the file: its mode, that it is binary. */
  readonly notes: string[];
  readonly hunks: Hunk[];
}

const FILE = "diff --git ";
const RANGES = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/;

/** The files of a patch, in its order. */
export function parsePatch(patch: string): readonly PatchFile[] {
  const reader = new PatchReader();
  const lines = patch.split("\n");
  if (lines.at(-1) === "") lines.pop();
  for (const line of lines) reader.read(line);
  return reader.files;
}

class PatchReader {
  readonly files: PatchFile[] = [];
  private file: PatchFile | null = null;
  private hunk: Hunk | null = null;
  private before = 0;
  private after = 0;
  private oldMode = "";

  // A line of content begins with a mark, so only git's own lines can begin otherwise.
  read(line: string): void {
    if (line.startsWith(FILE)) {
      this.beginFile(samePath(line.slice(FILE.length)));
      return;
    }
    const file = this.file ?? this.beginFile("");
    const ranges = RANGES.exec(line);
    if (ranges !== null) {
      this.hunk = { heading: line, lines: [] };
      this.before = Number(ranges[1]);
      this.after = Number(ranges[2]);
      file.hunks.push(this.hunk);
    } else if (this.hunk === null) {
      this.readHeader(file, line);
    } else {
      this.hunk.lines.push(this.lineOf(line));
    }
  }

  private beginFile(path: string): PatchFile {
    const file = { path, from: null, notes: [], hunks: [] };
    this.file = file;
    this.hunk = null;
    this.files.push(file);
    return file;
  }

  private readHeader(file: PatchFile, line: string): void {
    const [, word = "", rest = ""] = HEADER.exec(line) ?? [];
    switch (word) {
      case "rename from ":
        file.from = unquoted(rest);
        break;
      case "rename to ":
        file.path = unquoted(rest);
        break;
      case "--- ":
      case "+++ ":
        if (rest !== "/dev/null") file.path = unquoted(rest.replace(/\t$/, "")).replace(/^[ab]\//, "");
        break;
      case "old mode ":
        this.oldMode = rest;
        break;
      case "new mode ":
        file.notes.push(`mode ${this.oldMode} → ${rest}`);
        break;
      case "similarity index ":
        if (rest !== "100%") file.notes.push(`${rest} unchanged`);
        break;
      case "Binary files ":
        file.notes.push("binary file");
        break;
      case "new file mode ":
      case "deleted file mode ":
        // The mark of the file says so; the mode says more of a program, a link or a submodule.
        if (rest !== PLAIN_FILE) file.notes.push(`mode ${rest}`);
        break;
      case "index ":
        break;
      default:
        if (line !== "") file.notes.push(line);
    }
  }

  private lineOf(line: string): PatchLine {
    const text = line.slice(1);
    switch (line[0]) {
      case "+":
        return { mark: "+", text, before: null, after: this.after++ };
      case "-":
        return { mark: "-", text, before: this.before++, after: null };
      case "\\":
        return { mark: "\\", text: text.trimStart(), before: null, after: null };
      case " ":
      case undefined:
        return { mark: " ", text, before: this.before++, after: this.after++ };
      default:
        return { mark: " ", text: line, before: null, after: null };
    }
  }
}

const PLAIN_FILE = "100644";
const HEADER =
  /^(rename from |rename to |--- |\+\+\+ |new file mode |deleted file mode |old mode |new mode |similarity index |Binary files |index )(.*)$/s;

/** The path in `a/PATH b/PATH`; empty for a rename, whose paths follow in lines of their own. */
function samePath(names: string): string {
  const quoted = QUOTED.exec(names);
  if (quoted !== null) return unquoted(names).replace(/^a\//, "");
  const half = (names.length - 1) / 2;
  const path = names.slice(2, half);
  return names === `a/${path} b/${path}` ? path : "";
}

const QUOTED = /^"((?:[^"\\]|\\.)*)"/s;
const PIECES = /\\([0-3][0-7]{2})|\\(.)|([^\\]+)/gsu;
const NAMED = new Map([..."abtnvfr"].map((letter, at) => [letter, [7, 8, 9, 10, 11, 12, 13][at] ?? 0]));

/** A path as it is; git quotes one with special characters, bytes outside of ASCII as octal numbers. */
export function unquoted(path: string): string {
  const inside = QUOTED.exec(path)?.[1];
  if (inside === undefined) return path;
  const bytes: number[] = [];
  for (const [, octal, letter, plain] of inside.matchAll(PIECES)) {
    if (octal !== undefined) bytes.push(Number.parseInt(octal, 8));
    else if (letter !== undefined) bytes.push(NAMED.get(letter) ?? letter.charCodeAt(0));
    else for (const byte of new TextEncoder().encode(plain)) bytes.push(byte);
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}
