package devcluster

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/node"
)

// Nodes whose ports would be above the last one are refused with what they need.
func TestDevPortsEnd(t *testing.T) {
	d := &dev{Config: Config{Settings: config.Settings{Listen: "127.0.0.1:65534"}, Nodes: 3}}
	addrs, err := d.addresses(t.Context())
	if !errors.Is(err, node.ErrUnavailable) || !strings.Contains(err.Error(), "3 nodes take a free port each from 127.0.0.1:65534 on, and the last port is 65535") {
		t.Errorf("%v, %v", addrs, err)
	}
}

// Where the default address is taken commands would ask whoever has it: dev says so, and what to do.
func TestDevMoves(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	taken := l.Addr().String()
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			_ = c.Close()
		}
	}()
	defer func() { _ = l.Close() }()
	d := &dev{Config: Config{Settings: config.Settings{Listen: taken}, Nodes: 1}}
	d.addrs, err = d.addresses(t.Context())
	if err != nil || d.addrs[0] == taken {
		t.Fatalf("%v, %v", d.addrs, err)
	}
	var log bytes.Buffer
	d.logMoved(t.Context(), slog.New(slog.NewTextHandler(&log, nil)))
	for _, want := range []string{"address=" + taken, "another program", "export XCONSUMER_SERVER=http://" + d.addrs[0]} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s; want %s", &log, want)
		}
	}
}

// Without an app.toml dev says whose works run, and how to begin with one's own.
func TestDevBegins(t *testing.T) {
	d := &dev{works: []string{"test01", "test02"}}
	if text := d.begin("xconsumer"); !strings.Contains(text, "test01, test02") || !strings.Contains(text, "xconsumer init mywork") {
		t.Errorf("%s", text)
	}
	d.File = "app.toml"
	if d.begin("xconsumer") != "" {
		t.Errorf("%s", d.begin("xconsumer"))
	}
}
