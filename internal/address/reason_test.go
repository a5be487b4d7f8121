package address_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/internal/address"
)

func TestReason(t *testing.T) {
	dial := func(network, addr string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := new(net.Dialer).DialContext(ctx, network, addr)
		return fmt.Errorf("get /xconsumer/a: %w", err)
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = plain.Close() }()
	go func() {
		for {
			c, err := plain.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "hello, this is not TLS\n")
			_ = c.Close()
		}
	}()
	_, secure := tls.Dial("tcp", plain.Addr().String(), nil)
	expired, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{dial("tcp", "127.0.0.1:1"), "connection refused"},
		{&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "zk3", IsNotFound: true}}, "the name zk3 cannot be resolved here"},
		{&net.DNSError{Err: "server misbehaving", Name: "zk3"}, "the name zk3 could not be looked up: server misbehaving"},
		{fmt.Errorf("join: %w: outcome unknown", expired.Err()), "no answer in time"},
		{fmt.Errorf("read: %w", io.EOF), "it closed the connection"},
		{secure, "it does not speak TLS"},
	} {
		if got := address.Reason(c.err); got != c.want {
			t.Errorf("%v: %q; want %q", c.err, got, c.want)
		}
	}
}
