package etcd

import (
	"errors"
	"slices"
	"testing"

	"gitee.com/ken.yang/xconsumer/coord"
)

func TestVersions(t *testing.T) {
	for version, good := range map[string]bool{
		"3.7.3": true, "3.7.0": true, "3.6.9": true, "3.6.16": true, "3.5.28": true, "4.0.0": true, "3.8.0-alpha.0": true, "": false, "devel": false,
		"3.6.8": false, "3.5.27": false, "3.5.13": false, "3.4.44": false, "2.3.8": false, "3.6.0-rc.1": false,
	} {
		err := checkVersion("http://e", version)
		if good != (err == nil) || err != nil && !errors.Is(err, coord.ErrUnsupported) {
			t.Errorf("%s: %v", version, err)
		}
	}
}

func TestParseEndpoints(t *testing.T) {
	for text, want := range map[string][]string{
		"127.0.0.1:2379":                  {"http://127.0.0.1:2379"},
		"a, https://b:1/ ,http://[::1]:2": {"http://a:2379", "https://b:1", "http://[::1]:2"},
	} {
		if got, err := ParseEndpoints(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", ",", "a,,b", "ftp://a", "http://", "a:0", "a:70000", "http://a/x", "http://u:p@a", "a:b:c"} {
		if got, err := ParseEndpoints(bad); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
}
