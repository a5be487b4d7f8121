package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// authority issues certificates.
type authority struct {
	*testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	n    int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{T: t, dir: t.TempDir()}
	a.cert, a.key = a.issue("ca", true)
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// issue writes NAME.crt and NAME.key.
func (a *authority) issue(name string, ca bool) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.Fatal(err)
	}
	a.n++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.n), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	parent, signer := a.cert, a.key
	if ca {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".crt": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(a.file(file), pem.EncodeToMemory(block), 0o600); err != nil {
			a.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.Fatal(err)
	}
	return cert, key
}

// A node over TLS lets in who shows a certificate, as what it is configured, and takes a new certificate of its
// own without a restart.
func TestTLS(t *testing.T) {
	ca := newAuthority(t)
	ca.issue("node", false)
	ca.issue("ada", false)
	access := httpAccess{tls: httpTLS{cert: ca.file("node.crt"), key: ca.file("node.key"), clientCA: ca.file("ca.crt"), role: httpapi.RoleView}}
	log := slog.New(slog.DiscardHandler)
	server := apinode.ServeTLS(t, apinode.New(cluster.State{}), httpapi.Options{Access: access.open(log)}, access.tls.server(log))
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	get := func(certificates ...tls.Certificate) (status int, serial int64) {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates}}
		defer transport.CloseIdleConnections()
		resp, err := (&http.Client{Transport: transport}).Get(server + "/api/v1/leader")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode, resp.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	status, first := get()
	if status != http.StatusUnauthorized {
		t.Errorf("without a certificate: %d", status)
	}
	ada, err := tls.LoadX509KeyPair(ca.file("ada.crt"), ca.file("ada.key"))
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := get(ada); status != http.StatusOK {
		t.Errorf("with one: %d", status)
	}
	ca.issue("node", false)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if _, serial := get(ada); serial != first {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the old certificate is shown still")
		}
	}
	if err := os.WriteFile(ca.file("node.crt"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // until it is looked at again
	if status, _ := get(ada); status != http.StatusOK {
		t.Errorf("after a certificate that is none: %d", status)
	}
}

// Tokens of a file are valid from when they are in it, and until they are taken out.
func TestTokensFileIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	count := func(access *httpapi.Access, want int) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); len(access.All()) != want; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d tokens; want %d", len(access.All()), want)
			}
		}
	}
	write("# ours\nada admin the-first-secret-of-ada\n")
	access := httpAccess{tokensFile: file}.open(slog.New(slog.DiscardHandler))
	count(access, 1)
	write("ada admin the-first-secret-of-ada\nada admin the-second-secret-of-ada\n")
	count(access, 2)
	write("\nada admin the-second-secret-of-ada\n# \n")
	count(access, 1)
	write("") // nobody would be asked for a token any more: that stays
	time.Sleep(1100 * time.Millisecond)
	count(access, 1)
}
