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

// Handle registers a work under a name. Tasks refer to it by their WorkName; the case of the first letter does not matter.
// It must be called before Run, which returns the mistakes.
func (n *Node) Handle(name string, work Func) { n.works.handle(name, work) }

// HandleStop registers a stop function for the work of a name. Without one, the context of the work is cancelled as soon as
// it must stop. It must be called before Run, which returns the mistakes.
func (n *Node) HandleStop(name string, stop StopFunc) { n.works.handleStop(name, stop) }

// Methods registers every exported method RunXxx of v as a work named xxx: method RunTest01 is work "test01". The method
// takes nothing, a context.Context, or a context.Context and a *Worker; it returns nothing or an error. Any other signature
// is a mistake that Run returns. A method that takes nothing cannot notice that it must stop, and its slot is released only
// when it returns by itself: it should do one piece of work and return.
//
// A method StopXxx of v is the stop function of RunXxx; see HandleStop. It takes a context.Context, or a context.Context and
// a *Worker, and returns nothing.
func (n *Node) Methods(v any) { n.works.methods(v) }

// works holds the functions that a node has registered, and the mistakes in the registrations.
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

// handleStop registers a stop function.
func (s *works) handleStop(name string, stop StopFunc) {
	if stop == nil {
		s.mistakes = append(s.mistakes, fmt.Errorf("work %s has a stop function that is nil", name))
		return
	}
	s.stops[cluster.WorkName(name)] = func(ctx context.Context, run *worker.Run) { stop(ctx, &Worker{run}) }
}

// check returns every mistake, joined: those of the registrations, and stop functions without a work.
func (s *works) check() error {
	mistakes := slices.Clone(s.mistakes)
	for _, name := range slices.Sorted(maps.Keys(s.stops)) {
		if s.funcs[name] == nil {
			mistakes = append(mistakes, fmt.Errorf("work %s has a stop function and is not registered", name))
		}
	}
	return errors.Join(mistakes...)
}

// methods registers every method RunXxx of v, with its method StopXxx.
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
			const want = "a work takes (), (context.Context) or (context.Context, *xconsumer.Worker) and returns nothing or an error"
			signature := strings.TrimPrefix(rv.Method(i).Type().String(), "func")
			s.mistakes = append(s.mistakes, fmt.Errorf("method %s.%s has signature %s; %s", rv.Type(), method, signature, want))
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
		const want = "it takes (context.Context) or (context.Context, *xconsumer.Worker) and returns nothing"
		s.mistakes = append(s.mistakes, fmt.Errorf("the stop function of work %s has signature %T; %s", name, method, want))
	}
}

// adapt makes a Func of a method value; nil if the method does not have the signature of a work.
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
