"""The one table of routes: from it the server is built, roles are checked, and the description is made."""

from typing import Final

from swarmd.web.api import actions, charts, health, tasks
from swarmd.web.auth import login
from swarmd.web.http.route import Route
from swarmd.web.live import websocket as live

ROUTES: Final = (
    Route("GET", "/api/status", "GetSwarm", charts.status, "The swarm as a whole.", "Swarm"),
    Route("GET", "/api/tasks", "ListTasks", tasks.tasks, "A page of the tasks that fit.", "TaskPage",
          query=(tasks.STATUS, tasks.PHASE, tasks.Q, tasks.SORT, tasks.ORDER, tasks.LIMIT,
                 tasks.AFTER)),
    Route("POST", "/api/tasks/kill", "KillTask", actions.kill_many,
          "Ends many tasks for good, each on its own.", "Bulk",
          body=(actions.FILTER, actions.IDS, actions.DRY_RUN, actions.CAUSE)),
    Route("POST", "/api/tasks/retry", "RetryTask", actions.retry_many,
          "Gives many ended tasks a new start, each on its own.", "Bulk",
          body=(actions.FILTER, actions.IDS, actions.DRY_RUN)),
    Route("GET", "/api/tasks/{id}", "GetTask", tasks.task, "One task with its attempts.", "TaskDetail"),
    Route("GET", "/api/tasks/{id}/explain", "ExplainTask", tasks.explain, "Why the task is where it is.",
          "Explanation"),
    Route("GET", "/api/tasks/{id}/log", "TailLog", tasks.log, "What the task's sessions printed and did.",
          "LogPage", query=(tasks.ROLE, tasks.ATTEMPT, tasks.CURSOR, tasks.ENTRIES, tasks.TAIL,
                            tasks.WAIT_S)),
    Route("POST", "/api/tasks/{id}/kill", "KillTask", actions.kill,
          "Ends the task for good; the receipt comes with the task when its processes are gone.", "Task",
          body=(actions.CAUSE,), status=202),
    Route("POST", "/api/tasks/{id}/retry", "RetryTask", actions.retry, "Gives the ended task a new start.",
          "Task"),
    Route("GET", "/api/workers", "ListWorkers", charts.workers, "All workers that ever joined.", "Workers"),
    Route("POST", "/api/workers/{name}/drain", "DrainWorker", actions.drain,
          "Tells the worker to finish and to exit.", "Worker", body=(actions.DEADLINE_S,)),
    Route("GET", "/api/log", "WatchEvents", tasks.log_of_events, "The events after one.", "EventPage",
          query=(tasks.SEQ, tasks.LIMIT, tasks.TASK)),
    Route("GET", "/api/graph", "ListTasks", charts.graph,
          "The tasks and what they wait for; of more than 5,000 tasks, their phases.", "Graph",
          query=(charts.ONE_PHASE,)),
    Route("GET", "/api/timeline", "GetTask", charts.timeline,
          "The sessions that ran within some time, the earliest first.", "Timeline",
          query=(charts.SINCE, charts.UNTIL, charts.BARS)),
    Route("GET", "/api/throughput", "GetSwarm", charts.throughput,
          "Attempts and median durations in each of sixty stretches up to now.", "Throughput",
          query=(charts.MINUTES,)),
    Route("POST", "/api/pause", "PauseSwarm", actions.pause, "Gives no claims until a resume.", "Swarm",
          body=(actions.CAUSE,)),
    Route("POST", "/api/resume", "ResumeSwarm", actions.resume, "Ends every pause and stop.", "Resumed",
          body=(actions.REQUEUE,)),
    Route("POST", "/api/emergency-stop", "EmergencyStop", actions.stop,
          "Stops everything until a resume; the receipts come with the tasks.", "Stopped",
          body=(actions.CAUSE,)),
    Route("POST", "/api/graceful-shutdown", "DrainWorker", actions.shut_down,
          "Tells all workers to finish and to exit.", "Workers", body=(actions.DEADLINE_S,)),
    Route("GET", "/api/me", "GetSwarm", login.me, "Who asks, and the CSRF token of a login.", "Me"),
    Route("POST", "/login", "", login.log_in, "Logs a browser in by a token.", "Me", body=(login.TOKEN,)),
    Route("POST", "/logout", "GetSwarm", login.log_out, "Logs the browser out.", "LoggedOut"),
    Route("GET", "/healthz", "", health.health, "Whether the server is alive.", "Health"),
    Route("GET", "/readyz", "", health.ready, "Whether it serves; 503 says why not.", "Ready"),
    Route("GET", "/metrics", "GetSwarm", health.figures, "Figures for Prometheus.", "Metrics",
          scraped=True),
)  # fmt: skip

# What the WebSocket may be given.
SOCKET_PATH: Final = "/ws"
SOCKET_QUERY: Final = (live.AFTER, live.EPOCH)
