// English.
const n = (/** @type {number} */ count, /** @type {string} */ one, many = one + "s") => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

export const en = {
	overview: "Overview", tasks: "Tasks", nodes: "Nodes", workers: "Workers", runs: "Runs", timeline: "Timeline", plan: "Plan", settings: "Settings",
	language: "Language", menu: "Pages", skip: "Skip to the content",

	running: (/** @type {number} */ a, /** @type {number} */ b) => `${a.toLocaleString("en")} of ${n(b, "worker")} running`,
	waiting: (/** @type {number} */ count, /** @type {string} */ task, /** @type {string} */ code, /** @type {string} */ why) => {
		const label = code === "no-label" ? /label (.+?), /.exec(why)?.[1] : undefined;
		return `${count.toLocaleString("en")} of ${task} ${count === 1 ? "waits" : "wait"}${label ? ` for a node with ${label}` : `: ${why}`}`;
	},
	noLeader: "nobody leads at the moment: nothing is dealt out until somebody does",
	joint: "; ",
	unusable: (/** @type {number} */ count) => `${n(count, "record")} of the store cannot be used`,
	leads: "leads", load: (/** @type {number} */ x) => `load ${x}`, loadOf: (/** @type {number} */ x, /** @type {number} */ of) => `load ${x} of ${of}`, slots: (/** @type {number} */ x) => n(x, "slot"),

	disconnected: "The connection to the node is lost; trying again. What you see is how it was.", notReady: "This node is not at work: ", loading: "Asking the node…", stateRefused: "The node cannot tell: ",
	noNodes: "No node is a member yet. Start one with: xconsumer run", noTasks: "Nothing is declared yet. Put a [[task]] into app.toml, or create one here.", noRuns: "No run yet.", noWorkers: "It has no workers.",
	noSuchPage: "There is no such page.", noSuchTask: (/** @type {string} */ t) => `There is no task ${t} (any more).`, noSuchNode: (/** @type {string} */ x) => `${x} is no member (any more).`, noSuchWorker: (/** @type {string} */ x) => `There is no worker ${x} (any more).`,

	filter: "Filter", pages: "Pages of the list", before: "back", after: "on", page: (/** @type {number} */ a, /** @type {number} */ b) => `${a} of ${b}`,
	shown: (/** @type {number} */ a, /** @type {number} */ b) => `${a.toLocaleString("en")} of ${b.toLocaleString("en")}`, count: (/** @type {number} */ x) => x.toLocaleString("en"), nothingFound: "Nothing matches.", more: (/** @type {number} */ x) => `and ${x.toLocaleString("en")} more`,
	groupBy: "group by", noGroups: "nothing", without: (/** @type {string} */ l) => `without ${l}`, nowhere: "on no node", gone: "gone",
	heatMap: (/** @type {number} */ a, /** @type {number} */ b) => `${n(a, "node")} with ${n(b, "slot")}; arrow keys go from node to node, Enter opens one`, heatHint: "A block is a node, a dot is a slot.", asList: "As a list",
	wouldGo: (/** @type {string} */ to) => (to ? `would go to ${to}` : "would have no place"), wouldCome: (/** @type {string} */ slot, /** @type {string} */ from) => `${slot} would come${from ? ` from ${from}` : ""}`,

	task: "Task", node: "Node", worker: "Worker", work: "Work", wanted: "Wanted", runningNow: "Running", reason: "Why not all", state_: "State", place: "Place", token: "Token", since: "Since", restarts: "Restarts", error: "Last error",
	labels: "Labels", works: "Works", capacity: "Load", address: "Address", lease: "Lease", leaseLeft: (/** @type {string} */ left, /** @type {string} */ of) => `${left} left of ${of}`, leaseOver: "over: its workers are stopped", leaseUnknown: "not known: ", zone: "Zone", process: "Process",
	overridden: "overridden", overriddenHint: (/** @type {string} */ what) => `An operator set ${what} over what is declared; Reset takes it back.`, paused: "paused", declared: "Declared", because: "Why", actions: "Actions", next: "Next run", params: "Params",
	scale: "Scale", pause: "Pause", resume: "Resume", reset: "Reset", restart: "Restart", runNow: "Run now", edit: "Edit", create: "New task", remove: "Delete", preview: "Preview", save: "Save", workerCount: "Number of workers",
	cordon: "Cordon", uncordon: "Uncordon", drain: "Drain", evict: "Evict", cordoned: "cordoned", drained: "drained", quarantined: "quarantined", draining: (/** @type {number} */ left, /** @type {number} */ from) => `draining: ${left} of ${from} left`,
	whatIf: "What if it dies?", moveTo: "Move to", move: "Move", addLabel: "Set label", stepDown: "Step down", moveNow: "Move now",

	cancel: "Cancel", close: "Close", asked: "Asked…", refused: "Refused", unknownOutcome: "The outcome is not known", doneAfter: (/** @type {number} */ s) => `done after ${s < 1 ? `${Math.round(s * 1000)} ms` : `${s.toFixed(1)} s`}`, notYet: (/** @type {string} */ why) => `taken, and not done yet${why ? `: ${why}` : ""}`,
	surePause: (/** @type {string} */ t) => `Pause ${t}?`, sureDelete: (/** @type {string} */ t) => `Delete ${t}?`, sureDrain: (/** @type {string} */ x) => `Drain ${x}?`, sureEvict: (/** @type {string} */ x) => `Evict ${x}?`, sureRestart: (/** @type {string} */ x) => `Restart ${x}?`, sureScale: (/** @type {string} */ t, /** @type {number} */ k) => `Scale ${t} to ${k}?`, sureApply: "Make this change?", sureStepDown: (/** @type {string} */ x) => `Let ${x} step down?`,
	stops: (/** @type {number} */ k) => `${n(k, "running worker")} will stop`, moves: (/** @type {number} */ k) => `${n(k, "worker")} will move to other nodes, as fast as their budgets allow`, restartsAll: (/** @type {number} */ k) => `${n(k, "worker")} will be stopped and started anew, as many at a time as their budgets allow`,
	stays: "It gets nothing new until it is uncordoned.", forgets: "What is known of its runs is deleted, too.", evicts: "They start elsewhere once its lease is over for certain; the node joins again as a new member. To empty a node that works, drain it.", othersLead: "Another node will lead; workers stay where they are.",

	why: "Why here", whyNot: "Where else it could be", how: "How it came there", placeable: "Fits", taskWorkers: "Has of it", log: "Log", follow: "Follow", following: "following", stack: "Stack", stackHint: "What the worker is doing, line by line of its code; of a program, its processes.", logEmpty: "It has written nothing yet.", logFails: "The log cannot be read at the moment; trying again: ", logNowhere: (/** @type {string} */ state) => ({ done: "It has run to its end.", failed: "It has failed too often, and is not tried again by itself." })[state] ?? "It runs on no node at the moment.", logNothing: (/** @type {string} */ node) => `${node} had it last, and keeps nothing of its log.`, logUnread: (/** @type {string} */ x, /** @type {string} */ node, /** @type {string} */ why) => `the last lines of worker ${x} on ${node} cannot be read: ${why}`, noAnswer: "the node does not answer", logContinues: (/** @type {string} */ x, /** @type {string} */ node) => `worker ${x} continues on ${node}`,
	run: "Run", due: "Due", began: "Began", took: "Took", done: "Done", failed: "Failed", by: "By", durations: "How long the runs took", goesOn: "goes on", runOf: (/** @type {string} */ id, /** @type {string} */ state, /** @type {string} */ took) => `${id}: ${state}, ${took}`,
	chartOf: "Workers running since this page was opened", sparkRunning: "Running", sparkMoves: "Moves a second", sparkRestarts: "Restarts a second", sparkFailover: "Last failover", noFailover: "none yet", since_: "since this page was opened",

	when: "When", what: "What", where: "Where", detail: "Detail", kind: "Kind", decision: "decision", event: "event", operation: "wish", nothing: "Nothing is known to have happened yet.", replay: "Replay", replayAt: (/** @type {number} */ d, /** @type {string} */ at) => `As it was after decision ${d}, ${at}`, replayNow: "As it is now", incomplete: "not all of it is known", play: "Play", stop: "Stop", toPresent: "Back to now", replayHint: "Decision",
	planHint: "Say what would change, and see what would move. Nothing is done until you apply it.", change: "Change", add: "Add", value: "Value", apply: "Apply", planAgain: "Plan again", cannotApply: "This can only be asked about.",
	planMoves: (/** @type {number} */ k) => n(k, "move"), planStarts: (/** @type {number} */ k) => n(k, "start"), planStops: (/** @type {number} */ k) => n(k, "stop"), planRestarts: (/** @type {number} */ k, /** @type {string} */ t, /** @type {string} */ gap) => `All workers of ${t} restart, since they are told their number: ${k} stop, and the new ones start at most ${gap} later.`, planReverts: (/** @type {string} */ t, /** @type {string} */ code) => (code === "deleted" ? `${t} was deleted, and this declares it again.` : code === "replaced" ? `This declaration of ${t} was in force before, and another one has taken its place since.` : `This declaration of ${t} seems to have been in force before, too long ago to be certain.`), planUnplaced: (/** @type {number} */ k, /** @type {string} */ t, /** @type {string} */ why) => `${k} of ${t} would have no place: ${why}`, skew: (/** @type {string} */ a, /** @type {string} */ b) => `skew ${a} → ${b}`, skewHint: "How uneven the load of the nodes is: the fullest above the mean.", nodeLoad: (/** @type {string} */ a, /** @type {string} */ b, /** @type {string} */ c) => `load of a node ${a} to ${b}, mean ${c}`, noEffect: "Nothing would move.", from: "From", to: "To",
	kinds: /** @type {Record<string, string>} */ ({ scale: "scale a task", pause: "pause a task", resume: "resume a task", delete: "delete a task", cordon: "cordon a node", uncordon: "uncordon a node", drain: "drain a node", lose: "lose a node", declare: "declare a task" }),

	form: {
		name: "Name", workName: "Work", workerNum: "Workers", resize: "When their number changes", stopTimeout: "Time to stop", interval: "Pause between executions", params: "Params (JSON)", require: "Only on nodes with", prefer: "Rather on nodes with", spread: "Spread over label", maxPerNode: "Most per node", weight: "Weight of a worker", maxUnavailable: "Most out of work at a time",
		paused: "Paused", whenDisconnected: "When the node loses contact", mode: "Mode", schedule: "Schedule (cron)", timeZone: "Time zone", every: "Every", phase: "Phase", misfire: "Missed firings", overlap: "While a run goes on", maxAttempts: "Attempts", timeout: "Time limit of an execution", keepRuns: "Runs kept",
		"restart.backoff": "Pause after a failure", "restart.maxBackoff": "Longest pause", "restart.max": "Failed after so many failures", "restart.elsewhere": "Tried elsewhere after",
	},
	groups: { what: "What runs", where: "Where", failing: "When it fails", when: "When it runs" }, usual: "usual", notNumber: "A number is wanted.", notJSON: "This is no JSON object.", unsaved: "There are changes that are not saved.",

	login: "Log in", logout: "Log out", loginHint: "This node wants a token. Its administrator makes one with: xconsumer token NAME", noToken: "Nobody needs a token here.", youAre: (/** @type {string} */ who, /** @type {string} */ role) => `${who} (${role})`, badToken: "This token is none of the node's.",
	theme: "Colours", themes: /** @type {Record<string, string>} */ ({ system: "as the system", light: "light", dark: "dark" }), about: "This node", version: "Version", configuration: "Configuration", leader: "Leader", term: "Term", you: "You",
	viewOnly: "Your token may look, and change nothing.",

	state: (/** @type {string} */ s) => s, nodeState: (/** @type {string} */ s) => s, eventKind: (/** @type {string} */ s) => s.replaceAll("-", " "), step: (/** @type {string} */ s) => s, reasonOf: (/** @type {string | undefined} */ _, /** @type {string} */ why) => why,
};
