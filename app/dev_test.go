package app

import (
	"errors"
	"strings"
	"testing"
)

// Nodes whose ports would be above the last one are refused with what they need.
func TestDevPortsEnd(t *testing.T) {
	d := &dev{settings: settings{listen: "127.0.0.1:65534"}, nodes: 3}
	addrs, err := d.addresses(t.Context())
	if !errors.Is(err, errUnavailable) || !strings.Contains(err.Error(), "3 nodes take a free port each from 127.0.0.1:65534 on, and the last port is 65535") {
		t.Errorf("%v, %v", addrs, err)
	}
}
