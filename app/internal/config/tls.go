package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"gitee.com/ken.yang/xconsumer/httpapi"
)

// TLS is the TLS configuration of the API's server.
type TLS struct {
	Cert, Key string
	ClientCA  string       // the file of the CA for client certificates
	Role      httpapi.Role // of callers with a client certificate
	ca        string       // the file of the CA for other nodes' certificates

	// Checked is the content of the files when the configuration was checked.
	Checked *tls.Config
	roots   *x509.CertPool // for other nodes' certificates, nil for the system's
}

// On reports whether the server speaks TLS.
func (t TLS) On() bool { return t.Cert != "" }

// Leaf returns the certificate of the server as it was read at the start, nil for none.
func (t TLS) Leaf() *x509.Certificate {
	if t.Checked == nil {
		return nil
	}
	return t.Checked.Certificates[0].Leaf
}

// checkTLS reads the files of a server's TLS, and keeps their content.
func (f *configFile) checkTLS(t *TLS) {
	switch {
	case (t.Cert == "") != (t.Key == ""):
		f.check("http.tls", errors.New("cert and key go together"))
		return
	case t.ClientCA != "" && t.Cert == "":
		f.check("http.tls.clientCA", errors.New("no cert to serve TLS with"))
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

// Server returns the TLS configuration of the server, nil for none. It reads the files again when they change.
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

// watch returns the watched content of the files of a server's TLS.
func (t TLS) watch(log *slog.Logger) *watched[*tls.Config] {
	files := []string{t.Cert, t.Key}
	if t.ClientCA != "" {
		files = append(files, t.ClientCA)
	}
	return &watched[*tls.Config]{value: t.Checked, files: files, read: t.load, log: log, show: certificateOf}
}

// trusted reports whether a client certificate has not expired and its CA is trusted now. Both may change during a
// connection.
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

// certificateOf describes the certificate of the server, for the log.
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
		c.ClientCAs, err = loadPool(t.ClientCA)
		if err != nil {
			return nil, err
		}
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return c, nil
}

// Peer returns a function that returns the TLS configuration for a request to another node. It presents this node's own
// certificate, if it has one. It reads the files again when they change.
func (t TLS) Peer(log *slog.Logger) func() *tls.Config {
	own := t.watch(slog.New(slog.DiscardHandler)) // the server logs the errors
	roots := &watched[*x509.CertPool]{
		value: t.roots, files: []string{t.ca}, log: log,
		read: func() (*x509.CertPool, error) { return loadPool(t.ca) },
		show: func(*x509.CertPool) string { return "CA of other nodes" },
	}
	return func() *tls.Config {
		c := &tls.Config{MinVersion: tls.VersionTLS12}
		if t.ca != "" {
			c.RootCAs = roots.get()
		}
		if t.On() {
			if now := own.get(); now != nil {
				c.Certificates = now.Certificates
			}
		}
		return c
	}
}

func loadPool(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: no PEM certificate in the file", file)
	}
	return pool, nil
}
