package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Every duration of a task and of the cluster's policy says what 0 would mean, so that a new one cannot be forgotten.
func TestEveryDurationSaysWhatZeroMeans(t *testing.T) {
	for table, of := range map[string]reflect.Type{"task": reflect.TypeFor[cluster.TaskSpec](), "rebalance": reflect.TypeFor[cluster.Rebalance]()} {
		names := durationNames(of)
		if len(names) == 0 {
			t.Fatalf("%v has no durations", of)
		}
		for _, name := range names {
			if _, _, refused := zeroOf(table + "." + name); !refused {
				t.Errorf("%s of %v has no zero tag", name, of)
			}
		}
	}
	for key, field := range keys {
		if text, has := field.Tag.Lookup("zero"); has && strings.Count(text, "|") != 1 {
			t.Errorf("the zero tag of %s is not what 0 would mean, |, and what to write: %q", key, text)
		}
	}
}

// durationNames returns the JSON names of the durations in a struct and in the structs within it.
func durationNames(of reflect.Type) (names []string) {
	for _, field := range reflect.VisibleFields(of) {
		switch name, _, _ := strings.Cut(field.Tag.Get("json"), ","); {
		case field.Type == durationType:
			names = append(names, name)
		case field.Type == phaseType: // takes 0
		case field.Type.Kind() == reflect.Struct && !field.Anonymous:
			for _, inner := range durationNames(field.Type) {
				names = append(names, name+"."+inner)
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

// The settings of a file are those that a node would publish, with the policy of the environment.
func TestDeclaredSettings(t *testing.T) {
	t.Chdir(t.TempDir())
	settings := func(file, policy string) *cluster.Settings {
		t.Helper()
		if err := os.WriteFile(DefaultFile, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := LoadDeclarations("", func(name string) string { return map[string]string{"XCONSUMER_LEADER_WORKERS": policy}[name] })
		if err != nil {
			t.Fatal(err)
		}
		return d.Settings
	}
	if got := settings("cluster = \"a\"\n", ""); got != nil {
		t.Errorf("%+v of a file without settings", got)
	}
	want := cluster.Settings{LeaderWorkers: cluster.LeaderEqual, Rebalance: cluster.Rebalance{MaxInFlight: 4}}
	if got := settings("[rebalance]\nmaxInFlight = 4\n[leader]\nworkers = \"equal\"\n", ""); got == nil || *got != want {
		t.Errorf("%+v", got)
	}
	t.Setenv(QuietVariable, "3s")
	if d, err := LoadDeclarations("", os.Getenv); err != nil || d.Settings == nil || d.Settings.Rebalance.Quiet != cluster.Duration(3*time.Second) {
		t.Errorf("%+v with the variable of quiet, %v", d.Settings, err)
	}
	want = cluster.Settings{LeaderWorkers: cluster.LeaderNone}
	if got := settings("[leader]\nworkers = \"equal\"\n", "none"); got == nil || *got != want {
		t.Errorf("%+v with the variable", got)
	}
}
