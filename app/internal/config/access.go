package config

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/internal/address"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// Access is who may use the HTTP API, and how it is reached.
type Access struct {
	Tokens     []httpapi.Token // of app.toml and the environment
	TokensFile string          // of more of them, read again when it changes
	fromFile   []httpapi.Token // what was in it when the configuration was checked
	Hosts      []string
	proxies    []netip.Prefix
	Insecure   bool
	TLS        TLS
}

// TLS names the files of a server's TLS.
type TLS struct {
	Cert, Key string
	ClientCA  string // of client certificates
	Role      httpapi.Role
	ca        string // of other nodes' certificates

	// What was in the files when the configuration was checked.
	Checked *tls.Config
	roots   *x509.CertPool // of other nodes' certificates, nil for the system's
}

// On reports whether the server speaks TLS.
func (t TLS) On() bool { return t.Cert != "" }

// peers reads how nodes ask each other.
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
	if secret = bytes.TrimSpace(secret); err == nil && len(secret) < httpapi.MinSecret {
		err = fmt.Errorf("%s: the secret has less than %d bytes; make one with: openssl rand -hex 32", file, httpapi.MinSecret)
	}
	f.check("http.secretFile", err)
	s.Secret = secret
}

// validateAdvertise refuses what other nodes cannot dial. All addresses of a machine are one that is listened on.
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

// access reads who may use the API, and refuses an address that others can reach if nobody has to say who they
// are.
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
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		t, err := httpapi.ParseToken(line)
		if err != nil {
			f.errs = append(f.errs, placedError{key: "http.tokens", text: TokensVariable + ": " + err.Error()})
		}
		a.Tokens = append(a.Tokens, t)
	}
	if a.TokensFile = c.TokensFile; a.TokensFile != "" {
		var err error
		if a.fromFile, err = readTokens(a.TokensFile); err == nil && len(a.fromFile) == 0 {
			err = fmt.Errorf("%s: there is no token in it; make one with: xconsumer token ada --role admin", a.TokensFile)
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
				"%q can be reached from other machines, and %s is the demo's, which everybody knows: make your own (xconsumer token ada --role admin; openssl rand -hex 32), "+
					"or say insecure = true where something else keeps others out",
				s.Listen,
				what,
			),
		)
	}
	if !a.Closed() {
		f.check(
			"http.listen",
			fmt.Errorf("%q can be reached from other machines, and nobody would have to say who they are: add tokens ([http] tokensFile, or %s; "+
				"make one with `xconsumer token ada --role admin`) or client certificates ([http.tls] clientCA), or say insecure = true", s.Listen, TokensVariable),
		)
	}
}

// hosts reads the names that the node answers to.
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

// AnswerTo lets requests in that are for an address of the node, host:port.
func (a *Access) AnswerTo(addr string) {
	if host, _, err := net.SplitHostPort(addr); err == nil && !slices.Contains(a.Hosts, host) {
		a.Hosts = append(slices.Clone(a.Hosts), host)
	}
}

// proxies reads the addresses of proxies in front of the node: single ones, and networks.
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

// Closed reports whether callers have to say who they are.
func (a Access) Closed() bool {
	return len(a.Tokens) > 0 || a.TokensFile != "" || a.TLS.ClientCA != ""
}

// TokensVariable is the variable of the environment that may hold tokens.
const TokensVariable = "XCONSUMER_HTTP_TOKENS" //nolint:gosec // the name of a variable, not a secret

// checkTLS reads the files of a server's TLS, and keeps what is in them.
func (f *configFile) checkTLS(t *TLS) {
	switch {
	case (t.Cert == "") != (t.Key == ""):
		f.check("http.tls", errors.New("cert and key go together"))
		return
	case t.ClientCA != "" && t.Cert == "":
		f.check("http.tls.clientCA", errors.New("there is no cert to serve TLS with"))
		return
	case t.Role != "":
		f.check("http.tls.clientRole", t.Role.Validate())
	}
	var err error
	if t.Cert != "" {
		t.Checked, err = t.load()
		f.check("http.tls", err)
	}
	if t.ca != "" {
		t.roots, err = loadPool(t.ca)
		f.check("http.tls.ca", err)
	}
}

// readTokens reads a file of tokens, one a line; empty lines and those that begin with # are left out.
func readTokens(file string) (list []httpapi.Token, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	n := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		n++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
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

// watched is what files say, read again when they have changed, at most once a second. It begins with what was
// read when the configuration was checked. What cannot be read leaves what was read last, and is read at every look
// until it can be: what was wrong need not change how the file looks.
type watched[T any] struct {
	files []string
	read  func() (T, error)
	show  func(T) string // for the log: what is in force
	log   *slog.Logger

	mu      sync.Mutex
	looked  time.Time
	stamp   string // of the files when they were read, "" for never
	failing string // why they cannot be read, "" if they can
	value   T
}

func (w *watched[T]) get() T {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if now.Sub(w.looked) < time.Second {
		return w.value
	}
	w.looked = now
	var seen strings.Builder
	seen.WriteString("seen")
	for _, file := range w.files {
		if info, err := os.Stat(file); err == nil {
			fmt.Fprintf(&seen, " %s %d", info.ModTime(), info.Size())
		}
	}
	stamp := seen.String()
	if stamp == w.stamp && w.failing == "" {
		return w.value
	}
	value, err := w.read()
	if err != nil {
		if why := err.Error(); why != w.failing {
			w.failing = why
			w.log.Error("could not be read again; what was read last stays in force", "files", w.files, "in force", w.show(w.value), "error", err)
		}
		return w.value
	}
	if w.stamp != "" || w.failing != "" {
		w.log.Info("read again", "files", w.files, "in force", w.show(value))
	}
	w.stamp, w.failing, w.value = stamp, "", value
	return value
}

// Open returns who may use the API.
func (a Access) Open(log *slog.Logger) *httpapi.Access {
	access := &httpapi.Access{Hosts: a.Hosts, Proxies: a.proxies}
	if a.TLS.ClientCA != "" {
		access.Certificates = a.TLS.Role
		files := a.TLS.watch(slog.New(slog.DiscardHandler)) // the server tells
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
				err = errors.New("it holds no token, so nobody could log in; add one with: xconsumer token ada --role admin")
			}
			return list, err
		}
	}
	access.Tokens = func() []httpapi.Token { return slices.Concat(a.Tokens, file.get()) }
	return access
}

// namesOf says whose tokens they are.
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

// Server returns the TLS of a server, whose files are read again when they change; nil for none.
func (t TLS) Server(log *slog.Logger) *tls.Config {
	if !t.On() {
		return nil
	}
	w := t.watch(log)
	now := func() (*tls.Config, error) {
		if c := w.get(); c != nil {
			return c, nil
		}
		return nil, errors.New("no certificate could be read yet")
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			c, err := now()
			if err != nil {
				return nil, err
			}
			return &c.Certificates[0], nil
		},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return now() },
	}
}

// watch returns what is in the files of a server's TLS.
func (t TLS) watch(log *slog.Logger) *watched[*tls.Config] {
	files := []string{t.Cert, t.Key}
	if t.ClientCA != "" {
		files = append(files, t.ClientCA)
	}
	return &watched[*tls.Config]{value: t.Checked, files: files, read: t.load, log: log, show: certificateOf}
}

// trusted reports whether a client certificate is of an authority that is trusted now, and not over: connections
// outlive both.
func trusted(shown []*x509.Certificate, now *tls.Config) bool {
	if now == nil || len(shown) == 0 {
		return false
	}
	options := x509.VerifyOptions{
		Roots:         now.ClientCAs,
		Intermediates: x509.NewCertPool(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, above := range shown[1:] {
		options.Intermediates.AddCert(above)
	}
	_, err := shown[0].Verify(options)
	return err == nil
}

// certificateOf says which certificate is shown.
func certificateOf(c *tls.Config) string {
	if c == nil || len(c.Certificates) == 0 || c.Certificates[0].Leaf == nil {
		return "no certificate"
	}
	leaf := c.Certificates[0].Leaf
	return fmt.Sprintf("certificate of %s until %s", leaf.Subject.CommonName, leaf.NotAfter.UTC().Format(time.RFC3339))
}

func (t TLS) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, Certificates: []tls.Certificate{pair}}
	if t.ClientCA != "" {
		if c.ClientCAs, err = loadPool(t.ClientCA); err != nil {
			return nil, err
		}
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return c, nil
}

// Peer returns how to ask other nodes: with this node's own certificate, if it has one.
func (t TLS) Peer() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: t.roots}
	if t.Checked != nil {
		c.Certificates = t.Checked.Certificates
	}
	return c
}

func loadPool(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: there is no PEM certificate in it", file)
	}
	return pool, nil
}

// Loopback tells whether an address can be reached from this machine only.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return true // it is no address, and refused as such
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
