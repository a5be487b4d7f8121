// Package address reads the addresses of servers and nodes as people write them, in files, flags and variables.
//
// # The model
//
// An address that is accepted can be dialled, or listened on, as it is. The error for a refused one contains the right
// form, as far as the intent is clear. Without these checks, a node would try an address that cannot work for ever. Nothing
// is resolved.
package address

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
)

// Address is a host and a port.
type Address struct {
	Host string // a name, or an IP address without brackets; "" for all addresses of this machine
	Port uint16 // 0 for any free port
}

// String returns "host:port", with IPv6 addresses in brackets.
func (a Address) String() string { return net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port))) }

// Parse reads "host:port", or a host alone if there is a default port, which is not 0.
func Parse(text string, defaultPort uint16) (Address, error) {
	a, err := parse(text, defaultPort)
	switch {
	case err != nil:
		return Address{}, err
	case a.Host == "":
		return Address{}, fmt.Errorf("%q: the host is missing, as in %q", text, Address{"127.0.0.1", cmp.Or(a.Port, defaultPort, examplePort)})
	case a.Port == 0:
		return Address{}, fmt.Errorf("%q: port 0 is not between 1 and 65535", text)
	}
	return a, nil
}

// ParseListen reads the "host:port" that is to be listened on; the host may be missing, and the port 0.
func ParseListen(text string) (Address, error) { return parse(text, 0) }

// RefuseUserinfo refuses an address, or a URL, with a username or password before its host. The error does not repeat them.
func RefuseUserinfo(text string) error {
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		return fmt.Errorf("\"…@%s\": leave out everything before the @: an address takes no username and password", text[at+1:])
	}
	return nil
}

// ValidateHost refuses text that is neither a host name nor an IP address.
func ValidateHost(text string) error {
	if _, err := netip.ParseAddr(text); err == nil {
		return nil
	}
	if name, _, found := strings.Cut(text, "://"); found {
		return fmt.Errorf("%q: want only the host: leave out %q", text, name+"://")
	}
	if inside := strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"); len(inside) == len(text)-2 {
		if _, err := netip.ParseAddr(inside); err == nil {
			return fmt.Errorf("%q: want an IPv6 address without brackets: write it as %q", text, inside)
		}
	}
	if host, port, err := net.SplitHostPort(text); err == nil && ValidateHost(host) == nil {
		return fmt.Errorf("%q: want only the host, without a port: leave out %q, as in %q", text, ":"+port, host)
	}
	if err := validateName(text); err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	return nil
}

func parse(text string, defaultPort uint16) (Address, error) {
	fail := func(format string, args ...any) (Address, error) {
		return Address{}, fmt.Errorf("%q: "+format, append([]any{text}, args...)...)
	}
	if err := RefuseUserinfo(text); err != nil {
		return Address{}, err
	}
	if right := separated(text); right != text {
		if strings.Contains(right, ",") {
			return fail("this is not one address; a list is written as %q", right)
		}
		return fail("write it as %q", right)
	}
	if scheme, rest, found := strings.Cut(text, "://"); found {
		return fail("leave out %q: write it as %q", scheme+"://", strings.TrimRight(rest, "/"))
	}
	host, port, err := split(text, defaultPort)
	if err != nil {
		return Address{}, err
	}
	if host != "" {
		if _, err := netip.ParseAddr(host); err != nil {
			if err := validateName(host); err != nil {
				return fail("%w", err)
			}
		}
	}
	switch {
	case port == "" && defaultPort != 0:
		return Address{host, defaultPort}, nil
	case port == "":
		if n, err := strconv.ParseUint(host, 10, 16); err == nil {
			return fail("the host is missing: want host:port, as in %q", Address{"127.0.0.1", uint16(n)})
		}
		return fail("the port is missing: want host:port, as in %q", Address{host, examplePort})
	case strings.Trim(port, "0123456789") != "":
		return fail("port %q is not a number", port)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fail("port %s is not between 1 and 65535", port)
	}
	return Address{host, uint16(n)}, nil
}

// split separates host and port; the port is "" if there is none.
func split(text string, defaultPort uint16) (host, port string, err error) {
	example := strconv.Itoa(int(cmp.Or(defaultPort, examplePort)))
	if inside, ok := strings.CutPrefix(text, "["); ok {
		host, rest, closed := strings.Cut(inside, "]")
		ip, err := netip.ParseAddr(host)
		switch {
		case !closed:
			return "", "", fmt.Errorf("%q: the bracket is not closed, as in %q", text, "[::1]:"+example)
		case err != nil || !ip.Is6():
			return "", "", fmt.Errorf("%q: only IPv6 addresses are in brackets: write it as %q", text, host+rest)
		case rest == "" && defaultPort != 0:
			return host, "", nil
		case !strings.HasPrefix(rest, ":") || rest == ":":
			return "", "", fmt.Errorf("%q: want the port after the bracket, as in %q", text, "["+host+"]:"+example)
		}
		return host, rest[1:], nil
	}
	switch last := strings.LastIndexByte(text, ':'); {
	case last < 0:
		return text, "", nil
	case strings.Count(text, ":") > 1:
		if right := bracketed(text, example); right != "" {
			return "", "", fmt.Errorf("%q: want brackets around an IPv6 address: write it as %q", text, right)
		}
		return "", "", fmt.Errorf(
			"%q: there is more than one colon: want host:port, with an IPv6 address in brackets as in %q",
			text,
			"[::1]:"+example,
		)
	case last == len(text)-1:
		return "", "", fmt.Errorf("%q: the port is missing after the colon, as in %q", text, text+example)
	default:
		return text[:last], text[last+1:], nil
	}
}

// examplePort is the port in an example of the right form, if the text has none.
const examplePort = 8800

// bracketed returns the right form of an IPv6 address without brackets; "" for other text. The text alone does not show
// whether its last group is a port: a number of four digits or more is taken for one.
func bracketed(text, defaultPort string) string {
	last := strings.LastIndexByte(text, ':')
	host, port := text[:last], text[last+1:]
	number, err := strconv.ParseUint(port, 10, 16)
	if ip, perr := netip.ParseAddr(host); perr == nil && ip.Is6() && err == nil && number >= 1000 {
		return "[" + host + "]:" + port
	}
	if ip, err := netip.ParseAddr(text); err == nil && ip.Is6() {
		return "[" + text + "]:" + defaultPort
	}
	return ""
}

// separated replaces wrong separators between hosts and ports by commas and colons. It returns the same text if there are
// none.
func separated(text string) string {
	isSeparator := func(r rune) bool { return r == ';' || r == ',' || unicode.IsSpace(r) }
	parts := strings.FieldsFunc(text, isSeparator)
	if len(parts) == 0 || strings.IndexFunc(text, isSeparator) < 0 {
		return text
	}
	right := parts[0]
	for _, part := range parts[1:] {
		switch {
		case strings.Trim(part, "0123456789") == "" && !strings.HasSuffix(right, ":"):
			right += ":" + part
		case strings.HasSuffix(right, ":") || strings.HasPrefix(part, ":"):
			right += part
		default:
			right += "," + part
		}
	}
	return right
}

// validateName refuses names that no resolver can find.
func validateName(name string) error {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	switch last := labels[len(labels)-1]; {
	case name == "":
		return errors.New("the host is missing")
	case len(name) > 253:
		return errors.New("a host name has at most 253 characters")
	case len(labels) > 1 && last != "" && strings.Trim(last, "0123456789") == "":
		return fmt.Errorf("host %q is neither a name nor an IPv4 address", name)
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 {
			return fmt.Errorf("host %q: between two dots stand 1 to 63 characters", name)
		}
	}
	for _, r := range name {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("-._", r):
		default:
			return fmt.Errorf("host %q: %q cannot be part of a host name", name, r)
		}
	}
	return nil
}
