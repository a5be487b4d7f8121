package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// What to do about a node that does not answer depends on why: a node with a certificate that is refused does run.
func TestUnreachableHint(t *testing.T) {
	refused := func(why error) error { return &tls.CertificateVerificationError{Err: why} }
	for want, err := range map[string]error{
		"XCONSUMER_API_CA":        refused(x509.UnknownAuthorityError{}),
		"Renew":                   refused(x509.CertificateInvalidError{Reason: x509.Expired}),
		"as its certificate does": refused(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "h"}),
		"https://":                http.ErrSchemeMismatch,
		"xconsumer run":           errors.New("connection refused"),
	} {
		if got := unreachableHint(err); !strings.Contains(got, want) {
			t.Errorf("%v: %q; want %q", err, got, want)
		}
	}
}

// An error about a name that does not exist suggests the one that was meant, or shows what exists.
func TestHints(t *testing.T) {
	state := &cluster.State{
		Nodes: []cluster.NodeInfo{{Name: "worker-1"}}, Lost: []cluster.NodeInfo{{Name: "backup-1"}},
		Tasks: []cluster.TaskInfo{{Name: "test01", WorkerNum: 3}, {Name: "single", WorkerNum: 1}, {Name: "nightly", WorkerNum: 2, Runs: true}, {Name: "empty"}},
	}
	for _, c := range []struct{ noun, text, want string }{
		{"no such task", `"tset01"`, "Did you mean \"test01\"? `xconsumer tasks` lists the tasks"},
		{"no such task", "zzz; more", "`xconsumer tasks` lists the tasks"},
		{"no such node", `"worker1"`, "Did you mean \"worker-1\"? `xconsumer nodes` lists the nodes"},
		{"no such node", `"bakup-1" is no longer a member`, "Did you mean \"backup-1\"? `xconsumer nodes` lists the nodes"},
		{"no such node", `"n9"`, "`xconsumer nodes` lists the nodes"},
		{"no such worker", "test01#3", "The workers of task test01 are test01#0 to test01#2"},
		{"no such worker", "single#7", "Task single has one worker, single#0"},
		{"no such worker", "empty#0", "Task empty has no workers"},
		{"no such worker", "tset01#0", "Did you mean \"test01\"? `xconsumer tasks` lists the tasks"},
		{"no such worker", "test01#0 does not run", "`xconsumer workers test01` lists its workers"},
		{"no such worker", "test01@nope#0", "Task test01 is continuous and has no runs"},
		{"no such worker", "nightly@nope#0", "`xconsumer runs nightly` lists the runs of the task"},
	} {
		if got := hintFor(state, c.noun, nameIn(c.text)); got != c.want {
			t.Errorf("%s: %s: %q; want %q", c.noun, c.text, got, c.want)
		}
	}
}
