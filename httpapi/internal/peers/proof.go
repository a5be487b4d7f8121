package peers

import (
	"bufio"
	"crypto/hmac"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// question is one request from node to node. Both sides contribute a fresh value: the asking node a number, the answering
// node a nonce. Both values are signed with the request and with each frame of the answer, so that neither the request nor
// the answer can be replayed or used for another request.
type question struct {
	method, uri string
	address     string // of the answering node
	nonce       string // of the answering node
	number      string // of the asking node
}

// proof is the signature of the request.
func (q question) proof(secret []byte) string {
	return sign(secret, "ask", q.method, q.uri, q.address, q.nonce, q.number)
}

// An answer from node to node is a sequence of frames. Each has a proof that a node with the secret has sent it, at this
// position of the answer to this request:
//
//	proof " " length "\n" length bytes
//
// An empty frame marks the end, so that the reader detects an answer that was cut short.

// MaxFrame is the maximum size of a frame, in bytes.
const MaxFrame = 32 << 10

// errUnproven: the answer is not from a node with the secret, or it was changed on the way.
var errUnproven = errors.New("unproven answer")

// frameProof is the signature of a frame of the answer.
func (q question) frameProof(secret []byte, frame, code int, data []byte) string {
	return sign(secret, "answer", q.method, q.uri, q.address, q.nonce, q.number, strconv.Itoa(frame), strconv.Itoa(code), string(data))
}

// provingWriter sends an answer in frames.
type provingWriter struct {
	http.ResponseWriter
	proof func(frame, code int, data []byte) string
	code  int
	sent  int // frames
	held  []byte
	err   error
}

func (p *provingWriter) WriteHeader(code int) {
	if p.code == 0 {
		p.code = code
	}
	p.ResponseWriter.WriteHeader(code)
}

func (p *provingWriter) Write(b []byte) (int, error) {
	if p.code == 0 {
		p.code = http.StatusOK
	}
	p.held = append(p.held, b...)
	for len(p.held) >= MaxFrame && p.err == nil {
		p.frame(p.held[:MaxFrame])
		p.held = p.held[MaxFrame:]
	}
	return len(b), p.err
}

func (p *provingWriter) frame(data []byte) {
	head := fmt.Appendf(nil, "%s %d\n", p.proof(p.sent, p.code, data), len(data))
	p.sent++
	if _, err := p.ResponseWriter.Write(append(head, data...)); err != nil && p.err == nil {
		p.err = err
	}
}

func (p *provingWriter) rest() {
	if len(p.held) > 0 && p.err == nil {
		p.frame(p.held)
		p.held = nil
	}
}

// FlushError lets http.ResponseController flush. It sends the buffered bytes as a frame.
func (p *provingWriter) FlushError() error {
	if p.rest(); p.err != nil {
		return p.err
	}
	return http.NewResponseController(p.ResponseWriter).Flush()
}

// Unwrap lets http.ResponseController set deadlines.
func (p *provingWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// end sends the buffered bytes and the empty frame that ends the answer.
func (p *provingWriter) end() {
	if p.code == 0 {
		p.code = http.StatusOK
	}
	if p.rest(); p.err == nil {
		p.frame(nil)
	}
}

// provenReader reads an answer. It returns no byte of an unproven frame.
type provenReader struct {
	in    *bufio.Reader
	proof func(frame int, data []byte) string
	read  int // frames
	left  []byte
	err   error
}

func (p *provenReader) Read(b []byte) (int, error) {
	for len(p.left) == 0 {
		if p.err != nil {
			return 0, p.err
		}
		p.left, p.err = p.frame()
	}
	n := copy(b, p.left)
	p.left = p.left[n:]
	return n, nil
}

// begin reads the first frame, which proves that the other side has the secret.
func (p *provenReader) begin() error {
	p.left, p.err = p.frame()
	if errors.Is(p.err, io.EOF) {
		return nil
	}
	return p.err
}

func (p *provenReader) frame() ([]byte, error) {
	const mostOfHead = 64 + 1 + 5 + 1 // hexadecimal digits of a SHA-256, and a length
	head, err := p.in.ReadSlice('\n')
	if err != nil || len(head) > mostOfHead {
		return nil, errUnproven
	}
	proof, length, _ := strings.Cut(strings.TrimSuffix(string(head), "\n"), " ")
	n, err := strconv.ParseUint(length, 10, 16)
	if err != nil || n > MaxFrame {
		return nil, errUnproven
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(p.in, data); err != nil || !hmac.Equal([]byte(proof), []byte(p.proof(p.read, data))) {
		return nil, errUnproven
	}
	p.read++
	if n == 0 {
		return nil, io.EOF
	}
	return data, nil
}
