package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"gitee.com/ken.yang/xconsumer/client"
)

// DefaultServer is the node that commands use by default.
const DefaultServer = "http://" + DefaultListen

// serverVariable names the node that commands use.
const serverVariable = "XCONSUMER_SERVER"

// ClientFlags are the flags for the node of a command and for the identity of its caller. "" means not given.
type ClientFlags struct{ URL, Token, CA, Cert, Key string }

// Default reports whether neither the flag nor the environment names a node.
func (f ClientFlags) Default(env func(string) string) bool {
	return f.URL == "" && env(serverVariable) == ""
}

// Client returns the client of the node. A flag that is not given has its value from the environment, or its default. The
// error matches ErrUsage.
func (f ClientFlags) Client(env func(string) string) (*client.Client, error) {
	pick := func(flag, variable, otherwise string) string {
		for _, v := range []string{flag, env(variable), otherwise} {
			if v != "" {
				return v
			}
		}
		return ""
	}
	o := client.Options{Token: pick(f.Token, "XCONSUMER_API_TOKEN", "")}
	ca, cert, key := pick(f.CA, "XCONSUMER_API_CA", ""), pick(f.Cert, "XCONSUMER_API_CERT", ""), pick(f.Key, "XCONSUMER_API_KEY", "")
	if ca != "" || cert != "" {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if ca != "" {
		text, err := os.ReadFile(ca)
		o.TLS.RootCAs = x509.NewCertPool()
		if err == nil && !o.TLS.RootCAs.AppendCertsFromPEM(text) {
			err = fmt.Errorf("%s: no PEM certificate in the file", ca)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: --ca: %w", ErrUsage, err)
		}
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("%w: --cert: %w", ErrUsage, err)
		}
		o.TLS.Certificates = []tls.Certificate{pair}
	}
	api, err := client.New(pick(f.URL, serverVariable, DefaultServer), o)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	return api, nil
}
