package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
)

// Every duration of a task and of the cluster's policy says what 0 would mean, so that a new one cannot be forgotten.
func TestEveryDurationSaysWhatZeroMeans(t *testing.T) {
	for _, of := range []reflect.Type{reflect.TypeFor[cluster.TaskSpec](), reflect.TypeFor[xconsumer.Config]()} {
		names := durationNames(of)
		if len(names) == 0 {
			t.Fatalf("%v has no durations", of)
		}
		for _, name := range names {
			found := false
			for key := range zeroDurations {
				found = found || strings.HasSuffix(key, "."+name)
			}
			if !found {
				t.Errorf("zeroDurations has no key for %s of %v", name, of)
			}
		}
	}
	for key := range zeroDurations {
		if !isKey(key) {
			t.Errorf("zeroDurations has %q, which app.toml does not have", key)
		}
	}
}

// durationNames returns the JSON names of the durations in a struct and in the structs within it.
func durationNames(of reflect.Type) (names []string) {
	for _, field := range reflect.VisibleFields(of) {
		switch name, _, _ := strings.Cut(field.Tag.Get("json"), ","); {
		case field.Type == durationType:
			names = append(names, name)
		case field.Type == reflect.TypeFor[cluster.Phase](): // takes 0
		case field.Type.Kind() == reflect.Struct && !field.Anonymous:
			for _, inner := range durationNames(field.Type) {
				if name != "" {
					inner = name + "." + inner
				}
				names = append(names, inner)
			}
		}
	}
	return names
}

func TestFieldWithoutNameInJSON(t *testing.T) {
	for _, field := range reflect.VisibleFields(reflect.TypeFor[struct {
		None    int
		Options int `json:",omitempty"`
	}]()) {
		func() {
			defer func() {
				if got, want := fmt.Sprint(recover()), "config: field "+field.Name+" has no name in JSON"; got != want {
					t.Errorf("panic %q, want %q", got, want)
				}
			}()
			jsonName(field)
		}()
	}
	hidden := reflect.StructField{Name: "Hidden", Tag: `json:"-"`}
	if name, listed := jsonName(hidden); listed {
		t.Errorf("a field that JSON leaves out is listed as %q", name)
	}
}

// A number that an int cannot hold is refused, and not cut off. Only a program for 32 bits can tell 1 from 1 + 2³².
func TestNumbersDoNotOverflow(t *testing.T) {
	const tooLarge = "4294967297"
	for _, text := range []string{
		"[[task]]\nname = \"a\"\nworkName = \"a\"\nworkerNum = " + tooLarge,
		"[[task]]\nname = \"a\"\nworkName = \"a\"\nworkerNum = 1\nweight = " + tooLarge,
		"[node]\nweight = " + tooLarge,
	} {
		path := filepath.Join(t.TempDir(), "app.toml")
		if err := os.WriteFile(path, []byte("cluster = \"demo\"\n"+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Check(Flags{Config: path}, func(string) string { return "" })
		if err == nil || !strings.Contains(err.Error(), tooLarge) {
			t.Errorf("%s\n%v", text, err)
		}
	}
}
