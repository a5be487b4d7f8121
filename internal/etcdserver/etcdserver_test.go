package etcdserver_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer/internal/etcdserver"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

func TestServerKeepsItsDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	s, err := etcdserver.Start(t.Context(), etcdserver.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(s.URL() + "/version")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if !strings.Contains(string(body), "etcdserver") {
		t.Errorf("%s", body)
	}
	if _, err := etcdserver.Start(t.Context(), etcdserver.Config{Dir: dir}); !errors.Is(err, etcdserver.ErrDir) || !strings.Contains(err.Error(), "another process uses it") {
		t.Errorf("a second server on one directory: %v", err)
	}
	s.Close()
	again, err := etcdserver.Start(t.Context(), etcdserver.Config{Dir: dir})
	if err != nil {
		t.Fatalf("after it was closed: %v", err)
	}
	again.Close()
	again.Close() // harmless
}

func TestDirectoriesThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"newer etcd":        {map[string]string{"xconsumer.json": `{"v":1,"etcd":"99.1.0"}`}, "written by a newer version (etcd 99.1.0"},
		"newer format":      {map[string]string{"xconsumer.json": `{"v":2,"etcd":"3.7.0"}`}, "written by a newer version"},
		"damaged stamp":     {map[string]string{"xconsumer.json": `{`}, "xconsumer.json cannot be read"},
		"another program's": {map[string]string{"notes.txt": "x"}, "it holds notes.txt"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range c.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := etcdserver.Start(t.Context(), etcdserver.Config{Dir: dir})
			if !errors.Is(err, etcdserver.ErrDir) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v; want %q", err, c.want)
			}
			for file, content := range c.files { // nothing is lost
				if now, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(now) != content {
					t.Errorf("%s: %q, %v", file, now, err)
				}
			}
		})
	}
	t.Run("not a directory", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := etcdserver.Start(t.Context(), etcdserver.Config{Dir: file}); !errors.Is(err, etcdserver.ErrDir) {
			t.Error(err)
		}
		if _, err := etcdserver.Start(t.Context(), etcdserver.Config{Dir: "/proc/no/such"}); !errors.Is(err, etcdserver.ErrDir) {
			t.Error(err)
		}
	})
}

func TestAddressIsTaken(t *testing.T) {
	s, err := etcdserver.Start(t.Context(), etcdserver.Config{Dir: t.TempDir(), Forget: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = etcdserver.Start(t.Context(), etcdserver.Config{Dir: t.TempDir(), Forget: true, Client: s.URL()})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("%v", err)
	}
}

func TestStartIsGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := etcdserver.Start(ctx, etcdserver.Config{Dir: t.TempDir(), Forget: true}); err == nil {
		s.Close() // it was quick
	} else if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
