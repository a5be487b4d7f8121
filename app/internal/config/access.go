package config

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/internal/address"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// Access configures who may use the HTTP API, and how it is reached.
type Access struct {
	Tokens     []httpapi.Token // of app.toml and the environment
	TokensFile string          // a file of further tokens, read again when it changes
	fromFile   []httpapi.Token // the tokens of the file when the configuration was checked
	Hosts      []string
	proxies    []netip.Prefix
	Insecure   bool
	TLS        TLS
}

// peers reads the address of this node for others, and the secret of the nodes.
func (f *configFile) peers(s *Settings) {
	s.Advertise = f.config.HTTP.Advertise
	if s.Advertise != "" {
		f.check("http.advertise", validateAdvertise(s.Advertise))
	}
	file := f.config.HTTP.SecretFile
	if file == "" {
		return
	}
	secret, err := os.ReadFile(file)
	secret = bytes.TrimSpace(secret)
	if err == nil && len(secret) < httpapi.MinSecret {
		err = fmt.Errorf("%s: the secret has less than %d bytes; make one with: openssl rand -hex 32", file, httpapi.MinSecret)
	}
	f.check("http.secretFile", err)
	s.Secret = secret
}

// validateAdvertise refuses an address that other nodes cannot dial, such as the unspecified one.
func validateAdvertise(addr string) error {
	a, err := address.ParseListen(addr)
	if err != nil {
		return err
	}
	if ip, perr := netip.ParseAddr(a.Host); a.Host == "" || perr == nil && ip.Unmap().IsUnspecified() {
		return fmt.Errorf("%q: want an address by which other nodes reach this one, as in \"node1.example:8800\"", addr)
	}
	_, err = address.Parse(addr, 0)
	return err
}

// access reads who may use the API. It refuses an address that other machines can reach if the API requires no
// authentication.
func (f *configFile) access(s *Settings, env func(string) string) {
	c := &f.config.HTTP
	a := &s.Access
	var wrong []error
	for i, text := range c.Tokens {
		t, err := httpapi.ParseToken(text)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%d: %w", i+1, err))
		}
		a.Tokens = append(a.Tokens, t)
	}
	f.check("http.tokens", errors.Join(wrong...))
	for line := range strings.FieldsFuncSeq(env(TokensVariable), func(r rune) bool { return r == ',' || r == '\n' }) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		t, err := httpapi.ParseToken(line)
		if err != nil {
			f.errs = append(f.errs, placedError{key: "http.tokens", text: TokensVariable + ": " + err.Error()})
		}
		a.Tokens = append(a.Tokens, t)
	}
	a.TokensFile = c.TokensFile
	if a.TokensFile != "" {
		var err error
		a.fromFile, err = readTokens(a.TokensFile)
		if err == nil && len(a.fromFile) == 0 {
			err = fmt.Errorf("%s: no token in the file; make one with: xconsumer token ada --role admin", a.TokensFile)
		}
		f.check("http.tokensFile", err)
	}
	a.Hosts, a.proxies, a.Insecure = f.hosts(), f.proxies(), c.Insecure
	a.AnswerTo(s.Advertise)
	a.TLS = TLS{Cert: c.TLS.Cert, Key: c.TLS.Key, ClientCA: c.TLS.ClientCA, Role: httpapi.Role(c.TLS.ClientRole), ca: c.TLS.CA}
	f.checkTLS(&a.TLS)
	if a.TLS.ClientCA != "" && a.TLS.Role == "" {
		a.TLS.Role = httpapi.RoleView
	}
	if s.Listen == "off" || Loopback(s.Listen) || a.Insecure || validateListen(s.Listen) != nil {
		return
	}
	if what := Demo(s); what != "" {
		f.check(
			"http.listen",
			fmt.Errorf(
				"%q can be reached from other machines, and %s is the demo's, which is public: "+
					"create your own (xconsumer token ada --role admin; openssl rand -hex 32), "+
					"or set insecure = true if something else protects it",
				s.Listen,
				what,
			),
		)
	}
	if !a.Closed() {
		f.check(
			"http.listen",
			fmt.Errorf("%q can be reached from other machines, and requires no authentication: add tokens ([http] tokensFile, or %s; "+
				"make one with `xconsumer token ada --role admin`) or client certificates ([http.tls] clientCA), "+
				"or set insecure = true", s.Listen, TokensVariable),
		)
	}
}

// hosts reads the host names that the node answers to.
func (f *configFile) hosts() (list []string) {
	var wrong []error
	for _, text := range f.config.HTTP.Hosts {
		text = strings.TrimSpace(text)
		if text != "*" {
			wrong = append(wrong, address.ValidateHost(text))
		}
		list = append(list, text)
	}
	f.check("http.hosts", errors.Join(wrong...))
	return list
}

// AnswerTo adds the host of an address, host:port, to the names that the node answers to.
func (a *Access) AnswerTo(addr string) {
	if host, _, err := net.SplitHostPort(addr); err == nil && !slices.Contains(a.Hosts, host) {
		a.Hosts = append(slices.Clone(a.Hosts), host)
	}
}

// proxies reads the addresses of proxies in front of the node: single addresses and networks.
func (f *configFile) proxies() (list []netip.Prefix) {
	var wrong []error
	for _, text := range f.config.HTTP.Proxies {
		text = strings.TrimSpace(text)
		prefix, err := netip.ParsePrefix(text)
		if ip, ierr := netip.ParseAddr(text); ierr == nil {
			prefix, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%q: want the address of a proxy, or a network such as 10.0.0.0/8", text))
			continue
		}
		list = append(list, prefix)
	}
	f.check("http.proxies", errors.Join(wrong...))
	return list
}

// Closed reports whether callers must authenticate.
func (a Access) Closed() bool {
	return len(a.Tokens) > 0 || a.TokensFile != "" || a.TLS.ClientCA != ""
}

// TokensVariable is the variable of the environment that may hold tokens.
const TokensVariable = "XCONSUMER_HTTP_TOKENS" //nolint:gosec // the name of a variable, not a secret

// readTokens reads a file of tokens, one per line. Empty lines and those that begin with # are ignored.
func readTokens(file string) (list []httpapi.Token, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	n := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		t, err := httpapi.ParseToken(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		list = append(list, t)
	}
	return list, nil
}

// Open returns the access rules for the API, which read the tokens file and the certificates again when they change.
func (a Access) Open(log *slog.Logger) *httpapi.Access {
	access := &httpapi.Access{Hosts: a.Hosts, Proxies: a.proxies}
	if a.TLS.ClientCA != "" {
		access.Certificates = a.TLS.Role
		files := a.TLS.watch(slog.New(slog.DiscardHandler)) // the server logs the errors
		access.Trusts = func(shown []*x509.Certificate) bool { return trusted(shown, files.get()) }
	}
	if len(a.Tokens) == 0 && a.TokensFile == "" {
		return access
	}
	file := &watched[[]httpapi.Token]{value: a.fromFile, log: log, show: namesOf, read: func() ([]httpapi.Token, error) { return nil, nil }}
	if a.TokensFile != "" {
		file.files = []string{a.TokensFile}
		file.read = func() ([]httpapi.Token, error) {
			list, err := readTokens(a.TokensFile)
			if err == nil && len(list)+len(a.Tokens) == 0 {
				err = errors.New("no token in the file, so no client could log in; add one with: xconsumer token ada --role admin")
			}
			return list, err
		}
	}
	access.Tokens = func() []httpapi.Token { return slices.Concat(a.Tokens, file.get()) }
	return access
}

// namesOf lists the names and roles of tokens, for the log.
func namesOf(tokens []httpapi.Token) string {
	if len(tokens) == 0 {
		return "no token of the file"
	}
	var names []string
	for _, t := range tokens {
		names = append(names, fmt.Sprintf("%s (%s)", t.Name, t.Role))
	}
	return fmt.Sprintf("%s: %s", plural.Of(len(tokens), "token"), strings.Join(names, ", "))
}

// Loopback reports whether an address can only be reached from this machine.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return true // an invalid address, which is refused elsewhere
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
