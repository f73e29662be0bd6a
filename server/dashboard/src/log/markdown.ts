// The Markdown of a model's replies as lines with a layout and spans with a style. It makes no HTML: the rows of the
// log show every span as a text node, and links stay text.

export type Layout = "text" | "code" | "heading" | "quote";

export interface Span {
  readonly text: string;
  readonly style: "" | "code" | "strong" | "emphasis";
}

export interface MarkdownLine {
  readonly layout: Layout;
  readonly spans: readonly Span[];
}

const FENCE = /^\s{0,3}(`{3,}|~{3,})\s*([^`]*)$/;
const HEADING = /^\s{0,3}#{1,6}\s+(.*?)\s*#*$/;
const BULLET = /^(\s*)[-*+]\s+/;
const QUOTE = /^\s{0,3}>\s?/;
// A table is only readable with letters of one width.
const TABLE = /^\s*\|.*\|\s*$/;
const INLINE = /(`+)(.+?)\1|\*\*(\S(?:.*?\S)?)\*\*|(?<![\w*])\*(\S(?:.*?\S)?)\*(?![\w*])/g;

/** A reader of replies, line by line; a code block may go on in the next piece of a reply. */
export class MarkdownReader {
  private fence = "";

  /** The layout of a line; null for one that only ends a code block. */
  line(text: string): MarkdownLine | null {
    const fence = FENCE.exec(text);
    if (this.fence !== "") {
      if (fence?.[1]?.startsWith(this.fence) && fence[2]?.trim() === "") {
        this.fence = "";
        return null;
      }
      return { layout: "code", spans: plain(text) };
    }
    if (fence !== null) {
      this.fence = fence[1] ?? "";
      return { layout: "code", spans: [{ text: fence[2]?.trim() || "code", style: "emphasis" }] };
    }
    const heading = HEADING.exec(text);
    if (heading !== null) return { layout: "heading", spans: inline(heading[1] ?? "") };
    if (TABLE.test(text)) return { layout: "code", spans: plain(text) };
    if (QUOTE.test(text)) return { layout: "quote", spans: inline(text.replace(QUOTE, "")) };
    return { layout: "text", spans: inline(text.replace(BULLET, "$1• ")) };
  }
}

/** The text in spans: code, strong and emphasised ones without their marks. */
export function inline(text: string): readonly Span[] {
  const spans: Span[] = [];
  let end = 0;
  for (const found of text.matchAll(INLINE)) {
    const [whole, , code, strong, emphasised] = found;
    if (found.index > end) spans.push({ text: text.slice(end, found.index), style: "" });
    const style = code !== undefined ? "code" : strong !== undefined ? "strong" : "emphasis";
    spans.push({ text: code ?? strong ?? emphasised ?? "", style });
    end = found.index + whole.length;
  }
  if (end < text.length || spans.length === 0) spans.push({ text: text.slice(end), style: "" });
  return spans;
}

export function plain(text: string): readonly Span[] {
  return [{ text, style: "" }];
}

/** The part of the spans from one character to another of their text. */
export function sliced(spans: readonly Span[], from: number, to: number): readonly Span[] {
  const found: Span[] = [];
  let at = 0;
  for (const { text, style } of spans) {
    const part = text.slice(Math.max(0, from - at), Math.max(0, to - at));
    if (part !== "") found.push({ text: part, style });
    at += text.length;
  }
  return found;
}
