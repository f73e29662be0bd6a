// Every colour that words are written in can be read on what it stands on, in both themes.
import { expect, test } from "vitest";
import { STATUSES } from "../../src/api/documents.ts";
import tokens from "../../src/styles/tokens.css?raw";

type Colours = Record<string, string>;

function coloursOf(selector: string): Colours {
  const block = tokens.slice(tokens.indexOf(`${selector} {`)).split("}")[0] ?? "";
  return Object.fromEntries(
    [...block.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map((found) => found.slice(1, 3)),
  );
}

function lightness(colour: string): number {
  const parts = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255);
  const [red = 0, green = 0, blue = 0] = parts.map((part) =>
    part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [light = 0, dark = 0] = [lightness(one), lightness(other)].sort((left, right) => right - left);
  return (light + 0.05) / (dark + 0.05);
}

const light = coloursOf(":root");
const THEMES: Record<string, Colours> = {
  light,
  dark: { ...light, ...coloursOf(':root[data-theme="dark"]') },
};
const ON_PANEL = [...STATUSES, "text", "dim", "accent", "danger", "warn"];

test.each(Object.entries(THEMES))("the %s theme can be read (WCAG AA)", (_, colours) => {
  const pairs: [string, string][] = [
    ...ON_PANEL.map((name): [string, string] => [name, "panel"]),
    ["text", "bg"],
    ["dim", "bg"],
    ["dim", "sunken"],
    ["text", "accent-soft"],
    ["accent-text", "accent"],
    ["danger-text", "danger-strong"],
    ["panel", "failed"],
  ];

  const poor = pairs
    .map(([one, other]) => [one, other, contrast(colours[one] ?? "", colours[other] ?? "")] as const)
    .filter(([, , ratio]) => !(ratio >= 4.5));

  expect(poor).toEqual([]);
});
