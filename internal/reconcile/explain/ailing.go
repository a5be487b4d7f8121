package explain

import (
	"fmt"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/plural"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/failures"
)

// Observe adds to an explanation what the worker's node reports about it.
func Observe(e *cluster.Explanation, w cluster.WorkerInfo) {
	e.Worker = w
	e.Here = Ailing(&w, e.Here)
	if w.State != cluster.WorkerGivenUp || w.Node == "" {
		return
	}
	for i := range e.Nodes {
		if n := &e.Nodes[i]; n.Placeable && !n.Here {
			n.Why = "it could run there, but balance does not move a slot that has failed permanently"
		}
	}
}

// Ailing describes the problem of a worker that has a place and fails there, or that has no place because it took down nodes: what
// happened, and what comes next. For a worker that runs and has failed before, it adds that to here, which is why the worker is
// where it is. For all others it returns here.
func Ailing(w *cluster.WorkerInfo, here string) string {
	fails, last := plural.Of(w.Restarts, "failure"), strings.ReplaceAll(w.Error, "\n", " ") // an error in a sentence is one line
	switch {
	case w.State == cluster.WorkerWithheld:
		return fmt.Sprintf("it is withheld, since it %s, one after the other; it is tried again by itself after %v, "+
			"and at once if its task is changed or by `xconsumer restart %s`", w.Error, failures.WithholdFor, w.Slot())
	case w.State == cluster.WorkerGivenUp && w.Node == "":
		return fmt.Sprintf("it has failed permanently: it %s, one after the other; "+
			"`xconsumer restart %s` tries it again, as does a change of its task", w.Error, w.Slot())
	case w.State == cluster.WorkerGivenUp:
		return fmt.Sprintf("it has failed permanently on %s after %s, the last: %s; "+
			"`xconsumer restart %s` tries it again, as does a change of its task; balance does not move it, "+
			"but if it has to leave %[1]s, which is drained, leaves or is lost, it is tried again elsewhere",
			w.Node, fails, last, w.Slot())
	case w.State == cluster.WorkerRunning && w.Error == cluster.ReturnsAtOnce:
		return fmt.Sprintf("it %s, on %s, where it is run again after a pause that grows up to 10s; "+
			"it should run until it is asked to stop, or its task should have an `interval`", w.Error, w.Node)
	case w.State == cluster.WorkerBackoff:
		return fmt.Sprintf("it fails on %s, where it is run again after a pause that grows: %s, the last: %s", w.Node, fails, last)
	case w.State == cluster.WorkerRunning && w.Restarts > 0 && w.Error != "":
		return fmt.Sprintf("%s; it runs after %s there, the last: %s", here, fails, last)
	}
	return here
}
