//go:build !linux

package command

import (
	"context"
	"errors"
)

// Supported reports whether programs can be run as works here: this system has no orphans to adopt.
const Supported = false

// IsShim returns false.
func IsShim() bool { return false }

// Shim does nothing.
func Shim() int { return 1 }

// Run fails.
func (k *Keeper) Run(context.Context, Spec, Job) error {
	return errors.New("programs can be run as works on Linux only")
}

func processes(int) string { return "" }

func removeStale() {}

// MayGroup reports whether programs of this process can have control groups of their own.
func MayGroup() bool { return false }
