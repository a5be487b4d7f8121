package mem

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"runtime"
	"strconv"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
)

// Client is one machine's access to a service; it implements coord.Store.
type Client struct {
	service *Service
	id      int
	rate    float64
	timeout time.Duration // of its sessions

	mu                 sync.Mutex
	there, back, awake gate
	server             int
	mute               bool // the answers to commits are lost
	sent               map[Request]int
	killed             chan struct{} // closed when the process is dead
}

// gate is open while something can pass. It is guarded by the client's lock.
type gate struct{ open chan struct{} }

func newGate() gate {
	g := gate{make(chan struct{})}
	close(g.open)
	return g
}

func (g *gate) isOpen() bool {
	select {
	case <-g.open:
		return true
	default:
		return false
	}
}

func (g *gate) set(open bool) {
	switch was := g.isOpen(); {
	case open && !was:
		close(g.open)
	case !open && was:
		g.open = make(chan struct{})
	}
}

// Client returns a new access with a link of its own.
func (s *Service) Client() *Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients++
	return &Client{
		service: s, id: s.clients, rate: 1, timeout: s.cfg.Timeout, server: s.clients % len(s.servers),
		there: newGate(), back: newGate(), awake: newGate(),
		sent: map[Request]int{}, killed: make(chan struct{}),
	}
}

// Cut takes the link down: requests wait, and so do answers; the service hears nothing.
func (c *Client) Cut() { c.pass(false, false) }

// CutRequests takes the link down in one direction: nothing arrives at the service.
func (c *Client) CutRequests() { c.pass(false, true) }

// CutReplies takes the link down in the other direction: the answers of the service do not arrive here.
func (c *Client) CutReplies() { c.pass(true, false) }

// Heal brings the link up. Sessions that the service ended meanwhile hear of it.
func (c *Client) Heal() { c.pass(true, true) }

func (c *Client) pass(there, back bool) {
	c.change(func() {
		c.there.set(there)
		c.back.set(back)
		if there && back {
			c.mute = false
		}
	})
}

// LoseReplies makes commits take effect while their answers are lost, until Heal.
func (c *Client) LoseReplies() { c.change(func() { c.mute = true }) }

// Pause stops the client's process: calls to it wait, and so do calls for the
// lease clock, until Resume. The process sends nothing, and its sessions may expire meanwhile.
func (c *Client) Pause() { c.change(func() { c.awake.set(false) }) }

// Resume ends Pause.
func (c *Client) Resume() { c.change(func() { c.awake.set(true) }) }

// Kill ends the client's process permanently. Its sessions stay with the service until they expire.
func (c *Client) Kill() {
	s := c.service
	s.mu.Lock()
	defer s.mu.Unlock()
	c.mu.Lock()
	c.there.set(false)
	select {
	case <-c.killed:
	default:
		close(c.killed)
	}
	c.awake.set(true) // goroutines of the killed process must end
	c.mu.Unlock()
	for _, ss := range s.sessions {
		if ss.client == c {
			ss.over()
		}
	}
}

func (c *Client) dead() bool {
	select {
	case <-c.killed:
		return true
	default:
		return false
	}
}

// Drift makes the client's lease clock run wrong by a rate, 1 being right. It must be called before
// Open.
func (c *Client) Drift(rate float64) { c.rate = rate }

// SetTimeout sets the session timeout that the client's sessions are granted. It must be called before Open.
func (c *Client) SetTimeout(timeout time.Duration) { c.timeout = timeout }

// Move lets the client use another server. As with real services, that one must not be behind what the client's sessions
// have seen, so it catches up. A server that is cut off cannot catch up and refuses the client, which stays where it is.
func (c *Client) Move(server int) {
	s := c.service
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.servers[server].cut {
		return
	}
	for _, ss := range s.sessions {
		if ss.client == c {
			to := s.servers[server]
			for i := range to.queue {
				to.queue[i].at = min(to.queue[i].at, s.now())
			}
			to.catchUp()
			ss.rewatch(s.servers[c.server], to)
		}
	}
	c.mu.Lock()
	c.server = server
	c.mu.Unlock()
	s.later(s.notifyAll)
}

// ID returns the number of the client in Faults and Commits.
func (c *Client) ID() int { return c.id }

// Server returns the number of the server that the client uses.
func (c *Client) Server() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.server
}

func (c *Client) change(f func()) {
	c.mu.Lock()
	f()
	c.mu.Unlock()
	c.service.later(c.service.notifyAll)
}

// Now reads the client's lease clock; unlike a session's, it answers while the process is paused.
func (c *Client) Now() time.Duration { return c.now() }

// Reachable reports whether answers of the service reach the client's process.
func (c *Client) Reachable() bool {
	c.service.mu.Lock()
	defer c.service.mu.Unlock()
	return c.reachable() && !c.dead() && !c.service.servers[c.Server()].cut
}

func (c *Client) now() time.Duration {
	return time.Duration(float64(c.service.now()) * c.rate)
}

// reachable reports whether answers of the service arrive.
func (c *Client) reachable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.there.isOpen() && c.back.isOpen() && c.awake.isOpen()
}

// unanswered reports whether the service hears the client while its answers do not arrive.
func (c *Client) unanswered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.there.isOpen() && !c.back.isOpen() && c.awake.isOpen()
}

// heard reports whether the service hears the client.
func (c *Client) heard() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.there.isOpen() && c.awake.isOpen()
}

// rouse waits while the process is paused. The callers that waited go on one after the other, in an order that depends on
// their identity and not on their arrival.
func (c *Client) rouse() {
	for {
		c.mu.Lock()
		awake := c.awake
		c.mu.Unlock()
		if awake.isOpen() {
			return
		}
		<-awake.open
		time.Sleep(caller())
	}
}

// caller returns a number of microseconds that differs between the parts of a process.
func caller() time.Duration {
	var pcs [16]uintptr
	h := fnv.New32a()
	for frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])]); ; {
		frame, more := frames.Next()
		_, _ = h.Write([]byte(frame.Function))
		if !more {
			return time.Duration(h.Sum32() % 100_000)
		}
	}
}

// call is a request on its way.
type call struct {
	client *Client
	ctx    context.Context
	done   <-chan struct{} // of its session
}

// wait waits until next returns a channel that is closed already. Callers that waited for the same channel do not go on at
// the same instant: each one sleeps for its own time again.
func (c call) wait(next func() <-chan struct{}, again time.Duration) error {
	for {
		open := next()
		select {
		case <-open:
			return c.over()
		default:
		}
		select {
		case <-open:
			if err := c.sleep(again); err != nil {
				return err
			}
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		case <-c.done:
			return coord.ErrSessionEnded
		case <-c.client.killed:
			return coord.ErrSessionEnded
		}
	}
}

func (c call) sleep(d time.Duration) error {
	if d <= 0 {
		return c.over()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return c.over()
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	case <-c.done:
		return coord.ErrSessionEnded
	case <-c.client.killed:
		return coord.ErrSessionEnded
	}
}

// over returns why the caller no longer waits; nil if it does. If the wait is over for two reasons, the end of the session
// comes first.
func (c call) over() error {
	select {
	case <-c.done:
		return coord.ErrSessionEnded
	case <-c.client.killed:
		return coord.ErrSessionEnded
	default:
		return c.ctx.Err()
	}
}

func (c *Client) gateOf(g *gate) func() <-chan struct{} {
	return func() <-chan struct{} {
		c.mu.Lock()
		defer c.mu.Unlock()
		return g.open
	}
}

// arrive waits until a request has reached the server.
func (c call) arrive(there time.Duration) error {
	if err := c.sleep(c.client.service.cfg.Latency + there); err != nil {
		return err
	}
	return c.wait(c.client.gateOf(&c.client.there), there)
}

// answer waits until the answer has reached the caller.
func (c call) answer(back time.Duration) error {
	if err := c.sleep(back); err != nil {
		return err
	}
	if err := c.wait(c.client.gateOf(&c.client.back), back); err != nil {
		return err
	}
	c.client.rouse()
	return c.over()
}

// delivery decides the fate of a request.
func (c *Client) delivery(commit bool, key string) Delivery {
	decide := c.service.cfg.Faults.Request
	if decide == nil {
		return Delivery{}
	}
	r := Request{Client: c.id, At: c.service.now(), Commit: commit, Key: key}
	c.mu.Lock()
	n := c.sent[r]
	c.sent[r]++
	for old := range c.sent {
		if old.At != r.At {
			delete(c.sent, old)
		}
	}
	c.mu.Unlock()
	r.Nth = n
	return decide(r)
}

// Open implements coord.Store.
func (c *Client) Open(ctx context.Context) (coord.Session, error) {
	c.rouse()
	base := c.now()
	opening := call{c, ctx, nil}
	if err := opening.arrive(c.delivery(false, "").There); err != nil {
		return nil, fmt.Errorf("mem: the link is cut: %w", err)
	}
	if err := opening.answer(0); err != nil {
		return nil, fmt.Errorf("mem: the link is cut: %w", err)
	}
	s := c.service
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.servers[c.Server()].cut {
		return nil, errors.New("mem: the server is cut off")
	}
	s.nextID++
	ss := &session{
		service: s, client: c,
		id:      strconv.Itoa(s.nextID),
		timeout: c.timeout,
		done:    make(chan struct{}),
		base:    base,
		renewed: coord.Renewals{Spacing: s.spacing()},
	}
	ss.renewed.Begin(base, c.now())
	ss.answers.Answered(s.changes, c.now())
	s.sessions[ss.id] = ss
	ss.expiry = time.AfterFunc(ss.timeout, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.expire(ss)
	})
	ss.ping = time.AfterFunc(ss.timeout/3, ss.pinged)
	return ss, nil
}
