package address_test

import (
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer/internal/address"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"h":                   "h:2181",
		"h:1":                 "h:1",
		"zk-1.my_net.local":   "zk-1.my_net.local:2181",
		"host.example.:65535": "host.example.:65535",
		"127.0.0.1:2181":      "127.0.0.1:2181",
		"12345":               "12345:2181", // a container may be called so
		"[::1]":               "[::1]:2181",
		"[::1]:2":             "[::1]:2",
		"[fe80::1%eth0]:2":    "[fe80::1%eth0]:2",
	} {
		a, err := address.Parse(text, 2181)
		if err != nil || a.String() != want {
			t.Errorf("%q: %v, %v; want %s", text, a, err, want)
			continue
		}
		if again, err := address.Parse(a.String(), 0); err != nil || again != a {
			t.Errorf("%q is read again as %v, %v", a, again, err)
		}
	}
	for text, want := range map[string]string{
		"::1:2181":                      `"::1:2181": want brackets around an IPv6 address: write it as "[::1]:2181"`,
		"2001:db8::5:2181":              `write it as "[2001:db8::5]:2181"`,
		"::1":                           `write it as "[::1]:2181"`,
		"2001:db8::5":                   `write it as "[2001:db8::5]:2181"`,
		"1:2:3:4:5:6:7:8":               `write it as "[1:2:3:4:5:6:7:8]:2181"`,
		"a:b:c":                         `more than one colon`,
		"u:secret@h:1":                  `"…@h:1": leave out everything before the @`,
		"http://u:secret@h:1":           `"…@h:1": leave out everything before the @`,
		"h:99999":                       `"h:99999": port 99999 is not between 1 and 65535`,
		"h:0":                           `port 0 is not between 1 and 65535`,
		"h:abc":                         `"h:abc": port "abc" is not a number`,
		"h:+1":                          `port "+1" is not a number`,
		"h:":                            `the port is missing after the colon, as in "h:2181"`,
		":2181":                         `the host is missing, as in "127.0.0.1:2181"`,
		"":                              `the host is missing`,
		"h1:2181 h2:2181":               `"h1:2181 h2:2181": this is not one address; a list is written as "h1:2181,h2:2181"`,
		"h1:2181;h2:2181":               `a list is written as "h1:2181,h2:2181"`,
		"h1 h2":                         `a list is written as "h1,h2"`,
		"h;2181":                        `"h;2181": write it as "h:2181"`,
		"h: 2181":                       `write it as "h:2181"`,
		"h 2181":                        `write it as "h:2181"`,
		"http://h:2181/":                `leave out "http://": write it as "h:2181"`,
		"[::1":                          `the bracket is not closed`,
		"[::1]2181":                     `want the port after the bracket, as in "[::1]:2181"`,
		"[h]:2181":                      `only IPv6 addresses are in brackets: write it as "h:2181"`,
		"127.0.0.300:2181":              `host "127.0.0.300" is neither a name nor an IPv4 address`,
		"a..b":                          `between two dots stand 1 to 63 characters`,
		"u@h:1":                         `"…@h:1": leave out everything before the @`,
		"h\x00:1":                       `cannot be part of a host name`,
		strings.Repeat("a.", 200) + "b": `at most 253`,
	} {
		if a, err := address.Parse(text, 2181); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v\nwant %s", text, a, err, want)
		}
	}
	if _, err := address.Parse("nowhere", 0); err == nil || !strings.Contains(err.Error(), "want host:port") {
		t.Errorf("without a default port: %v", err)
	}
}

func TestParseListen(t *testing.T) {
	for text, want := range map[string]string{":8800": ":8800", "127.0.0.1:0": "127.0.0.1:0", "[::]:8800": "[::]:8800", "0.0.0.0:1": "0.0.0.0:1"} {
		if a, err := address.ParseListen(text); err != nil || a.String() != want {
			t.Errorf("%q: %v, %v; want %s", text, a, err, want)
		}
	}
	for text, want := range map[string]string{"::1:8800": `"[::1]:8800"`, "nowhere": "want host:port", "h:65536": "port 65536 is not between", "h:http": `port "http" is not a number`, "": "want host:port"} {
		if a, err := address.ParseListen(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %s", text, a, err, want)
		}
	}
}

func TestValidateHost(t *testing.T) {
	for _, good := range []string{"h", "a.example.com", "10.0.0.1", "::1"} {
		if err := address.ValidateHost(good); err != nil {
			t.Error(err)
		}
	}
	for text, want := range map[string]string{
		"": "the host is missing", "h:8800": `leave out ":8800", as in "h"`, "https://h": `leave out "https://"`, "a b": "cannot be part of a host name", "1.2.3": "neither a name nor an IPv4 address",
		"[::1]": `want an IPv6 address without brackets: write it as "::1"`, "[::1]:8800": `leave out ":8800", as in "::1"`, "*:8800": `'*' cannot be part of a host name`,
	} {
		if err := address.ValidateHost(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %s", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"h:1", "::1:2181", "[::1]:2181", "a;b 3", "http://x/", ":::", "[]:1", "[%]:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := address.Parse(text, 2181)
		if err != nil {
			return
		}
		if again, err := address.Parse(a.String(), 0); err != nil || again != a {
			t.Errorf("%q is %v, and that is read as %v, %v", text, a, again, err)
		}
	})
}
