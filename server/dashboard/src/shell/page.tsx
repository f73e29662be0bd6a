import { CostsPage } from "../pages/costs/costs-page.tsx";
import { GraphPage } from "../pages/graph/graph-page.tsx";
import { OverviewPage } from "../pages/overview/overview-page.tsx";
import { TaskPage } from "../pages/task/task-page.tsx";
import { TasksPage } from "../pages/tasks/tasks-page.tsx";
import { TimelinePage } from "../pages/timeline/timeline-page.tsx";
import { WorkersPage } from "../pages/workers/workers-page.tsx";
import { href, route } from "../state/route.ts";
import { Empty } from "../ui/states.tsx";

/** The page that the address names. */
export function Page() {
  const { page, id } = route.value;
  switch (page) {
    case "overview":
      return <OverviewPage />;
    case "tasks":
      return <TasksPage />;
    case "task":
      return <TaskPage key={id ?? ""} id={id ?? ""} />;
    case "graph":
      return <GraphPage />;
    case "timeline":
      return <TimelinePage />;
    case "costs":
      return <CostsPage />;
    case "workers":
      return <WorkersPage />;
    default:
      return (
        <Empty title="There is no such page" heading>
          <a href={href("overview")}>Go to the overview</a>
        </Empty>
      );
  }
}
