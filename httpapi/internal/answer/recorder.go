package answer

import "net/http"

// Recorder is a response writer that records the status.
type Recorder struct {
	http.ResponseWriter
	Code int // 200 until another one is written

	wrote bool
}

// Record returns a recorder of what is written to w.
func Record(w http.ResponseWriter) *Recorder {
	return &Recorder{ResponseWriter: w, Code: http.StatusOK}
}

// WriteHeader records the first status, and writes it.
func (r *Recorder) WriteHeader(code int) {
	if !r.wrote {
		r.Code, r.wrote = code, true
	}
	r.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController flush.
func (r *Recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
