// Text from sessions, files and models is hostile until it is shown harmless. Markup is no danger here,
// since everything becomes a text node; what is left are characters that draw nothing or reorder others.

const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;
const HAS_HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u;

function escaped(char: string): string {
  if (char === "\t" || char === "\n") return char;
  const code = char.codePointAt(0) ?? 0;
  return code < 0x100
    ? `\\x${code.toString(16).padStart(2, "0")}`
    : `\\u${code.toString(16).padStart(4, "0")}`;
}

/** The text with control, bidi and zero-width characters shown as escapes; tabs and newlines stay. */
export function visible(text: string): string {
  return HAS_HIDDEN.test(text) ? text.replace(HIDDEN, escaped) : text;
}

/** The same on one line. */
export function oneLine(text: string, limit = 500): string {
  const flat = visible(text.replace(/\s+/g, " ").trim());
  return flat.length <= limit ? flat : `${flat.slice(0, limit - 1)}…`;
}
