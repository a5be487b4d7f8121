package xconsumer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/worker"
)

// Handle registers a work under a name. Tasks name it by their WorkName; the case of the first
// letter does not matter. It must be called before Run, which reports mistakes.
func (n *Node) Handle(name string, work Func) { n.works.handle(name, work) }

// HandleStop gives the work of a name its own way to stop. Without one its context is cancelled at once.
func (n *Node) HandleStop(name string, stop StopFunc) { n.works.handleStop(name, stop) }

// Methods registers every exported method of v whose name is RunXxx as a work named xxx: method
// RunTest01 is work "test01". A method takes nothing, a context.Context, or a context.Context
// and a *Worker, and returns nothing or an error; any other signature is a mistake that Run
// reports. A method that takes nothing cannot be told to stop: its slot is given back only when
// it returns by itself, so it should do a piece of work and return. A method StopXxx beside it, with
// a context.Context or a context.Context and a *Worker, is its way to stop; see HandleStop.
func (n *Node) Methods(v any) { n.works.methods(v) }

// works is what a node has registered, with the mistakes in it.
type works struct {
	funcs    map[string]worker.Func
	stops    map[string]worker.StopFunc
	mistakes []error
}

func newWorks() *works {
	return &works{funcs: map[string]worker.Func{}, stops: map[string]worker.StopFunc{}}
}

// names returns the names of the works.
func (s *works) names() []string { return slices.Collect(maps.Keys(s.funcs)) }

// handle registers a work.
func (s *works) handle(name string, work Func) {
	if err := cluster.ValidateName(name); err != nil {
		s.mistakes = append(s.mistakes, fmt.Errorf("work name: %w", err))
		return
	}
	if work == nil {
		s.mistakes = append(s.mistakes, fmt.Errorf("work %s has no function", name))
		return
	}
	key := cluster.WorkName(name)
	if s.funcs[key] != nil {
		s.mistakes = append(s.mistakes, fmt.Errorf("work %s is registered twice", key))
		return
	}
	s.funcs[key] = func(ctx context.Context, run *worker.Run) error { return work(ctx, &Worker{run}) }
}

// handleStop registers a way to stop.
func (s *works) handleStop(name string, stop StopFunc) {
	if stop == nil {
		s.mistakes = append(s.mistakes, fmt.Errorf("work %s: its way to stop has no function", name))
		return
	}
	s.stops[cluster.WorkName(name)] = func(ctx context.Context, run *worker.Run) { stop(ctx, &Worker{run}) }
}

// check returns every mistake, joined: those of registering, and ways to stop of works that do not exist.
func (s *works) check() error {
	mistakes := slices.Clone(s.mistakes)
	for _, name := range slices.Sorted(maps.Keys(s.stops)) {
		if s.funcs[name] == nil {
			mistakes = append(mistakes, fmt.Errorf("there is a way to stop work %s, and no such work", name))
		}
	}
	return errors.Join(mistakes...)
}

// methods registers every method RunXxx of v, and its method StopXxx.
func (s *works) methods(v any) {
	rv := reflect.ValueOf(v)
	if !rv.IsValid() {
		s.mistakes = append(s.mistakes, errors.New("Methods(nil): nothing to register"))
		return
	}
	found := false
	for i := range rv.NumMethod() {
		method := rv.Type().Method(i).Name
		name, ok := strings.CutPrefix(method, "Run")
		if first, _ := utf8.DecodeRuneInString(name); !ok || !unicode.IsUpper(first) && !unicode.IsDigit(first) {
			continue
		}
		found = true
		work := adapt(rv.Method(i).Interface())
		if work == nil {
			s.mistakes = append(
				s.mistakes,
				fmt.Errorf(
					"method %s.%s has signature %s; a work takes (), (context.Context) or (context.Context, *xconsumer.Worker) and returns nothing or an error",
					rv.Type(),
					method,
					strings.TrimPrefix(rv.Method(i).Type().String(), "func"),
				),
			)
			continue
		}
		s.handle(cluster.WorkName(name), work)
		if stop := rv.MethodByName("Stop" + name); stop.IsValid() {
			s.methodStop(cluster.WorkName(name), stop.Interface())
		}
	}
	if !found {
		s.mistakes = append(s.mistakes, fmt.Errorf("%s has no exported method RunXxx", rv.Type()))
	}
}

// methodStop registers a method StopXxx.
func (s *works) methodStop(name string, method any) {
	switch f := method.(type) {
	case func(context.Context):
		s.handleStop(name, func(ctx context.Context, _ *Worker) { f(ctx) })
	case func(context.Context, *Worker):
		s.handleStop(name, f)
	default:
		s.mistakes = append(
			s.mistakes,
			fmt.Errorf(
				"the way to stop work %s has signature %T; it takes (context.Context) or (context.Context, *xconsumer.Worker) and returns nothing",
				name,
				method,
			),
		)
	}
}

// adapt makes a Func of a method value, nil if its signature is none of a work.
func adapt(method any) Func {
	switch f := method.(type) {
	case func():
		return func(context.Context, *Worker) error { f(); return nil }
	case func() error:
		return func(context.Context, *Worker) error { return f() }
	case func(context.Context):
		return func(ctx context.Context, _ *Worker) error { f(ctx); return nil }
	case func(context.Context) error:
		return func(ctx context.Context, _ *Worker) error { return f(ctx) }
	case func(context.Context, *Worker):
		return func(ctx context.Context, w *Worker) error { f(ctx, w); return nil }
	case func(context.Context, *Worker) error:
		return f
	}
	return nil
}
