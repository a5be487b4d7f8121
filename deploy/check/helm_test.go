package check_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

var auth = map[string]any{"tokens": "ada admin sha256:x\nhook operate sha256:y", "peers": strings.Repeat("p", 32), "drain": "token"}

// render renders the chart, one document after the other, in the order of the files.
func render(t *testing.T, values map[string]any) (documents []string, err error) {
	t.Helper()
	chart, err := loader.Load("../helm/xconsumer")
	if err != nil {
		t.Fatal(err)
	}
	all, err := chartutil.ToRenderValues(chart, values, chartutil.ReleaseOptions{Name: "work", Namespace: "default", IsInstall: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Render(chart, all)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for name := range files {
		if filepath.Ext(name) == ".yaml" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, d := range strings.Split(files[name], "\n---") {
			if lines := strings.TrimSpace(d); lines != "" {
				documents = append(documents, lines)
			}
		}
	}
	return documents, nil
}

// kinds are what documents are read into: a field that there is not is an error.
var kinds = map[string]func() any{
	"ConfigMap": func() any { return &corev1.ConfigMap{} }, "Secret": func() any { return &corev1.Secret{} }, "Service": func() any { return &corev1.Service{} },
	"ServiceAccount": func() any { return &corev1.ServiceAccount{} }, "StatefulSet": func() any { return &appsv1.StatefulSet{} },
	"PodDisruptionBudget": func() any { return &policyv1.PodDisruptionBudget{} }, "NetworkPolicy": func() any { return &networkingv1.NetworkPolicy{} },
	"ServiceMonitor": func() any { return &map[string]any{} }, // of an operator that need not be there
}

// Everything that the chart makes is what Kubernetes' own types read.
func TestChart(t *testing.T) {
	for name, values := range map[string]map[string]any{
		"usual":       {"auth": auth},
		"its own":     {"auth": map[string]any{"existingSecret": "mine"}, "replicas": 5, "hosts": []any{"work.example"}, "env": []any{map[string]any{"name": "XCONSUMER_LOG_LEVEL", "value": "debug"}}},
		"with prom":   {"auth": auth, "serviceMonitor": map[string]any{"enabled": true, "tokenSecret": map[string]any{"name": "prom", "key": "token"}}},
		"without all": {"auth": auth, "drain": false, "networkPolicy": map[string]any{"enabled": false}, "topologySpreadConstraints": nil},
	} {
		t.Run(name, func(t *testing.T) {
			documents, err := render(t, values)
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for _, d := range documents {
				var head struct{ Kind string }
				if err := yaml.Unmarshal([]byte(d), &head); err != nil {
					t.Fatalf("%v:\n%s", err, d)
				}
				into := kinds[head.Kind]
				if into == nil {
					t.Fatalf("kind %q is not known:\n%s", head.Kind, d)
				}
				value := into()
				if err := yaml.UnmarshalStrict([]byte(d), value); err != nil {
					t.Errorf("%s: %v\n%s", head.Kind, err, d)
				}
				seen[head.Kind] = true
				if set, ok := value.(*appsv1.StatefulSet); ok {
					checkSet(t, set, values["drain"] != false)
				}
			}
			if seen["Secret"] != (values["auth"].(map[string]any)["existingSecret"] == nil) || seen["NetworkPolicy"] != (name != "without all") || seen["ServiceMonitor"] != (name == "with prom") {
				t.Errorf("kinds: %v", seen)
			}
		})
	}
}

func checkSet(t *testing.T, set *appsv1.StatefulSet, drains bool) {
	t.Helper()
	c := set.Spec.Template.Spec.Containers[0]
	if (c.Lifecycle != nil) != drains {
		t.Errorf("it drains: %v", c.Lifecycle != nil)
	}
	if s := c.SecurityContext; s == nil || !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || !*set.Spec.Template.Spec.SecurityContext.RunAsNonRoot {
		t.Errorf("it may do more than it has to: %+v", s)
	}
	for _, want := range []string{"XCONSUMER_NODE_NAME", "XCONSUMER_HTTP_TOKENS_FILE", "XCONSUMER_HTTP_ADVERTISE"} {
		if !slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == want }) {
			t.Errorf("%s is not set", want)
		}
	}
}

// An install without tokens says what to do.
func TestChartWantsTokens(t *testing.T) {
	for _, values := range []map[string]any{{}, {"auth": map[string]any{"tokens": "x", "peers": "y"}}} {
		if _, err := render(t, values); err == nil || !strings.Contains(err.Error(), "auth") {
			t.Errorf("%v: %v", values, err)
		}
	}
}

// The plain manifests are what the chart makes, for those who use no Helm. UPDATE=1 writes them.
func TestManifests(t *testing.T) {
	documents, err := render(t, map[string]any{"auth": map[string]any{"existingSecret": "xconsumer-auth"}, "image": map[string]any{"repository": "xconsumer", "tag": "latest"}})
	if err != nil {
		t.Fatal(err)
	}
	const file = "../kubernetes/xconsumer.yaml"
	text := "# Rendered from deploy/helm/xconsumer. It wants a Secret first:\n#\n#   kubectl create secret generic xconsumer-auth --from-file=tokens --from-file=peers --from-file=drain\n---\n" + strings.Join(documents, "\n---\n") + "\n"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if old, err := os.ReadFile(file); err != nil || !bytes.Equal(old, []byte(text)) {
		t.Errorf("%s is not what the chart makes (%v): UPDATE=1 go test ./... in deploy/check", file, err)
	}
}
