// What a task may have: order, groups, types, defaults and descriptions of the fields of the form. It is generated: see TestSchema
// of app/internal/config.
export const taskSchema = {
 "properties": {
  "name": {
   "type": "string",
   "description": "Name of the task.",
   "x-group": "What runs"
  },
  "workName": {
   "type": "string",
   "description": "Work that the task runs.",
   "x-group": "What runs"
  },
  "workerNum": {
   "type": "integer",
   "description": "Number of workers, 0 to 100,000. `config check` warns if it is missing.",
   "default": 0,
   "x-group": "What runs"
  },
  "resize": {
   "type": "string",
   "enum": [
    "restart",
    "live"
   ],
   "description": "What happens when the number of workers changes: `restart` stops all workers before the first one with the new count starts; `live` lets the others run on, and no worker gets a count.",
   "default": "restart",
   "x-group": "What runs"
  },
  "stopTimeout": {
   "type": "string",
   "description": "Time that a worker has to stop, at most 1h. After it a worker shows as stuck, and a program is killed.",
   "default": "10s",
   "x-group": "What runs"
  },
  "interval": {
   "type": "string",
   "description": "Pause between the return of a worker and its next run. Without it, a worker that returns within a second waits longer each time, 10 seconds at most. Default: at once.",
   "x-group": "What runs"
  },
  "params": {
   "type": "object",
   "description": "Table that every worker of the task gets, at most 4 KB of JSON. It is stored unencrypted.",
   "x-group": "What runs"
  },
  "paused": {
   "type": "boolean",
   "description": "Whether no worker of the task may run.",
   "default": false,
   "x-group": "What runs"
  },
  "require": {
   "type": "string",
   "description": "Labels that a node must have, as in `gpu=true, zone!=c`.",
   "x-group": "Where workers run"
  },
  "prefer": {
   "type": "string",
   "description": "Labels of the nodes that are chosen while they have room.",
   "x-group": "Where workers run"
  },
  "spread": {
   "type": "string",
   "description": "Label over whose values the workers are distributed evenly, before they are distributed over nodes.",
   "x-group": "Where workers run"
  },
  "maxPerNode": {
   "type": "integer",
   "description": "Number of workers of the task that one node may have. Default: no limit.",
   "x-group": "Where workers run"
  },
  "weight": {
   "type": "integer",
   "description": "What one worker takes of the capacity of a node.",
   "default": 1,
   "x-group": "Where workers run"
  },
  "maxUnavailable": {
   "type": "integer",
   "description": "Number of workers that may be unavailable at a time because they are being moved. Default: no limit.",
   "x-group": "Where workers run"
  },
  "restart": {
   "properties": {
    "backoff": {
     "type": "string",
     "description": "Pause after the first failure of a worker. It doubles with each further failure, and starts again after the worker has run for a minute.",
     "default": "500ms",
     "x-group": "When workers fail"
    },
    "maxBackoff": {
     "type": "string",
     "description": "Longest pause after a failure.",
     "default": "1m",
     "x-group": "When workers fail"
    },
    "max": {
     "type": "integer",
     "description": "Number of consecutive failures after which the worker is marked as permanently failed, until its task is changed or it is restarted. If it has to leave its node, it is tried again on another one. Default: never.",
     "x-group": "When workers fail"
    },
    "elsewhere": {
     "type": "integer",
     "description": "Number of consecutive failures after which the worker is tried on another node. It does not return to the first one for ten minutes. Default: never.",
     "x-group": "When workers fail"
    }
   },
   "additionalProperties": false,
   "type": "object"
  },
  "whenDisconnected": {
   "type": "string",
   "enum": [
    "stop",
    "continue"
   ],
   "description": "What workers do while their node is out of contact with the coordination service: `stop`, or `continue`. With `continue`, other nodes may run the same slots meanwhile; `Worker.Valid` reports whether the lease holds.",
   "default": "stop",
   "x-group": "When workers fail"
  },
  "mode": {
   "type": "string",
   "enum": [
    "continuous",
    "once"
   ],
   "description": "`continuous` runs a worker that returns again; `once` marks a worker that returns without an error as done.",
   "default": "continuous",
   "x-group": "When it runs"
  },
  "schedule": {
   "type": "string",
   "description": "When runs begin, in the five fields of cron: minute, hour, day, month, weekday.",
   "x-group": "When it runs"
  },
  "timeZone": {
   "type": "string",
   "description": "Time zone of `schedule`, such as `Europe/Berlin`. Default: UTC.",
   "x-group": "When it runs"
  },
  "every": {
   "type": "string",
   "description": "Interval at which runs begin, at least 1s, instead of `schedule`.",
   "x-group": "When it runs"
  },
  "phase": {
   "type": "string",
   "description": "With `every`: offset of the firings from the full hour, day or week. Default: by the name.",
   "x-group": "When it runs"
  },
  "misfire": {
   "type": "string",
   "enum": [
    "skip",
    "once",
    "all"
   ],
   "description": "What happens to firings that are more than a minute late: `skip` them, run the last one (`once`), or run the last ten (`all`).",
   "default": "skip",
   "x-group": "When it runs"
  },
  "overlap": {
   "type": "string",
   "enum": [
    "skip",
    "queue",
    "allow"
   ],
   "description": "What happens to a firing while an earlier run is under way: `skip` it, let it wait (`queue`), or begin it at once (`allow`).",
   "default": "skip",
   "x-group": "When it runs"
  },
  "maxAttempts": {
   "type": "integer",
   "description": "Number of attempts in a run after which a worker has failed.",
   "default": 3,
   "x-group": "When it runs"
  },
  "timeout": {
   "type": "string",
   "description": "Longest time that one attempt may take. Default: none.",
   "x-group": "When it runs"
  },
  "keepRuns": {
   "type": "integer",
   "description": "Number of finished runs that are kept.",
   "default": 100,
   "x-group": "When it runs"
  }
 },
 "additionalProperties": false,
 "type": "object"
}
