// Dark or light: as the system has it, unless someone chose here.
import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";
const KEY = "swarm.theme";
const THEMES: readonly Theme[] = ["system", "light", "dark"];

function stored(): Theme {
  try {
    const found = localStorage.getItem(KEY);
    return THEMES.find((theme) => theme === found) ?? "system";
  } catch {
    // A browser may forbid storage; the choice then holds as long as the page.
    return "system";
  }
}

export const theme = signal<Theme>(stored());
const systemDark = window.matchMedia("(prefers-color-scheme: dark)");
const systemIsDark = signal(systemDark.matches);

export function isDark(): boolean {
  return theme.value === "dark" || (theme.value === "system" && systemIsDark.value);
}

export function nextTheme(): void {
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "system";
  theme.value = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // As above.
  }
}

export function applyTheme(): void {
  systemDark.addEventListener("change", (event) => {
    systemIsDark.value = event.matches;
  });
  effect(() => {
    document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  });
}
