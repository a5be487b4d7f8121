package address

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// Reason returns in a few words why an address was not reached, or did not answer.
func Reason(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return fmt.Sprintf("the name %s cannot be resolved here", dns.Name)
		}
		return fmt.Sprintf("the name %s could not be looked up: %s", dns.Name, dns.Err)
	}
	if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "its certificate is not accepted: " + untrusted.Err.Error()
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "it does not speak TLS"
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok && number != syscall.ETIMEDOUT {
		return number.Error()
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		os.IsTimeout(err), errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, io.EOF):
		return "it closed the connection"
	}
	return err.Error()
}
