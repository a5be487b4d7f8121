package httpapi

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Peers is how nodes ask each other. A request from node to node is signed with a secret that all nodes of
// a cluster have, and answered only if it is: whoever can write into the coordination service could have a
// node send a token to an address of his own, so none is ever sent.
//
// The node that is asked gives a number that is good for one request, soon; the one that asks signs it
// together with what it asks for and of whom; and the answer is signed, too. No clocks of two machines are
// compared, and what was overheard cannot be asked again. Who listens can read the answer: that is for TLS.
type Peers struct {
	Secret    []byte // at least MinSecret bytes; none: nobody is asked, and nobody is answered
	Advertise string // where this node can be reached, host:port
	// TLS is how to reach nodes that say to be reached at https://host:port; nil for the system's roots.
	TLS *tls.Config

	mu     sync.Mutex
	issued map[string]time.Time
}

// MinSecret is how long a cluster's secret has to be, in bytes.
const MinSecret = 32

const (
	peerScheme  = "Xconsumer "
	nonceHeader = "X-Xconsumer-Nonce" // of an answer: what the next request has to sign
	proofHeader = "X-Xconsumer-Proof" // of an answer: that it comes from a node with the secret
	nonceLife   = 30 * time.Second
	maxNonces   = 1000
)

func (p *Peers) sign(parts ...string) string {
	mac := hmac.New(sha256.New, p.Secret)
	for _, part := range parts {
		_, _ = fmt.Fprintf(mac, "%d:%s", len(part), part) // a hash does not fail
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// issue makes a number that one request may sign.
func (p *Peers) issue() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.issued == nil {
		p.issued = map[string]time.Time{}
	}
	for nonce, at := range p.issued {
		if now.Sub(at) > nonceLife || len(p.issued) >= maxNonces {
			delete(p.issued, nonce)
		}
	}
	nonce := rand.Text()
	p.issued[nonce] = now
	return nonce
}

// take tells whether a number was issued lately and not used.
func (p *Peers) take(nonce string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, known := p.issued[nonce]
	delete(p.issued, nonce)
	return known && time.Since(at) <= nonceLife
}

// signed lets a request through that another node has signed.
func (p *Peers) signed(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if p == nil || len(p.Secret) == 0 {
			answer(w, &Problem{Status: http.StatusForbidden, Title: "not answered", Detail: "this node has no [http] secretFile"})
			return
		}
		nonce, mac, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), peerScheme), ":")
		want := p.sign("ask", r.Method, r.URL.RequestURI(), p.Advertise, nonce)
		if !p.take(nonce) || !hmac.Equal([]byte(want), []byte(mac)) {
			w.Header().Set("WWW-Authenticate", strings.TrimSpace(peerScheme))
			w.Header().Set(nonceHeader, p.issue())
			answer(w, &Problem{Status: http.StatusUnauthorized, Title: "not signed", Detail: "only nodes of the cluster are answered here: their [http] secretFile must hold the same secret"})
			return
		}
		w.Header().Set(proofHeader, p.sign("answer", nonce))
		next(w, r)
	}
}

// get asks another node.
func (p *Peers) get(ctx context.Context, node, address, path string, query url.Values) (*http.Response, error) {
	switch {
	case p == nil || len(p.Secret) == 0:
		return nil, fmt.Errorf("%w: only %s can tell, and this node has no [http] secretFile to sign a request to it with; ask %[2]s itself", errPeer, node)
	case address == "":
		return nil, fmt.Errorf("%w: only %s can tell, and it has no [http] advertise where it could be reached; ask %[2]s itself", errPeer, node)
	}
	scheme := "http"
	if host, secure := strings.CutPrefix(address, "https://"); secure {
		scheme, address = "https", host
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("%w: %s is said to be at %q: %w", errPeer, node, address, err)
	}
	target := url.URL{Scheme: scheme, Host: address, Path: path, RawQuery: query.Encode()}
	nonce := ""
	for {
		resp, err := p.ask(ctx, &target, address, nonce)
		if err != nil {
			return nil, fmt.Errorf("%w: %s at %s: %w", errPeer, node, address, err)
		}
		fresh := resp.Header.Get(nonceHeader)
		switch {
		case nonce == "" && resp.StatusCode == http.StatusUnauthorized && fresh != "":
			_ = resp.Body.Close()
			nonce = fresh
			continue
		case nonce != "" && resp.Header.Get(proofHeader) == p.sign("answer", nonce) && resp.StatusCode == http.StatusOK:
			return resp, nil
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		var problem Problem
		_ = json.Unmarshal(body, &problem)
		return nil, fmt.Errorf("%w: %s at %s answers %s %s", errPeer, node, address, resp.Status, problem.Detail)
	}
}

func (p *Peers) ask(ctx context.Context, target *url.URL, address, nonce string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, err
	}
	if nonce != "" {
		req.Header.Set("Authorization", peerScheme+nonce+":"+p.sign("ask", req.Method, target.RequestURI(), address, nonce))
	}
	// It follows nobody elsewhere, and keeps no connections: logs are asked for by people.
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{ResponseHeaderTimeout: patience, DisableKeepAlives: true, TLSClientConfig: p.TLS},
	}
	return client.Do(req)
}
