// Package peers carries requests from node to node over HTTP. Both sides prove that they have the cluster's secret.
//
// # The model
//
//	the asking node                                       the answering node
//	Get ─▶ a request without a signature ─────────────▶ Signed: 401, with a nonce
//	    ─▶ signed over the nonce and a number ─────────▶ Signed: lets it through, once
//	reads proven frames only ◀── frames, each signed ─── the handler's answer
//
// Tails are the logs of other nodes' workers that clients follow here. Each log is requested once from the other node, for
// all its readers.
package peers

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/httpapi/internal/answer"
	"gitee.com/ken.yang/xconsumer/internal/address"
)

// Peers sends and answers requests between nodes. Requests are signed with a secret that all nodes of a cluster have. Nodes
// never send tokens to each other, because an attacker with write access to the coordination service could direct them to an
// address of his own.
//
// The answering node issues a nonce, which is valid for one request within nonceLife. The asking node signs the nonce, a
// number of its own, the request and the address. Each frame of the answer is signed together with all of these. Nothing of
// an unsigned answer is shown. No clocks of two machines are compared, and neither a recorded request nor a recorded answer
// can be replayed. The signatures do not hide the content; use TLS for that.
type Peers struct {
	Secret []byte // at least MinSecret bytes; empty to use Shared
	// Shared returns the secret that the nodes share elsewhere, for example in the store. It is called when a secret is
	// needed, from any goroutine but never twice at the same time. It is called again when its last result is older than a
	// minute, and at most every five seconds while the secret of another node differs. An error that matches ErrNoSecret ends
	// the last secret; after any other error the last secret stays in force. Without Shared and Secret the node sends no
	// requests to others and answers none.
	Shared    func(context.Context) ([]byte, error)
	Advertise string // the address of this node for others, host:port
	// TLS returns the configuration for a request to a node whose address is https://host:port, so that certificates can
	// change. It is called for each request, from any goroutine. A nil function or result means the system's root certificates.
	TLS func() *tls.Config

	shared sharedSecret

	mu    sync.Mutex
	key   []byte // a random key of this process, which authenticates its nonces
	began time.Time
	used  map[string]time.Time // the used nonces, and when each expires
}

// MinSecret is the minimum length of a cluster's secret, in bytes.
const MinSecret = 32

// ErrUnavailable reports that a request to another node failed.
var ErrUnavailable = errors.New("the other node cannot be asked")

const (
	headTimeout = 5 * time.Second // for the header of an answer
	// Patience bounds how long the whole answer of another node may take.
	Patience = 30 * time.Second

	peerScheme   = "Xconsumer "
	nonceHeader  = "X-Xconsumer-Nonce"  // in an answer: the nonce that the next request must sign
	numberHeader = "X-Xconsumer-Number" // in a signed request: the number that the answer must sign
	nonceLife    = 30 * time.Second
	maxNonce     = 200 // the maximum length of another node's nonce or number, in bytes
)

func sign(secret []byte, parts ...string) string {
	mac := hmac.New(sha256.New, secret)
	for _, part := range parts {
		_, _ = fmt.Fprintf(mac, "%d:%s", len(part), part) // a hash does not fail
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// issue returns a nonce that one request may sign. The process does not store it: the nonce contains its time and an
// authentication code of this process. So a caller that requests many nonces uses up no memory and none of others' nonces.
func (p *Peers) issue() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.key == nil {
		p.key, p.began = []byte(rand.Text()+rand.Text()), time.Now()
	}
	text := strconv.FormatInt(time.Since(p.began).Milliseconds(), 10) + "." + rand.Text()
	return text + "." + p.made(text)
}

func (p *Peers) made(text string) string {
	mac := hmac.New(sha256.New, p.key)
	_, _ = io.WriteString(mac, text) // a hash does not fail
	return hex.EncodeToString(mac.Sum(nil))
}

// take reports whether a nonce is valid and unused, and marks it as used. It is called only for nonces that a node with the
// secret has signed, which bounds the number that are stored.
func (p *Peers) take(nonce string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	until, ok := p.until(nonce)
	if !ok {
		return false
	}
	now := time.Now()
	maps.DeleteFunc(p.used, func(_ string, until time.Time) bool { return now.After(until) })
	if _, again := p.used[nonce]; again {
		return false
	}
	if p.used == nil {
		p.used = map[string]time.Time{}
	}
	p.used[nonce] = until
	return true
}

// own reports whether a nonce is valid, used or not. It needs no lookup, so requests without a valid nonce are refused at
// little cost.
func (p *Peers) own(nonce string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.until(nonce)
	return ok
}

// until returns when a nonce of this process expires, and false if it is not one or has expired. The caller holds mu.
func (p *Peers) until(nonce string) (time.Time, bool) {
	at := strings.LastIndexByte(nonce, '.')
	if at < 0 || p.key == nil || !hmac.Equal([]byte(p.made(nonce[:at])), []byte(nonce[at+1:])) {
		return time.Time{}, false
	}
	age, _, _ := strings.Cut(nonce, ".")
	ms, err := strconv.ParseInt(age, 10, 64)
	until := p.began.Add(time.Duration(ms)*time.Millisecond + nonceLife)
	return until, err == nil && !time.Now().After(until)
}

// Signed returns a handler that lets only requests through that another node has signed, and that signs the answer. A
// request names the node that it is for, because a loopback address is that of another node on another machine.
func (p *Peers) Signed(node interface{ Name() string }, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if p == nil || len(p.Secret) == 0 && p.Shared == nil {
			answer.Send(w, &answer.Problem{Status: http.StatusForbidden, Title: "not answered", Detail: errNoSecret.Error()})
			return
		}
		nonce, mac, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), peerScheme), ":")
		asked := question{r.Method, r.URL.RequestURI(), p.Advertise, nonce, r.Header.Get(numberHeader)}
		var secret []byte
		if mac != "" && max(len(asked.nonce), len(asked.number)) <= maxNonce && p.own(nonce) {
			secret = p.signedWith(r.Context(), asked, mac)
		}
		if secret == nil || !p.take(nonce) {
			w.Header().Set("WWW-Authenticate", strings.TrimSpace(peerScheme))
			w.Header().Set(nonceHeader, p.issue())
			answer.Send(
				w,
				&answer.Problem{
					Status: http.StatusUnauthorized,
					Title:  "not signed",
					Detail: "only nodes of the cluster are answered here: they must have the same secret",
				},
			)
			return
		}
		proven := &provingWriter{
			ResponseWriter: w,
			proof:          func(frame, code int, data []byte) string { return asked.frameProof(secret, frame, code, data) },
		}
		if of := r.URL.Query().Get(ofNode); of != "" && of != node.Name() {
			answer.Send(proven, &answer.Problem{Status: http.StatusMisdirectedRequest, Title: "another node", Detail: "this is " + node.Name()})
		} else {
			next(proven, r)
		}
		proven.end()
	}
}

// signedWith returns the secret that a request is signed with, nil if it is not the cluster's.
func (p *Peers) signedWith(ctx context.Context, asked question, mac string) []byte {
	fits := func(secret []byte) bool {
		return len(secret) > 0 && hmac.Equal([]byte(asked.proof(secret)), []byte(mac))
	}
	secret, err := p.secret(ctx)
	if err != nil {
		return nil
	}
	if !fits(secret) {
		secret = p.another(ctx, secret)
		if !fits(secret) {
			return nil
		}
	}
	return secret
}

// ofNode is the query parameter that names the node that a request is for.
const ofNode = "of"

// Get sends a signed request to another node. The caller closes the answer.
func (p *Peers) Get(ctx context.Context, node, address, path string, query url.Values) (*Answer, error) {
	secret, err := p.secret(ctx)
	if errors.Is(err, context.Canceled) { // the client has gone, or the node ends
		return nil, fmt.Errorf("%w: the request was canceled, or this node is shutting down", ErrUnavailable)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: only %s has this, and this node cannot authenticate to it: %w; ask %[2]s itself",
			ErrUnavailable, node, err)
	}
	scheme := "http"
	if host, secure := strings.CutPrefix(address, "https://"); secure {
		scheme, address = "https", host
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("%w: invalid address %q of %s: %w", ErrUnavailable, address, node, err)
	}
	named := url.Values{}
	maps.Copy(named, query)
	named.Set(ofNode, node)
	target := &url.URL{Scheme: scheme, Host: address, Path: path, RawQuery: named.Encode()}
	got, err := p.put(ctx, node, target, secret)
	if errors.Is(err, errUnproven) {
		if fresh := p.another(ctx, secret); fresh != nil { // the secret was replaced
			got, err = p.put(ctx, node, target, fresh)
		}
	}
	if errors.Is(err, errUnproven) {
		err = fmt.Errorf(
			"%w: the service at %s does not prove that it is %s; both nodes must have the same secret "+
				"([http] secretFile, or that of the store) and the same version, and %[3]s must be reached at its [http] advertise",
			ErrUnavailable,
			address,
			node,
		)
	}
	return got, err
}

// LeasePath is the path at which a node answers others with its lease.
const LeasePath = "/peer/v3/lease"

// Check asks another node for its lease. The error states why this node cannot ask it, and after a semicolon what to do.
func (p *Peers) Check(ctx context.Context, node, address string) error {
	got, err := p.Get(ctx, node, address, LeasePath, nil)
	if err != nil {
		return err
	}
	return got.Close()
}

// put sends a request to another node, signed with a secret. The error matches errUnproven if the answer does not prove that
// the other side has the secret.
func (p *Peers) put(ctx context.Context, node string, target *url.URL, secret []byte) (*Answer, error) {
	asked := question{method: http.MethodGet, uri: target.RequestURI(), address: target.Host, number: rand.Text()}
	for {
		resp, err := p.ask(ctx, target, asked, secret) //nolint:bodyclose // closed with the answer that is returned
		if err != nil {
			return nil, fmt.Errorf("%w: %s at %s %s", ErrUnavailable, node, asked.address, unreached(err))
		}
		fresh := resp.Header.Get(nonceHeader)
		if asked.nonce == "" && resp.StatusCode == http.StatusUnauthorized && fresh != "" && len(fresh) <= maxNonce {
			_ = resp.Body.Close()
			asked.nonce = fresh
			continue
		}
		body := &provenReader{
			in:    bufio.NewReaderSize(resp.Body, 4<<10),
			proof: func(frame int, data []byte) string { return asked.frameProof(secret, frame, resp.StatusCode, data) },
		}
		if asked.nonce == "" || body.begin() != nil {
			_ = resp.Body.Close()
			return nil, errUnproven
		}
		if resp.StatusCode == http.StatusOK {
			return &Answer{body, resp.Body}, nil
		}
		defer func() { _ = resp.Body.Close() }()
		text, _ := io.ReadAll(io.LimitReader(body, 4<<10))
		var why answer.Problem
		_ = json.Unmarshal(text, &why)
		if resp.StatusCode == http.StatusNotFound && why.Status == http.StatusNotFound {
			return nil, &why // the other node answered that it does not have it
		}
		if resp.StatusCode == http.StatusMisdirectedRequest {
			return nil, fmt.Errorf("%w: %s is not at %s: %s; the [http] advertise of %[2]s must lead to it", ErrUnavailable, node, asked.address, why.Detail)
		}
		return nil, fmt.Errorf("%w: %s at %s answers %s %s", ErrUnavailable, node, asked.address, resp.Status, why.Detail)
	}
}

// Answer is the answer of another node. Every byte that is read from it is proven.
type Answer struct {
	io.Reader
	io.Closer
}

// unreached states why there is no answer. It contains nothing of the received data.
func unreached(err error) string {
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return "cannot be reached: " + address.Reason(dial) + "; if the node runs, its [http] advertise must lead to it, and the port must be open; " +
			"if it has died, its workers move to other nodes after its session ends"
	}
	if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "presents a certificate that " + distrust(untrusted)
	}
	if errors.Is(err, context.DeadlineExceeded) || os.IsTimeout(err) {
		return "does not answer in time"
	}
	return "does not answer as a node does"
}

// distrust states what is wrong with a certificate, and the fix.
func distrust(err error) string {
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "has expired or is not valid yet; renew it, or set the clocks of both machines"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "is not for this address; its [http] advertise must be a name or address of the certificate"
	}
	return "is not trusted; [http.tls] ca of this node must have the authority of that certificate"
}

// ask sends a request, signed if it has a nonce.
func (p *Peers) ask(ctx context.Context, target *url.URL, asked question, secret []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, asked.method, target.String(), nil)
	if err != nil {
		return nil, err
	}
	if asked.nonce != "" {
		req.Header.Set("Authorization", peerScheme+asked.nonce+":"+asked.proof(secret))
		req.Header.Set(numberHeader, asked.number)
	}
	var secure *tls.Config
	if p.TLS != nil {
		secure = p.TLS()
	}
	// The client follows no redirects. It keeps no connections, because people request logs rarely.
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{ResponseHeaderTimeout: headTimeout, DisableKeepAlives: true, TLSClientConfig: secure},
	}
	return client.Do(req)
}
