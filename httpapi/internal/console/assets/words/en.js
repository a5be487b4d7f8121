// English.
const n = (/** @type {number} */ count, /** @type {string} */ one, many = one + "s") => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

export const en = {
	overview: "Overview", tasks: "Tasks", nodes: "Nodes", workers: "Workers", runs: "Runs", timeline: "Timeline", plan: "Plan", settings: "Settings",
	language: "Language", menu: "Pages", skip: "Skip to the content",

	running: (/** @type {number} */ a, /** @type {number} */ b) => `${a.toLocaleString("en")} of ${n(b, "worker")} running`,
	waiting: (/** @type {number} */ count, /** @type {string} */ task, /** @type {string} */ code, /** @type {string} */ why) => {
		const label = code === "no-label" ? /label (.+)$/.exec(why)?.[1] : undefined;
		return `${count.toLocaleString("en")} of ${task} ${count === 1 ? "is" : "are"} waiting${label ? ` for a node with ${label}` : `: ${why}`}`;
	},
	delayed: (/** @type {number} */ count, /** @type {string} */ why) => `${n(count, "worker")} ${count === 1 ? "waits" : "wait"}: ${why}`,
	deferred: (/** @type {string} */ until, /** @type {string} */ code, /** @type {string} */ why) => `balance waits until ${until} at least: ${why}`,
	noLeader: "no leader at the moment: no work is assigned until one is elected",
	joint: "; ",
	unusable: (/** @type {number} */ count) => `${n(count, "record")} in the store cannot be used`,
	leads: "leader", load: (/** @type {number} */ x) => `load ${x}`, loadOf: (/** @type {number} */ x, /** @type {number} */ of) => `load ${x} of ${of}`, slots: (/** @type {number} */ x) => n(x, "slot"),

	disconnected: "Connection to the node lost; retrying. The page shows the last known state.", notReady: "This node is not ready: ", loading: "Loading…", stateRefused: "The node cannot show the cluster: ",
	noNodes: "No nodes yet. Start one with: xconsumer run", noTasks: "No tasks yet. Add a [[task]] to app.toml, or create one here.", noRuns: "No runs yet.", noWorkers: "No workers.",
	noSuchPage: "This page does not exist.", noSuchTask: (/** @type {string} */ t) => `Task ${t} does not exist, or was deleted.`, noSuchNode: (/** @type {string} */ x) => `Node ${x} does not exist, or has left.`, noSuchWorker: (/** @type {string} */ x) => `Worker ${x} does not exist, or is gone.`,

	filter: "Filter", pages: "Pages of the list", before: "Previous", after: "Next", page: (/** @type {number} */ a, /** @type {number} */ b) => `Page ${a} of ${b}`,
	shown: (/** @type {number} */ a, /** @type {number} */ b) => `${a.toLocaleString("en")} of ${b.toLocaleString("en")}`, count: (/** @type {number} */ x) => x.toLocaleString("en"), nothingFound: "Nothing matches.", more: (/** @type {number} */ x) => `and ${x.toLocaleString("en")} more`,
	groupBy: "Group by", noGroups: "none", without: (/** @type {string} */ l) => `without ${l}`, nowhere: "on no node", gone: "gone",
	heatMap: (/** @type {number} */ a, /** @type {number} */ b) => `${n(a, "node")} with ${n(b, "slot")}; arrow keys move between nodes, Enter opens one`, heatHint: "Each block is a node, each dot a slot.", asList: "Show as list",
	wouldGo: (/** @type {string} */ to) => (to ? `would move to ${to}` : "would have no place"), wouldCome: (/** @type {string} */ slot, /** @type {string} */ from) => `${slot} would arrive${from ? ` from ${from}` : ""}`,

	task: "Task", node: "Node", worker: "Worker", work: "Work", wanted: "Desired", runningNow: "Running", reason: "Why not all run", state_: "State", place: "Place", token: "Token", since: "Since", restarts: "Restarts", error: "Last error",
	labels: "Labels", works: "Works", capacity: "Load", address: "Address", lease: "Lease", leaseLeft: (/** @type {string} */ left, /** @type {string} */ of) => `${left} left of ${of}`, leaseOver: "expired: its workers are stopped", leaseUnknown: "unknown: ", zone: "Zone", process: "Process",
	overridden: "overridden", overriddenHint: (/** @type {string} */ what) => `An operator set ${what}, which overrides the declaration. Reset removes it.`, paused: "paused", declared: "Declared", because: "Why", actions: "Actions", next: "Next run", params: "Params",
	scale: "Scale", pause: "Pause", resume: "Resume", reset: "Reset", restart: "Restart", runNow: "Run now", edit: "Edit", create: "New task", remove: "Delete", preview: "Preview", save: "Save", workerCount: "Number of workers",
	cordon: "Cordon", uncordon: "Uncordon", drain: "Drain", evict: "Evict", cordoned: "cordoned", drained: "drained", quarantined: "quarantined", draining: (/** @type {number} */ left, /** @type {number} */ from) => `draining: ${left} of ${from} left`,
	whatIf: "What if it fails?", moveTo: "Move to", move: "Move", addLabel: "Set label", stepDown: "Step down", moveNow: "Move now",

	cancel: "Cancel", close: "Close", asked: "Sent…", refused: "Refused", unknownOutcome: "Outcome unknown", doneAfter: (/** @type {number} */ s) => `done after ${s < 1 ? `${Math.round(s * 1000)} ms` : `${s.toFixed(1)} s`}`, notYet: (/** @type {string} */ why) => `accepted, not in effect yet${why ? `: ${why}` : ""}`,
	surePause: (/** @type {string} */ t) => `Pause ${t}?`, sureDelete: (/** @type {string} */ t) => `Delete ${t}?`, sureDrain: (/** @type {string} */ x) => `Drain ${x}?`, sureEvict: (/** @type {string} */ x) => `Evict ${x}?`, sureRestart: (/** @type {string} */ x) => `Restart ${x}?`, sureScale: (/** @type {string} */ t, /** @type {number} */ k) => `Scale ${t} to ${k}?`, sureApply: "Apply this change?", sureStepDown: (/** @type {string} */ x) => `Make ${x} step down?`,
	stops: (/** @type {number} */ k) => `${n(k, "running worker")} will stop`, moves: (/** @type {number} */ k) => `${n(k, "worker")} will move to other nodes, as fast as the limits allow`, restartsAll: (/** @type {number} */ k) => `${n(k, "worker")} will restart, as many at a time as the limits allow`,
	stays: "It gets no new workers until it is uncordoned.", forgets: "The history of its runs is deleted, too.", evicts: "They start elsewhere once the lease has certainly expired; the node joins again as a new member. To empty a healthy node, drain it.", othersLead: "Another node becomes the leader; workers stay where they are.",

	why: "Why here", whyNot: "Other nodes", how: "History", placeable: "Fits", taskWorkers: "Workers of the task", log: "Log", follow: "Follow", following: "following", stack: "Stack", stackHint: "The stack of the worker's goroutines; for a program, its processes.", logEmpty: "Nothing written yet.", logFails: "Cannot read the log; retrying: ", logNowhere: (/** @type {string} */ state) => ({ done: "The worker is done.", failed: "The worker failed too often and is not retried automatically." })[state] ?? "The worker is on no node at the moment.", logNothing: (/** @type {string} */ node) => `${node} had it last, but kept nothing of its log.`, logUnread: (/** @type {string} */ x, /** @type {string} */ node, /** @type {string} */ why) => `cannot read the last lines of worker ${x} on ${node}: ${why}`, noAnswer: "the node does not answer", logContinues: (/** @type {string} */ x, /** @type {string} */ node) => `worker ${x} continues on ${node}`,
	run: "Run", due: "Due", began: "Started", took: "Took", done: "Done", failed: "Failed", by: "By", durations: "Run durations", goesOn: "running", runOf: (/** @type {string} */ id, /** @type {string} */ state, /** @type {string} */ took) => `${id}: ${state}, ${took}`,
	chartOf: "Running workers since this page was opened", sparkRunning: "Running", sparkMoves: "Moves per second", sparkRestarts: "Restarts per second", sparkFailover: "Last failover", noFailover: "none yet", since_: "since this page was opened",

	when: "When", what: "What", where: "Where", detail: "Detail", kind: "Kind", decision: "decision", event: "event", operation: "operation", nothing: "Nothing has happened yet, as far as is known.", replay: "Replay", replayAt: (/** @type {number} */ d, /** @type {string} */ at) => `After decision ${d}, ${at}`, replayNow: "Present state", incomplete: "incomplete", play: "Play", stop: "Stop", toPresent: "Back to the present", replayHint: "Decision",
	planHint: "Add changes to see what would move. Nothing happens until you apply them.", change: "Change", add: "Add", value: "Value", apply: "Apply", planAgain: "Plan again", cannotApply: "This can only be planned, not applied.",
	planMoves: (/** @type {number} */ k) => n(k, "move"), planStarts: (/** @type {number} */ k) => n(k, "start"), planStops: (/** @type {number} */ k) => n(k, "stop"), planRestarts: (/** @type {number} */ k, /** @type {string} */ t, /** @type {string} */ gap) => `All workers of ${t} restart, since each knows their number: ${k} stop, and the new ones start within ${gap}.`, planReverts: (/** @type {string} */ t, /** @type {string} */ code) => (code === "deleted" ? `${t} was deleted, and this declares it again.` : code === "replaced" ? `This declaration of ${t} was in force before and has been replaced since.` : `This declaration of ${t} may have been in force before, too long ago to be certain.`), planUnplaced: (/** @type {number} */ k, /** @type {string} */ t, /** @type {string} */ why) => `${k} of ${t} would have no place: ${why}`, skew: (/** @type {string} */ a, /** @type {string} */ b) => `skew ${a} → ${b}`, skewHint: "How uneven the load is: the load of the fullest node relative to the mean.", nodeLoad: (/** @type {string} */ a, /** @type {string} */ b, /** @type {string} */ c) => `load per node ${a} to ${b}, mean ${c}`, noEffect: "Nothing would move.", from: "From", to: "To",
	kinds: /** @type {Record<string, string>} */ ({ scale: "scale a task", pause: "pause a task", resume: "resume a task", delete: "delete a task", cordon: "cordon a node", uncordon: "uncordon a node", drain: "drain a node", lose: "lose a node", declare: "declare a task" }),

	// Of the fields of a task: their names, what is said of them, and the headings of their groups. What is left out here, the form
	// takes from the schema.
	form: /** @type {Record<string, string>} */ ({ params: "Params (JSON)" }), help: /** @type {Record<string, string>} */ ({}), groups: /** @type {Record<string, string>} */ ({}),
	usual: (/** @type {string} */ x) => (x ? `${x} (default)` : "default"), notNumber: "Enter a number.", notJSON: "Not a JSON object.", unsaved: "Unsaved changes.",

	login: "Log in", logout: "Log out", loginHint: "This node requires a token. Its administrator creates one with: xconsumer token NAME", noToken: "No token is required.", youAre: (/** @type {string} */ who, /** @type {string} */ role) => `${who} (${role})`, badToken: "Invalid token.",
	theme: "Theme", themes: /** @type {Record<string, string>} */ ({ system: "system", light: "light", dark: "dark" }), about: "This node", version: "Version", configuration: "Configuration", leader: "Leader", term: "Term", you: "You",
	viewOnly: "Your token is read-only.",

	state: (/** @type {string} */ s) => s, nodeState: (/** @type {string} */ s) => s, eventKind: (/** @type {string} */ s) => s.replaceAll("-", " "), step: (/** @type {string} */ s) => s, reasonOf: (/** @type {string | undefined} */ _, /** @type {string} */ why) => why,
};
