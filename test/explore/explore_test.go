package explore_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// state is a world that can be walked through.
type state interface {
	key() string   // the same for equal worlds
	wrong() string // what is wrong with it, "" for nothing
	stuck() string // what is wrong if nothing can happen any longer
}

// step is something that may happen, and the world after it.
type step[W state] struct {
	name string
	next W
}

// walk visits the worlds that can be reached, nearest first, until something is wrong, there are no
// more, or it has seen enough. It returns how many it saw, whether those were all, and the story of
// what went wrong.
func walk[W state](first W, steps func(W) []step[W], enough int) (seen int, all bool, story []string) {
	type origin struct {
		from [16]byte
		step string
	}
	hash := func(w W) (k [16]byte) {
		sum := sha256.Sum256([]byte(w.key()))
		copy(k[:], sum[:])
		return k
	}
	path := func(last string, k [16]byte, origins map[[16]byte]origin) []string {
		story := []string{last}
		for k != ([16]byte{}) {
			o := origins[k]
			story = append(story, o.step)
			k = o.from
		}
		slices.Reverse(story)
		return story
	}
	start := hash(first)
	origins := map[[16]byte]origin{start: {step: "it begins"}}
	queue := []W{first}
	keys := [][16]byte{start}
	for len(queue) > 0 {
		w, k := queue[0], keys[0]
		queue, keys = queue[1:], keys[1:]
		list := steps(w)
		if wrong := w.stuck(); len(list) == 0 && wrong != "" {
			return len(origins), false, path("→ "+wrong, k, origins)
		}
		for _, s := range list {
			next := hash(s.next)
			if _, known := origins[next]; known {
				continue
			}
			origins[next] = origin{k, s.name}
			if wrong := s.next.wrong(); wrong != "" {
				return len(origins), false, path("→ "+wrong, next, origins)
			}
			if len(origins) >= enough {
				return len(origins), false, nil
			}
			queue, keys = append(queue, s.next), append(keys, next)
		}
	}
	return len(origins), true, nil
}

// enough is how many worlds are visited in one walk: some in `make test`, EXPLORE for more.
func enough(t *testing.T, usual int) int {
	t.Helper()
	if text := os.Getenv("EXPLORE"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return usual
}

// No order of events breaks a promise.
func TestEveryOrder(t *testing.T) {
	for _, c := range []struct {
		name           string
		budget         budget
		maxAssignments int
	}{
		{"a node joins", budget{join: 1}, 90},
		{"a node joins while commits are lost", budget{join: 1, lost: 1}, 90},
		{"a leader is replaced", budget{join: 1, depose: 1}, 90},
		{"a node crashes", budget{join: 1, crash: 1}, 90},
		{"a node crashes while a leader is replaced, in chunks", budget{join: 1, crash: 1, depose: 1}, 1},
		{"a lease lapses", budget{join: 1, fence: 1}, 90},
		{"the task is resized", budget{join: 1, resize: 2}, 90},
		{"the task is resized while a leader is replaced, in chunks", budget{join: 1, resize: 1, depose: 1}, 1},
		{"the task is resized while a node crashes", budget{join: 1, resize: 1, crash: 1}, 90},
		{"the task is resized while commits are lost and a lease lapses", budget{resize: 2, lost: 1, fence: 1}, 90},
		{"two nodes join and two crash", budget{join: 2, crash: 2}, 90},
		{"two nodes join and one crashes while a leader is replaced", budget{join: 2, crash: 1, depose: 1}, 90},
		{"two nodes join and one crashes while the task is resized", budget{join: 2, crash: 1, resize: 1}, 90},
		{"a node is restarted", budget{join: 1, restart: 1}, 90},
		{"both nodes are restarted while commits are lost", budget{join: 1, restart: 2, lost: 1}, 90},
		{"a node is restarted while a leader is replaced, in chunks", budget{restart: 1, depose: 1, lost: 1}, 1},
		{"a node is restarted while the task is resized", budget{join: 1, restart: 1, resize: 1}, 90},
		{"everything once", budget{join: 1, lost: 1, crash: 1, depose: 1, fence: 1}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seen, all, story := walk(newWorld(c.budget, 2), stepsOf(noHole, c.maxAssignments), enough(t, 30_000))
			if story != nil {
				t.Errorf("after %d worlds:\n%s", seen, strings.Join(story, "\n"))
			}
			t.Logf("%d worlds, all of them: %v", seen, all)
		})
	}
}

// Without its guards the protocol breaks, and the walk finds how.
func TestHolesAreFound(t *testing.T) {
	for _, c := range []struct {
		hole    hole
		budget  budget
		workers int
		want    string
	}{
		{noEpochCheck, budget{join: 1, depose: 1}, 1, "is listed by a and b"},
		{noFence, budget{join: 1, fence: 1}, 1, "runs on a and b"},
		{noRelease, budget{join: 1}, 2, "is listed by a and b"},
		{earlyClose, budget{join: 1}, 1, "runs on a and b"},
		{noBarrier, budget{resize: 1}, 1, "workers have the counts 1 and 2"},
	} {
		t.Run(fmt.Sprint(c.hole), func(t *testing.T) {
			t.Parallel()
			seen, _, story := walk(newWorld(c.budget, c.workers), stepsOf(c.hole, 90), enough(t, 300_000))
			if story == nil || !strings.HasSuffix(story[len(story)-1], c.want) {
				t.Fatalf("%d worlds, and %q is not in them: %v", seen, c.want, story)
			}
			t.Logf("found after %d worlds:\n%s", seen, strings.Join(story, "\n"))
		})
	}
}

// A claim that does not check its assignment is harmless as long as everything else holds: a release
// ends only by a status that has applied it, and a status is written at its version.
func TestTheCheckOfAClaimIsASecondGuard(t *testing.T) {
	t.Parallel()
	seen, all, story := walk(newWorld(budget{join: 1, lost: 1}, 2), stepsOf(noDocCheck, 90), enough(t, 300_000))
	if story != nil || !all {
		t.Errorf("%d worlds, all of them: %v\n%s", seen, all, strings.Join(story, "\n"))
	}
}
