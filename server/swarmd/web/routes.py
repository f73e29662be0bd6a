"""The one table of routes: the application, the role checks and the OpenAPI description are made from it."""

from typing import Final

from swarmd.web.api import actions, charts, health, tasks
from swarmd.web.auth import login
from swarmd.web.http.route import Route

ROUTES: Final = (
    Route("GET", "/api/status", "GetSwarm", charts.status, "The swarm as a whole.", "Swarm"),
    Route("GET", "/api/tasks", "ListTasks", tasks.tasks, "A page of the tasks that match.", "TaskPage",
          query=(tasks.STATUS, tasks.PHASE, tasks.Q, tasks.SORT, tasks.ORDER, tasks.LIMIT,
                 tasks.AFTER)),
    Route("POST", "/api/tasks/kill", "KillTask", actions.kill_many,
          "Kills many tasks, each on its own.", "Bulk",
          body=(actions.FILTER, actions.IDS, actions.DRY_RUN, actions.CAUSE)),
    Route("POST", "/api/tasks/retry", "RetryTask", actions.retry_many,
          "Retries many ended tasks, each on its own.", "Bulk",
          body=(actions.FILTER, actions.IDS, actions.DRY_RUN)),
    Route("GET", "/api/tasks/{id}", "GetTask", tasks.task, "One task with its attempts.", "TaskDetail"),
    Route("GET", "/api/tasks/{id}/explain", "ExplainTask", tasks.explain, "Why the task is where it is.",
          "Explanation"),
    Route("GET", "/api/tasks/{id}/log", "TailLog", tasks.log, "The log of the task's sessions.",
          "LogPage", query=(tasks.ROLE, tasks.ATTEMPT, tasks.CURSOR, tasks.ENTRIES, tasks.TAIL,
                            tasks.WAIT_S)),
    Route("POST", "/api/tasks/{id}/kill", "KillTask", actions.kill,
          "Kills the task; its kill receipt comes with the task when its processes are gone.", "Task",
          body=(actions.CAUSE,), status=202),
    Route("POST", "/api/tasks/{id}/retry", "RetryTask", actions.retry, "Retries the ended task.",
          "Task"),
    Route("GET", "/api/workers", "ListWorkers", charts.workers, "All workers that ever joined.", "Workers"),
    Route("POST", "/api/workers/{name}/drain", "DrainWorker", actions.drain,
          "Drains the worker: it finishes its tasks and exits.", "Worker", body=(actions.DEADLINE_S,)),
    Route("GET", "/api/log", "WatchEvents", tasks.log_of_events, "The events after one.", "EventPage",
          query=(tasks.SEQ, tasks.LIMIT, tasks.TASK)),
    Route("GET", "/api/graph", "ListTasks", charts.graph,
          "The dependency graph of the tasks; for more than 5,000 tasks, that of their phases.", "Graph",
          query=(charts.ONE_PHASE,)),
    Route("GET", "/api/timeline", "GetTask", charts.timeline,
          "The sessions of a period, the earliest first.", "Timeline",
          query=(charts.SINCE, charts.UNTIL, charts.BARS)),
    Route("GET", "/api/throughput", "GetSwarm", charts.throughput,
          "Ended attempts and median durations in sixty buckets up to now.", "Throughput",
          query=(charts.MINUTES,)),
    Route("POST", "/api/pause", "PauseSwarm", actions.pause,
          "Pauses the swarm: no task is claimed until a resume.", "Swarm", body=(actions.CAUSE,)),
    Route("POST", "/api/resume", "ResumeSwarm", actions.resume, "Ends every pause and stop.", "Resumed",
          body=(actions.REQUEUE,)),
    Route("POST", "/api/emergency-stop", "EmergencyStop", actions.stop,
          "Stops everything until a resume; the kill receipts come with the tasks.", "Stopped",
          body=(actions.CAUSE,)),
    Route("POST", "/api/graceful-shutdown", "DrainWorker", actions.shut_down,
          "Drains all workers.", "Workers", body=(actions.DEADLINE_S,)),
    Route("GET", "/api/me", "GetSwarm", login.me, "The caller, and the CSRF token of a new login.", "Me",
          query=(login.LOGIN,), without_csrf=True),
    Route("POST", "/login", "", login.log_in, "Logs a browser in by a token.", "Me", body=(login.TOKEN,)),
    Route("POST", "/logout", "GetSwarm", login.log_out, "Logs the browser out.", "LoggedOut"),
    Route("GET", "/healthz", "", health.health, "Answers while the server is alive.", "Health"),
    Route("GET", "/readyz", "", health.ready, "Reports if the server serves; 503 says why not.", "Ready"),
    Route("GET", "/metrics", "GetSwarm", health.metrics, "Metrics for Prometheus.", "Metrics",
          scraped=True),
)  # fmt: skip

SOCKET_PATH: Final = "/ws"
