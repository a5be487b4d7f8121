package spelling

import "testing"

func TestNearest(t *testing.T) {
	commands := []string{"status", "stack", "scale", "tasks", "nodes", "logs", "step-down", "restart", "reset", "report", "move", "move-now"}
	keys := []string{"workerNum", "workName", "maxInFlight", "leaveDelay", "freezeAbove", "freezeFor", "backoff", "maxBackoff", "max"}
	kinds := []string{"node-joined", "node-left", "worker-started", "worker-failed", "worker-stopped", "worker-stuck", "slot-given-up", "run-ended", "run-started"}
	for _, c := range []struct {
		word  string
		known []string
		want  string
	}{
		{"stat", commands, "status"}, {"stats", commands, "status"}, {"stepdown", commands, "step-down"}, {"task", commands, "tasks"}, {"lgos", commands, "logs"},
		{"movenow", commands, "move-now"}, {"step", commands, "step-down"}, {"rest", commands, "reset"}, {"sta", commands, "stack"}, {"nonsense", commands, ""}, {"x", commands, ""}, {"", commands, ""},
		{"worknum", keys, "workerNum"}, {"workname", keys, "workName"}, {"workNmae", keys, "workName"}, {"maxFlight", keys, "maxInFlight"}, {"bakoff", keys, "backoff"},
		{"maxbakoff", keys, "maxBackoff"}, {"freeze", keys, "freezeFor"}, {"zzz", keys, ""},
		{"nope", commands, ""}, {"lock", commands, ""}, {"lbl", []string{"label"}, "label"}, {"stauts", commands, "status"}, {"ls", commands, ""},
		{"yes", []string{"key", "ca", "cert", "server"}, ""}, {"get", []string{"dev", "run", "diff"}, ""}, {"info", []string{"init", "dev"}, ""}, {"int", []string{"init"}, "init"},
		{"nodse", commands, "nodes"}, {"tsaks", commands, "tasks"}, {"rpoert", commands, "report"},
		// Two neighbours are exchanged in the beginning of a word.
		{"worker-fial", kinds, "worker-failed"}, {"worekr-fail", kinds, "worker-failed"}, {"worker-stcu", kinds, "worker-stuck"}, {"nod-eleft", kinds, "node-left"},
		{"run-edn", kinds, "run-ended"}, {"slto-given", kinds, "slot-given-up"}, {"wroker-failed", kinds, "worker-failed"}, {"tsak", commands, "tasks"},
		{"worker-lost", kinds, ""}, {"worker-life", kinds, ""}, {"worekr-fial", kinds, ""}, {"run-den", kinds, ""}, {"olgs", commands, "logs"}, {"tes", commands, ""},
		{"nodejs", commands, "nodes"}, {"trsate", commands, ""}, {"vmoe", []string{"move-now"}, ""},
	} {
		if got := Nearest(c.word, c.known); got != c.want {
			t.Errorf("%q: %q; want %q", c.word, got, c.want)
		}
	}
}
