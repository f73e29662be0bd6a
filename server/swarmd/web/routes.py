"""The one table of routes: from it the server is built, roles are checked, and the description is made."""

from typing import Final

from swarmd.web import care, charting, listing, login, steering
from swarmd.web import socket as live
from swarmd.web.route import Route

ROUTES: Final = (
    Route("GET", "/api/status", "GetSwarm", charting.status, "The swarm as a whole.", "Swarm"),
    Route("GET", "/api/tasks", "ListTasks", listing.tasks, "A page of the tasks that fit.", "TaskPage",
          query=(listing.STATUS, listing.PHASE, listing.Q, listing.SORT, listing.ORDER, listing.LIMIT,
                 listing.AFTER)),
    Route("POST", "/api/tasks/kill", "KillTask", steering.kill_many,
          "Ends many tasks for good, each on its own.", "Bulk",
          body=(steering.FILTER, steering.IDS, steering.DRY_RUN, steering.CAUSE)),
    Route("POST", "/api/tasks/retry", "RetryTask", steering.retry_many,
          "Gives many ended tasks a new start, each on its own.", "Bulk",
          body=(steering.FILTER, steering.IDS, steering.DRY_RUN)),
    Route("GET", "/api/tasks/{id}", "GetTask", listing.task, "One task with its attempts.", "TaskDetail"),
    Route("GET", "/api/tasks/{id}/explain", "ExplainTask", listing.explain, "Why the task is where it is.",
          "Explanation"),
    Route("GET", "/api/tasks/{id}/log", "TailLog", listing.log, "What the task's sessions printed and did.",
          "LogPage", query=(listing.ROLE, listing.ATTEMPT, listing.CURSOR, listing.ENTRIES, listing.TAIL,
                            listing.WAIT_S)),
    Route("POST", "/api/tasks/{id}/kill", "KillTask", steering.kill,
          "Ends the task for good; the receipt comes with the task when its processes are gone.", "Task",
          body=(steering.CAUSE,), status=202),
    Route("POST", "/api/tasks/{id}/retry", "RetryTask", steering.retry, "Gives the ended task a new start.",
          "Task"),
    Route("GET", "/api/workers", "ListWorkers", charting.workers, "All workers that ever joined.", "Workers"),
    Route("POST", "/api/workers/{name}/drain", "DrainWorker", steering.drain,
          "Tells the worker to finish and to exit.", "Worker", body=(steering.DEADLINE_S,)),
    Route("GET", "/api/log", "WatchEvents", listing.log_of_events, "The events after one.", "EventPage",
          query=(listing.SEQ, listing.LIMIT, listing.TASK)),
    Route("GET", "/api/graph", "ListTasks", charting.graph,
          "The tasks and what they wait for; of more than 5,000 tasks, their phases.", "Graph",
          query=(charting.ONE_PHASE,)),
    Route("GET", "/api/timeline", "GetTask", charting.timeline,
          "The sessions that ran within some time, the earliest first.", "Timeline",
          query=(charting.SINCE, charting.UNTIL, charting.BARS)),
    Route("GET", "/api/throughput", "GetSwarm", charting.throughput,
          "Attempts and median durations in each of sixty stretches up to now.", "Throughput",
          query=(charting.MINUTES,)),
    Route("POST", "/api/pause", "PauseSwarm", steering.pause, "Gives no claims until a resume.", "Swarm",
          body=(steering.CAUSE,)),
    Route("POST", "/api/resume", "ResumeSwarm", steering.resume, "Ends every pause and stop.", "Resumed",
          body=(steering.REQUEUE,)),
    Route("POST", "/api/emergency-stop", "EmergencyStop", steering.stop,
          "Stops everything until a resume; the receipts come with the tasks.", "Stopped",
          body=(steering.CAUSE,)),
    Route("POST", "/api/graceful-shutdown", "DrainWorker", steering.shut_down,
          "Tells all workers to finish and to exit.", "Workers", body=(steering.DEADLINE_S,)),
    Route("GET", "/api/me", "GetSwarm", login.me, "Who asks, and the CSRF token of a login.", "Me"),
    Route("POST", "/login", "", login.log_in, "Logs a browser in by a token.", "Me", body=(login.TOKEN,)),
    Route("POST", "/logout", "GetSwarm", login.log_out, "Logs the browser out.", "LoggedOut"),
    Route("GET", "/healthz", "", care.health, "Whether the server is alive.", "Health"),
    Route("GET", "/readyz", "", care.ready, "Whether it serves; 503 says why not.", "Ready"),
    Route("GET", "/metrics", "GetSwarm", care.figures, "Figures for Prometheus.", "Metrics",
          scraped=True),
)  # fmt: skip

# What the WebSocket may be given.
SOCKET_PATH: Final = "/ws"
SOCKET_QUERY: Final = (live.AFTER, live.EPOCH)
