import { status } from "../live/store.ts";
import { attempt } from "../state/notices.ts";
import { logOut, session } from "../state/session.ts";
import { nextTheme, theme } from "../state/theme.ts";
import { ConnectionMark } from "./connection-mark.tsx";
import { Nav } from "./nav.tsx";
import { SwarmControls } from "./swarm-controls.tsx";

const THEME_SIGNS = { system: "◐", light: "○", dark: "●" } as const;

/** The name, the ways, how things stand, and the emergency stop: always in sight. */
export function Header({ onHelp }: { onHelp: () => void }) {
  const who = session.value.state === "in" ? session.value.me : null;
  return (
    <header class="header">
      <a class="brand" href="#/overview" aria-label="Amplifier Swarm, overview">
        <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
          <g class="brand-lines">
            <path d="M16 7 7 23M16 7l9 16M7 23h18" />
          </g>
          <g class="brand-dots">
            <circle cx="16" cy="7" r="4" />
            <circle cx="7" cy="23" r="4" />
            <circle cx="25" cy="23" r="4" />
          </g>
        </svg>
        <span class="brand-name">Amplifier Swarm</span>
      </a>
      <Nav />
      <div class="header-end">
        <ConnectionMark />
        <span class="who dim small" title={status.value ? `swarmd ${status.value.version}` : undefined}>
          {who?.role}
        </span>
        <button type="button" class="button plain icon" onClick={onHelp} aria-label="Help ?" title="Help (?)">
          ?
        </button>
        <button
          type="button"
          class="button plain icon"
          onClick={nextTheme}
          aria-label={`${THEME_SIGNS[theme.value]} colours: ${theme.value}`}
          title={`Colours: ${theme.value}`}
        >
          {THEME_SIGNS[theme.value]}
        </button>
        <button type="button" class="button plain small wide-only" onClick={() => attempt(logOut)}>
          Log out
        </button>
        <SwarmControls />
      </div>
    </header>
  );
}
