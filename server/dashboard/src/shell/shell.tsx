// What stands around every page.
import { useEffect, useState } from "preact/hooks";
import { bind } from "../state/keys.ts";
import { go, href } from "../state/route.ts";
import { Notices } from "../ui/notices.tsx";
import { Banners } from "./banners.tsx";
import { Header } from "./header.tsx";
import { HelpDialog } from "./help-dialog.tsx";
import { Page } from "./page.tsx";

export function Shell() {
  const [help, setHelp] = useState(false);
  useEffect(
    () =>
      bind([
        { keys: "g o", what: "Go to the overview", run: () => go(href("overview")) },
        { keys: "g t", what: "Go to the tasks", run: () => go(href("tasks")) },
        { keys: "g g", what: "Go to the graph", run: () => go(href("graph")) },
        { keys: "g l", what: "Go to the timeline", run: () => go(href("timeline")) },
        { keys: "g c", what: "Go to the costs", run: () => go(href("costs")) },
        { keys: "g w", what: "Go to the workers", run: () => go(href("workers")) },
        { keys: "/", what: "Search", run: search },
        { keys: "?", what: "Show the keys", run: () => setHelp(true) },
      ]),
    [],
  );
  return (
    <div class="shell">
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to the content
      </button>
      <Header onHelp={() => setHelp(true)} />
      <Banners />
      <main id="main" tabIndex={-1}>
        <Page />
      </main>
      <Notices />
      {help && <HelpDialog onClose={() => setHelp(false)} />}
    </div>
  );
}

function search(): void {
  const field = document.querySelector<HTMLInputElement>("[data-search]");
  if (field !== null) field.focus();
  else go(`${href("tasks")}?find`);
}
