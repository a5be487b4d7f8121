package cluster

import "time"

// Phase is a duration that may be left out. Its zero value is not set, which differs from a phase of 0s. Equal phases are ==,
// so that declarations can be compared.
type Phase struct {
	by  Duration
	set bool
}

// PhaseOf returns a phase that is set.
func PhaseOf(d time.Duration) Phase { return Phase{Duration(d), true} }

// Get returns the phase, and whether it is set.
func (p Phase) Get() (d time.Duration, set bool) { return time.Duration(p.by), p.set }

// IsZero reports whether the phase is not set; it is then left out of JSON.
func (p Phase) IsZero() bool { return !p.set }

// Equal reports whether two phases are the same, for packages that compare values field by field.
func (p Phase) Equal(other Phase) bool { return p == other }

// MarshalText implements encoding.TextMarshaler.
func (p Phase) MarshalText() ([]byte, error) {
	if !p.set {
		return nil, nil
	}
	return p.by.MarshalText()
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Phase) UnmarshalText(text []byte) error {
	if err := p.by.UnmarshalText(text); err != nil {
		return err
	}
	p.set = true
	return nil
}
