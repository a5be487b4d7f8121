package etcd_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"sync"
	"testing"

	"gitee.com/ken.yang/xconsumer/coord/etcd"
	"gitee.com/ken.yang/xconsumer/test/etcdserver"
)

// withTLS serves an etcd server over TLS, and asks clients for certificates as ask requires.
func withTLS(t *testing.T, to string, certificate tls.Certificate, ask tls.ClientAuthType) (endpoint string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}, ClientAuth: ask, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			back, err := net.Dial("tcp", to)
			if err != nil {
				_ = c.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{c, back}, {back, c}} {
				serving.Go(func() {
					_, _ = io.Copy(pair[0], pair[1])
					_, _ = c.Close(), back.Close()
				})
			}
		}
	})
	return "https://" + l.Addr().String()
}

// A client certificate protects the data in etcd only if the servers insist on one.
func TestClientCertificatesThatAreNotAskedFor(t *testing.T) {
	server := etcdserver.Start(t, 1)
	maker := httptest.NewTLSServer(nil)
	maker.Close()
	certificate, roots := maker.TLS.Certificates[0], x509.NewCertPool()
	roots.AddCert(maker.Certificate())
	lenient, strict := withTLS(t, server.Addrs()[0], certificate, tls.RequestClientCert), withTLS(t, server.Addrs()[0], certificate, tls.RequireAnyClientCert)
	for name, c := range map[string]struct {
		endpoints []string
		open      bool
		err       bool
	}{
		"asked for, and not insisted on": {[]string{lenient}, true, false},
		"insisted on":                    {[]string{strict}, false, false},
		"by one of the servers":          {[]string{strict, lenient}, true, false},
		"one server is away":             {[]string{"https://127.0.0.1:1", strict}, false, false},
		"all servers are away":           {[]string{"https://127.0.0.1:1"}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			store, err := etcd.New(etcd.Config{Endpoints: c.endpoints, TLS: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{certificate}}})
			if err != nil {
				t.Fatal(err)
			}
			if open, err := store.OpenToAll(t.Context(), "/xconsumer/c/secret"); open != c.open || (err != nil) != c.err {
				t.Errorf("%v, %v", open, err)
			}
			if c.err {
				return
			}
			s, err := store.Open(t.Context()) // with the certificate
			if err != nil {
				t.Fatal(err)
			}
			_ = s.Close()
		})
	}
}
