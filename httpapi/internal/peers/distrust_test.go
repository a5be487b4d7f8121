package peers

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
)

// A certificate that is refused is told by what is wrong with it, and without any text of the other side.
func TestDistrust(t *testing.T) {
	for want, why := range map[string]error{
		"has expired or is not valid yet; renew it":     x509.CertificateInvalidError{Reason: x509.Expired},
		"is not for this address; its [http] advertise": x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"evil"}}, Host: "n1"},
		"is not trusted; [http.tls] ca":                 x509.UnknownAuthorityError{},
	} {
		if got := unreached(&tls.CertificateVerificationError{Err: why}); !strings.HasPrefix(got, "presents a certificate that "+want) || strings.Contains(got, "evil") {
			t.Errorf("%v: %q; want %q", why, got, want)
		}
	}
}
