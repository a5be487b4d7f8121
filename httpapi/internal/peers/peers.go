// Package peers is how the nodes of a cluster ask each other over HTTP, and what they prove to each other.
//
// # The model
//
//	the node that asks                                    the node that is asked
//	Get ─▶ a question without a signature ───────────▶ Signed: 401, with a nonce
//	    ─▶ signed over the nonce and a number ─────────▶ Signed: lets it through, once
//	reads what is proven ◀── frames, each signed ─────── the handler's answer
//
// Tails are the logs of other nodes' workers that are followed: the other node is asked once for each, however many follow.
package peers

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
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

// Peers is how nodes ask each other. A request from node to node is signed with a secret that all nodes of
// a cluster have, and answered only if it is: whoever can write into the coordination service could have a
// node send a token to an address of his own, so none is ever sent.
//
// The node that is asked gives a number that is good for one request, soon; the one that asks signs it together with a
// number of its own, what it asks for and of whom; and each piece of the answer is signed together with all of that. Of
// an answer that is not signed nothing is shown to anybody. No clocks of two machines are compared, and what was
// overheard, a question or an answer, cannot be used again. Who listens can read the answer: that is for TLS.
type Peers struct {
	Secret []byte // at least MinSecret bytes; none: that of Shared
	// Shared returns the secret that nodes have in common elsewhere, as in the store. It is called when it is needed, from
	// any goroutine and not twice at the same time: again when what it returned is older than a minute, and while another
	// node's does not fit, at most every five seconds. An error that matches ErrNoSecret ends the last secret; after any
	// other that stays in force. Without it and Secret nobody is asked, and nobody is answered.
	Shared    func(context.Context) ([]byte, error)
	Advertise string // where this node can be reached, host:port
	// TLS is how to reach nodes that say to be reached at https://host:port; nil for the system's roots.
	TLS *tls.Config

	shared sharedSecret

	mu    sync.Mutex
	key   []byte // of this process, by which it knows the numbers that it has given
	began time.Time
	used  map[string]time.Time // until when they would be good
}

// MinSecret is how long a cluster's secret has to be, in bytes.
const MinSecret = 32

// ErrUnavailable is matched by the error of what another node cannot be asked.
var ErrUnavailable = errors.New("the other node cannot be asked")

const (
	headPatience = 5 * time.Second // for the beginning of an answer
	// Patience is how long all of another node's answer may take.
	Patience = 30 * time.Second

	peerScheme   = "Xconsumer "
	nonceHeader  = "X-Xconsumer-Nonce"  // of an answer: what the next request has to sign
	numberHeader = "X-Xconsumer-Number" // of a signed request: what the answer has to sign
	nonceLife    = 30 * time.Second
	maxNonce     = 200 // bytes of another node's nonce or number
)

func sign(secret []byte, parts ...string) string {
	mac := hmac.New(sha256.New, secret)
	for _, part := range parts {
		_, _ = fmt.Fprintf(mac, "%d:%s", len(part), part) // a hash does not fail
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// issue makes a number that one request may sign. Nothing is kept of it: it says when it was made, and proves that
// this process has made it, so that whoever asks for many takes none from others.
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

// take reports whether this process has made a number lately that no request has used, and uses it. It is called for
// those alone that a node with the secret has signed, which bounds what is kept of them.
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

// own reports whether this process has made a number lately, used or not. It costs strangers what they send: nothing is
// looked up for those that have none.
func (p *Peers) own(nonce string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.until(nonce)
	return ok
}

// until returns until when a number is good that this process has made. The caller holds mu.
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

// Signed lets a request through that another node has signed, and signs the answer. The request is for this node by
// its name: at the same loopback address of another machine there is another.
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

// signedWith returns the secret that a question is signed with, nil if that is not the cluster's.
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

// ofNode is the parameter that names the node which is asked.
const ofNode = "of"

// Get asks another node.
func (p *Peers) Get(ctx context.Context, node, address, path string, query url.Values) (*Answer, error) {
	secret, err := p.secret(ctx)
	if errors.Is(err, context.Canceled) { // nobody waits for the answer, or all requests end
		return nil, fmt.Errorf("%w: the node that was asked ends, or the request was given up", ErrUnavailable)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: only %s can tell, and this node cannot prove to it who it is: %w; ask %[2]s itself",
			ErrUnavailable, node, err)
	}
	scheme := "http"
	if host, secure := strings.CutPrefix(address, "https://"); secure {
		scheme, address = "https", host
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("%w: %s is said to be at %q: %w", ErrUnavailable, node, address, err)
	}
	named := url.Values{}
	maps.Copy(named, query)
	named.Set(ofNode, node)
	target := &url.URL{Scheme: scheme, Host: address, Path: path, RawQuery: named.Encode()}
	got, err := p.put(ctx, node, target, secret)
	if errors.Is(err, errUnproven) {
		if fresh := p.another(ctx, secret); fresh != nil { // it was replaced
			got, err = p.put(ctx, node, target, fresh)
		}
	}
	if errors.Is(err, errUnproven) {
		err = fmt.Errorf(
			"%w: what answers at %s does not prove that it is %s: both nodes must hold the same secret "+
				"([http] secretFile, or that of the store), be of one version, and %[3]s must be reached at its [http] advertise",
			ErrUnavailable,
			address,
			node,
		)
	}
	return got, err
}

// put puts a question to another node. The error matches errUnproven if what answers does not prove that it has the
// secret.
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
			return nil, &why // it was asked, and it has no such thing
		}
		return nil, fmt.Errorf("%w: %s at %s answers %s %s", ErrUnavailable, node, asked.address, resp.Status, why.Detail)
	}
}

// Answer is an answer that another node has given. What is read of it is proven.
type Answer struct {
	io.Reader
	io.Closer
}

// unreached says why nobody has answered, with nothing of what was received in it.
func unreached(err error) string {
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return "cannot be reached: " + address.Reason(dial) + "; if it has died, its workers are given to other nodes after its session ends"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "shows a certificate that is not trusted here; see [http.tls] ca"
	}
	if errors.Is(err, context.DeadlineExceeded) || os.IsTimeout(err) {
		return "does not answer in time"
	}
	return "does not answer as a node does"
}

// ask sends a question, signed once there is a nonce to sign.
func (p *Peers) ask(ctx context.Context, target *url.URL, asked question, secret []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, asked.method, target.String(), nil)
	if err != nil {
		return nil, err
	}
	if asked.nonce != "" {
		req.Header.Set("Authorization", peerScheme+asked.nonce+":"+asked.proof(secret))
		req.Header.Set(numberHeader, asked.number)
	}
	// It follows nobody elsewhere, and keeps no connections: logs are asked for by people.
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{ResponseHeaderTimeout: headPatience, DisableKeepAlives: true, TLSClientConfig: p.TLS},
	}
	return client.Do(req)
}
